"""Tokenizers: trained once, exact in size, refused with the key to change."""

import pytest

from summarymixing.errors import InputError
from summarymixing.tasks.tokenizer import load_tokenizer, train_tokenizer


@pytest.fixture
def manifest(tmp_path):
    file = tmp_path / "train.csv"
    file.write_text("ID,wrd\n1,ABC'S CAB\n2,A BAD BEAD\n")  # 6 characters besides the space
    return file


def test_exact_size_and_round_trip(manifest, tmp_path):
    train_tokenizer(manifest, tmp_path / "t.ckpt", 9, "char")
    tokenizer = load_tokenizer(tmp_path / "t.ckpt")
    assert tokenizer.get_piece_size() == 9
    assert tokenizer.decode_ids(tokenizer.encode_as_ids("A CAB")) == "A CAB"


def test_an_existing_tokenizer_is_kept(manifest, tmp_path):
    train_tokenizer(manifest, tmp_path / "t.ckpt", 9, "char")
    before = (tmp_path / "t.ckpt").read_bytes()
    train_tokenizer(manifest, tmp_path / "t.ckpt", 12, "bpe")
    assert (tmp_path / "t.ckpt").read_bytes() == before


def test_too_large_and_too_small_name_the_key(manifest, tmp_path):
    with pytest.raises(InputError, match="train.csv.*only 9 char pieces.*vocab_size=50") as error:
        train_tokenizer(manifest, tmp_path / "t.ckpt", 50, "char")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="vocab_size=7 leaves no char piece for .*set the key vocab_size to 9"):
        train_tokenizer(manifest, tmp_path / "t.ckpt", 7, "char")
    assert not (tmp_path / "t.ckpt").exists()


def test_a_broken_model_is_named(tmp_path):
    (tmp_path / "t.ckpt").write_bytes(b"no model")
    with pytest.raises(InputError, match="t.ckpt"):
        load_tokenizer(tmp_path / "t.ckpt")

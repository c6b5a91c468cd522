"""Tokenizers: exact in size and text, kept as long as the text is the same, refused with the key to change."""

import logging

import pytest

from summarymixing.corpora.manifest import write_manifest
from summarymixing.corpora.text_normalisation import LANGUAGES, normalise
from summarymixing.data.tokenizer import fetch_tokenizer, load_tokenizer, train_tokenizer
from summarymixing.utils.errors import InputError

#: By locale: first those of the table of languages, then other scripts.
SENTENCES = {
    "fr": "L'été, où l'œuvre naïve du garçon aigüe s'achève à Noël",
    "it": "Perché c'è un po' di più nell'città, laggiù, così",
    "nl": "'s Avonds één coëfficiënt, geïnd, zo'n ĳsvogel",
    "cy": "Mae'r tŷ a'r gŵr yn hŷn na'r môr, 'nôl â ni",
    "eu": "Begoña eta Iñaki, zer moduz pinguïn",
    "az": "Gözəl şəhər ilə işıq, çörək və ğ",
    "tr": "Işık ilk İzmir'de, çağdaş öğün şu",
    "de": "Straße, Äpfel, größte Übung, ẞ",
    "th": "น้ำตกสวยงามมาก ทำไมไม่ไป",
    "lo": "ນ້ຳຕົກງາມຫຼາຍ ທຳມະດາ ໝາ ໜູ",
    "ar": "السَّلَامُ عَلَيْكُمْ لا إله ﷲ",
    "he": "שָׁלוֹם עֲלֵיכֶם",
    "hi": "नमस्ते दुनिया क़लम ज़रा",
    "ta": "வணக்கம் உலகம் கொண்டு",
    "ko": "안녕하세요 세계 값",
    "ja": "こんにちは ガラス ﾊﾟﾝ 東京",
    "zh-CN": "你好 世界 説明 豈",
    "ka": "გამარჯობა მსოფლიო",
    "am": "ሰላም ለዓለም",
    "km": "សួស្តី ពិភពលោក ខ្ញុំ",
    "ru": "Съешь ещё этих мягких французских булок",
    "el": "Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία",
    "vi": "Tiếng Việt có nhiều dấu thanh",
    "my": "မင်္ဂလာပါ ကမ္ဘာ",
}


@pytest.fixture
def write(tmp_path):
    """A manifest of these transcripts."""

    def of(*texts):
        rows = [{"ID": str(number), "wrd": text} for number, text in enumerate(texts)]
        write_manifest(tmp_path / "train.csv", rows, ["ID", "wrd"])
        return tmp_path / "train.csv"

    return of


@pytest.fixture
def manifest(write):
    return write("ABC'S CAB", "A BAD BEAD")  # 6 characters besides the space


def begin_training(folder):
    (folder / "save" / "CKPT+1").mkdir(parents=True)


def test_every_language_of_the_table_has_a_sentence():
    assert LANGUAGES.keys() <= SENTENCES.keys() and len(SENTENCES.keys() - LANGUAGES.keys()) >= 10


@pytest.mark.parametrize("kind", ["char", "unigram", "bpe"])
@pytest.mark.parametrize("locale", SENTENCES)
def test_what_is_encoded_is_decoded(write, tmp_path, locale, kind):
    texts = [SENTENCES[locale], normalise(SENTENCES[locale], locale)]
    size = None if kind == "char" else len(set("".join(texts))) + 1
    train_tokenizer(write(*texts), tmp_path / "t.ckpt", size, kind)
    tokenizer = load_tokenizer(tmp_path / "t.ckpt")
    for text in texts:
        tokens = tokenizer.encode_as_ids(text)
        assert tokenizer.decode_ids(tokens) == text and tokenizer.unk_id() not in tokens


@pytest.mark.parametrize("marks", [{}, {"bos_index": 1, "eos_index": 2}])
def test_characters_need_no_number(manifest, tmp_path, marks):
    train_tokenizer(manifest, tmp_path / "t.ckpt", None, "char", **marks)
    tokenizer = load_tokenizer(tmp_path / "t.ckpt")
    assert tokenizer.get_piece_size() == len("ABCDES' ") + 1 + len(marks)
    assert tokenizer.decode_ids(tokenizer.encode_as_ids("A CAB")) == "A CAB"
    for kind in ("unigram", "bpe"):
        with pytest.raises(InputError, match=f"vocab_size=null.*set the key vocab_size to a number of {kind} pieces"):
            train_tokenizer(manifest, tmp_path / f"{kind}.ckpt", None, kind)


def test_long_transcripts_count(write, tmp_path):
    """Of 6,600 bytes, which hold the only B, C and D of the text; sentencepiece by itself leaves them out."""
    long = "A BAD CAB " * 660
    for kind in ("char", "bpe"):
        train_tokenizer(write("A A", long.strip()), tmp_path / f"{kind}.ckpt", 6, kind)
        tokenizer = load_tokenizer(tmp_path / f"{kind}.ckpt")
        assert tokenizer.decode(tokenizer.encode(long)) == long.strip()


def test_too_large_and_too_small_name_a_number_that_works(manifest, tmp_path):
    with pytest.raises(InputError, match="train.csv.*only 9 char pieces.*vocab_size=50.*or to null") as error:
        train_tokenizer(manifest, tmp_path / "t.ckpt", 50, "char")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="vocab_size=7 leaves no char piece for .*set the key vocab_size to 9"):
        train_tokenizer(manifest, tmp_path / "t.ckpt", 7, "char")
    assert not (tmp_path / "t.ckpt").exists()
    train_tokenizer(manifest, tmp_path / "t.ckpt", 9, "char")


def test_as_long_as_nothing_is_trained_settings_and_text_may_change(write, manifest, tmp_path):
    file = tmp_path / "t.ckpt"
    train_tokenizer(manifest, file, 9, "char")
    before = file.read_bytes()
    train_tokenizer(manifest, file, 12, "bpe")
    assert load_tokenizer(file).get_piece_size() == 12
    train_tokenizer(manifest, file, 9, "char")
    assert file.read_bytes() == before
    train_tokenizer(write("ABC'S CAB", "other letters"), file, None, "char")
    assert "o" in load_tokenizer(file).decode(load_tokenizer(file).encode("other"))


def test_a_run_that_trains_keeps_its_tokenizer_and_refuses_other_text(write, manifest, tmp_path):
    file = tmp_path / "t.ckpt"
    texts = ["ABC'S CAB", "A BAD BEAD"]
    train_tokenizer(manifest, file, None, "char")
    before = file.read_bytes()
    begin_training(tmp_path)
    train_tokenizer(manifest, file, 9, "char")  # the number that null became
    assert file.read_bytes() == before
    # Other letters, fewer utterances, the same words of other utterances.
    for changed in ([texts[0], "A bad BEAD"], texts[:1], texts[::-1]):
        with pytest.raises(InputError, match="other transcripts; restore.*another --output_folder"):
            train_tokenizer(write(*changed), file, 9, "char")
    train_tokenizer(write(*texts), file, 9, "char")
    assert file.read_bytes() == before


def test_a_run_made_before_tokenizers_told_goes_on(write, manifest, tmp_path):
    train_tokenizer(manifest, tmp_path / "t.ckpt", 9, "char")
    before = (tmp_path / "t.ckpt").read_bytes()
    (tmp_path / "t.json").unlink()
    begin_training(tmp_path)
    train_tokenizer(manifest, tmp_path / "t.ckpt", 9, "char")
    assert (tmp_path / "t.ckpt").read_bytes() == before


@pytest.fixture
def source(tmp_path):
    """A folder with a tokenizer of A, B and C."""
    (tmp_path / "source").mkdir()
    write_manifest(tmp_path / "source" / "abc.csv", [{"ID": "1", "wrd": "AB C"}], ["ID", "wrd"])
    train_tokenizer(tmp_path / "source" / "abc.csv", tmp_path / "source" / "tokenizer.ckpt", None, "char")
    return tmp_path / "source"


def test_another_models_tokenizer_must_know_the_letters(write, source, tmp_path, caplog):
    mine = tmp_path / "run" / "tokenizer.ckpt"
    for text, lacks in [("ab c", "3 letters of .*train.csv, 1e.02 % of its text: a b c"), ("AAA BBB ÉÉ", "25 %.*: É")]:
        with pytest.raises(InputError, match=f"tokenizer.ckpt: this tokenizer lacks .*{lacks}.*tokenizer_source"):
            fetch_tokenizer(source, mine, None, manifest=write(text))
        assert not mine.exists()
    with caplog.at_level(logging.WARNING):
        fetch_tokenizer(source, mine, None, manifest=write("AB C" * 100 + "É"))
    assert "lacks 1 letters" in caplog.text and "É" in caplog.text
    assert mine.read_bytes() == (source / "tokenizer.ckpt").read_bytes()
    begin_training(mine.parent)
    with pytest.raises(InputError, match="this run was trained on other transcripts"):
        fetch_tokenizer(source, mine, None, manifest=write("AB C"))


def test_a_broken_model_is_named(tmp_path):
    (tmp_path / "t.ckpt").write_bytes(b"no model")
    with pytest.raises(InputError, match="t.ckpt"):
        load_tokenizer(tmp_path / "t.ckpt")

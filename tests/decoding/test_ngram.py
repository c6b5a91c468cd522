"""CTC beam search: as greedy where the frames are sure, better where a sum of paths or a language model decides."""

import io
import itertools
import math

import pytest
import sentencepiece
import torch

from summarymixing.decoding.ctc import ctc_greedy_tokens
from summarymixing.decoding.ngram import check_language_model, ctc_beam_search
from summarymixing.utils.errors import InputError

#: Bigrams that prefer A CAT to A CUT.
ARPA = """\\data\\
ngram 1=6
ngram 2=4

\\1-grams:
-1.0\t<unk>\t0
0\t<s>\t-0.3
-1.0\t</s>\t0
-0.5\tA\t-0.3
-0.9\tCAT\t-0.3
-0.9\tCUT\t-0.3

\\2-grams:
-0.1\t<s> A
-0.1\tA CAT
-4.0\tA CUT
-0.4\tCAT </s>

\\end\\
"""


@pytest.fixture(scope="module")
def tokenizer():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["A CAT", "A CUT"]),
        model_writer=model,
        vocab_size=7,
        model_type="char",
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def frames(tokenizer, text, *doubts):
    """Log-probabilities (1, T, V) of a text, a frame a token; ``doubts`` are (token, other, probability of other)."""
    probs = torch.full((len(tokenizer.encode(text)), tokenizer.get_piece_size()), 1e-4)
    for frame, token in enumerate(tokenizer.encode(text)):
        probs[frame, token] = 1.0
        for before, other, share in doubts:
            if token == tokenizer.piece_to_id(before):
                probs[frame, token], probs[frame, tokenizer.piece_to_id(other)] = 1 - share, share
    return probs.log()[None]


def test_sure_frames_give_what_greedy_gives_and_padding_adds_nothing(tokenizer):
    search = ctc_beam_search(tokenizer, beam_size=5)
    log_probs = frames(tokenizer, "A CAT")
    blank = torch.full((1, 3, log_probs.shape[-1]), -torch.inf)
    blank[..., 0] = 0.0  # as ModelView fills padding
    for padded in (log_probs, torch.cat([log_probs, blank], dim=1)):
        assert search(padded)[0][0].text == "A CAT" == tokenizer.decode(ctc_greedy_tokens(padded)[0])


def test_the_paths_of_a_text_are_summed(tokenizer):
    """Two frames: blank twice is the best path, 0.36; but A has three, of 0.16 and twice 0.24."""
    a = tokenizer.piece_to_id("A")
    probs = torch.full((1, 2, tokenizer.get_piece_size()), 1e-9)
    probs[..., 0], probs[..., a] = 0.6, 0.4
    assert ctc_greedy_tokens(probs.log()) == [[]]
    best, second = ctc_beam_search(tokenizer, beam_size=5)(probs.log())[0][0], probs[0, :, 0].prod()
    assert best.text == "A" and best.score == pytest.approx(torch.tensor(0.64).log().item(), abs=1e-4)
    assert best.score > second.log()


def test_a_language_model_decides(tokenizer, tmp_path):
    pytest.importorskip("kenlm")
    pytest.importorskip("pygtrie")
    (tmp_path / "two.arpa").write_text(ARPA)
    log_probs = frames(tokenizer, "A CUT", ("U", "A", 0.4))
    assert ctc_beam_search(tokenizer, beam_size=5)(log_probs)[0][0].text == "A CUT"
    with_lm = ctc_beam_search(tokenizer, beam_size=5, language_model=tmp_path / "two.arpa", lm_weight=1.0)
    assert with_lm(log_probs)[0][0].text == "A CAT"
    (tmp_path / "bad.arpa").write_text("no n-grams")
    with pytest.raises(InputError, match="bad.arpa: key ngram_lm: KenLM cannot read this file"):
        ctc_beam_search(tokenizer, language_model=tmp_path / "bad.arpa")


#: After A the sentence may end, after B hardly; within it B is the likelier word.
ENDINGS = """\\data\\
ngram 1=5
ngram 2=5

\\1-grams:
-3.0\t<unk>\t0
0\t<s>\t-0.3
-1.0\t</s>\t0
-0.6\tA\t-0.3
-0.6\tB\t-0.3

\\2-grams:
-0.6\t<s> A
-0.2\t<s> B
-0.1\tA </s>
-3.0\tB </s>
-0.5\tB A

\\end\\
"""


def test_equals_the_enumeration_of_all_paths_with_the_end_of_the_sentence(tmp_path):
    """Every path of 5 frames, summed by its text, and KenLM's own score of that text as a whole sentence."""
    kenlm = pytest.importorskip("kenlm")
    pytest.importorskip("pygtrie")
    file = tmp_path / "endings.arpa"
    file.write_text(ENDINGS)
    model = io.BytesIO()
    options = {"vocab_size": 4, "model_type": "char", "bos_id": -1, "eos_id": -1, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.Train(sentence_iterator=iter(["A B A"]), model_writer=model, **options)
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    whole, weight, word_score = kenlm.Model(str(file)), 0.7, 0.9
    decided = 0
    for seed in range(20):
        log_probs = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed)).mul(1.5).log_softmax(-1)
        texts = {}
        for path in itertools.product(range(4), repeat=5):
            score = sum(log_probs[frame, token].item() for frame, token in enumerate(path))
            text = tokenizer.decode([token for token, _ in itertools.groupby(path) if token])
            text = " ".join(text.split())
            texts[text] = math.log(math.exp(texts.get(text, -math.inf)) + math.exp(score))
        scored = {}
        for text, score in texts.items():
            words = text.split()
            if words and all(len(word) == 1 for word in words):  # other words are unknown, SpeechBrain adds a penalty
                with_end, without = (
                    weight * math.log(10) * whole.score(text, bos=True, eos=eos) for eos in (True, False)
                )
                scored[text] = [score + word_score * len(words) + lm for lm in (with_end, without)]
        search = ctc_beam_search(
            tokenizer, beam_size=1000, language_model=file, lm_weight=weight, word_score=word_score
        )
        search.beam_prune_logp, search.token_prune_min_logp, search.topk = -1e9, -1e9, 50
        search.prune_history = False
        found = {hypothesis.text: hypothesis.lm_score for hypothesis in search(log_probs[None])[0]}
        best = max(scored, key=lambda text: scored[text][0])
        decided += best != max(scored, key=lambda text: scored[text][1])
        for text in set(found) & set(scored):
            assert found[text] == pytest.approx(scored[text][0], abs=1e-3), (seed, text)
        assert best in found and max(set(found) & set(scored), key=found.get) == best
    assert decided  # the end made a difference


def test_a_language_model_of_other_words(tokenizer, tmp_path):
    """In small letters not one word could be recognised, and the search would go on without the model."""
    pytest.importorskip("kenlm")
    pytest.importorskip("pygtrie")
    file = tmp_path / "small.arpa"
    file.write_text(ARPA.replace("\tA", "\ta").replace(" A", " a").replace("CAT", "cat").replace("CUT", "cut"))
    with pytest.raises(InputError, match="small.arpa: key ngram_lm: the tokenizer has no pieces for any of its words"):
        ctc_beam_search(tokenizer, language_model=file)
    file.write_text(file.read_text().replace("cat", "CAT"))
    assert ctc_beam_search(tokenizer, language_model=file).beam_size == 100


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    file = tmp_path / "two.arpa"
    with pytest.raises(InputError, match="two.arpa: no such file; correct the key ngram_lm"):
        check_language_model(file, 10)
    file.write_text(ARPA)
    with pytest.raises(InputError, match="needs beam search: set the key test_beam_size, now 1"):
        check_language_model(file, 1)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="needs kenlm and pygtrie; run: pip install kenlm pygtrie") as error:
        check_language_model(file, 10)
    assert "\n" not in str(error.value)

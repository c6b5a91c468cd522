"""Transducer decoding against slow references: greedy from the definition, beam search from all transcripts."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch
from speechbrain.decoders.transducer import TransducerBeamSearcher

from summarymixing.decoding.transducer import GreedyTransducer, TransducerSearcher, transducer_beam_search
from summarymixing.lobes import TransducerModel

D, VOCAB, BLANK = 8, 6, 2


def transducer(vocab=VOCAB, blank=BLANK, seed=0, talk=3.0):
    """A random transducer that gives about as many blanks as tokens; only what follows the encoder is used."""
    torch.manual_seed(seed)
    model = TransducerModel(SimpleNamespace(d_model=D), vocab, blank, predictor_size=12, joint_size=16)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn_like(parameter) * 0.6)
        model.output.weight[blank] += 0.25 * talk  # the joint's GELU is positive on average
    return model.eval()


def frames(*counts, seed=0):
    """Random encoder output (B, T, D), zero behind each row's count."""
    generator = torch.Generator().manual_seed(seed)
    x = 1.5 * torch.randn(len(counts), max(counts), D, generator=generator)
    return x.masked_fill((torch.arange(max(counts)) >= torch.tensor(counts)[:, None]).unsqueeze(-1), 0.0)


@torch.no_grad()
def slow_greedy(model, encoded, max_symbols):
    """One utterance, from the definition: the prediction network reads the whole transcript anew for every token."""
    tokens = []
    for frame in encoded:
        for _ in range(max_symbols):
            predicted = model.predict_all(torch.tensor([tokens], dtype=torch.long))[0, -1]
            joint = torch.nn.functional.gelu(model.encoder_proj(frame) + predicted)
            best = int((model.output.weight @ joint).argmax())
            if best == model.blank_index:
                break
            tokens.append(best)
    return tokens


@pytest.mark.parametrize("max_symbols", [1, 2, 5])
def test_greedy_equals_the_definition(max_symbols):
    total = 0
    for seed in range(6):
        model, encoded = transducer(seed=seed, talk=2.0), frames(30, seed=seed)
        expected = slow_greedy(model, encoded[0], max_symbols)
        assert GreedyTransducer(model, max_symbols=max_symbols).decode(encoded) == [expected]
        total += len(expected)
    assert 20 < total < 0.7 * 6 * 30 * max_symbols  # neither silent nor only stopped by the limit


@pytest.mark.parametrize("seed", range(3))
def test_greedy_equals_speechbrain_without_padding(seed):
    model, encoded = transducer(seed=seed), frames(30, 30, 30, seed=seed)

    class LSTM(torch.nn.Module):  # SpeechBrain's searcher knows recurrent layers by this name
        def forward(self, x, state=None):
            return model.lstm(x, state)

    searcher = TransducerBeamSearcher(
        decode_network_lst=[model.embedding, LSTM(), model.predictor_proj],
        tjoint=model.joint,
        classifier_network=[model.output],
        blank_id=BLANK,
        beam_size=1,
        nbest=1,
    )
    with torch.no_grad():
        expected = searcher.transducer_greedy_decode(model.encoder_proj(encoded), max_symbols_per_step=5)[0]
    # Its limit of 5 lets 6 tokens through.
    assert TransducerSearcher(model, max_symbols=6)(encoded)[0] == expected
    # It also reads padding, which this searcher does not.
    padded = torch.nn.functional.pad(encoded, (0, 0, 0, 40)), torch.full((len(encoded),), encoded.shape[1])
    assert TransducerSearcher(model, max_symbols=6)(padded)[0] == expected


@pytest.mark.slow
@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_batch_does_not_change_the_tokens(beam_size):
    model, counts = transducer(talk=0.5), (17, 1, 30, 8, 29, 12)
    encoded = frames(*counts)
    searcher = TransducerSearcher(model, beam_size)
    together = searcher((encoded, torch.tensor(counts)), torch.rand(6))[0]  # SpeechBrain's lengths are not used
    assert searcher(encoded, torch.tensor(counts) / max(counts))[0] == together  # but where there are no counts
    alone = [searcher(encoded[row : row + 1, :count])[0][0] for row, count in enumerate(counts)]
    parts = [slice(0, 2), slice(2, 4), slice(4, 6)]
    pairs = [tokens for part in parts for tokens in searcher((encoded[part], torch.tensor(counts[part])))[0]]
    assert together == alone == pairs
    assert sum(map(len, alone)) > 20


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pieces_equal_whole(size):
    for seed in range(5):
        model, encoded = transducer(seed=seed), frames(33, seed=seed)
        (whole,) = GreedyTransducer(model).decode(encoded)
        decoder, grown = GreedyTransducer(model), []
        for piece in [encoded[:, :0], *encoded.split(size, dim=1)]:
            (tokens,) = decoder.decode(piece)
            assert tokens[: len(grown)] == grown  # what was read stays read
            grown = list(tokens)
        assert grown == whole


@torch.no_grad()
def log_probability(model, encoded, tokens, max_symbols):
    """Of one transcript: a sum over every way to spread its tokens over the frames."""
    logits = model.join(model.encoder_proj(encoded)[:, None], model.predict_all(torch.tensor([tokens]).long())[0][None])
    log_probs = logits.double().log_softmax(-1)  # [T, U + 1, V]
    total = -math.inf
    for counts in itertools.product(range(max_symbols + 1), repeat=len(encoded)):
        if sum(counts) != len(tokens):
            continue
        score, u = 0.0, 0
        for t, count in enumerate(counts):
            for _ in range(count):
                score += float(log_probs[t, u, tokens[u]])
                u += 1
            score += float(log_probs[t, u, model.blank_index])
        total = max(total, score) + math.log1p(math.exp(-abs(total - score))) if total > -math.inf else score
    return total


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_transcripts(seed):
    model, encoded, max_symbols = transducer(vocab=3, blank=0, seed=seed, talk=1.0), frames(3, seed=seed)[0], 2
    transcripts = [list(t) for n in range(7) for t in itertools.product([1, 2], repeat=n)]
    expected = {tuple(t): log_probability(model, encoded, t, max_symbols) for t in transcripts}
    found = dict(transducer_beam_search(model, encoded, beam_size=1000, max_symbols=max_symbols))
    assert set(found) == {t for t, score in expected.items() if score > -math.inf}
    for hypothesis, score in found.items():
        assert score == pytest.approx(expected[hypothesis], abs=1e-5)
    best = max(expected, key=expected.get)
    assert next(iter(found)) == best
    # A narrow beam keeps no more than it may, and its scores are sums over fewer alignments.
    narrow = transducer_beam_search(model, encoded, beam_size=2, max_symbols=max_symbols)
    assert len(narrow) <= 2 and all(score <= expected[hypothesis] + 1e-5 for hypothesis, score in narrow)


def test_beam_search_is_at_least_as_good_as_greedy_on_average():
    gained = 0.0
    for seed in range(8):
        model, encoded = transducer(vocab=3, blank=0, seed=seed, talk=1.0), frames(4, seed=seed)
        greedy = TransducerSearcher(model, 1, max_symbols=2)(encoded)[0][0]
        beam, _, nbest, scores = TransducerSearcher(model, 4, max_symbols=2)(encoded)
        assert nbest[0][0] == beam[0] and scores[0] == sorted(scores[0], reverse=True)
        gained += log_probability(model, encoded[0], beam[0], 2) - log_probability(model, encoded[0], greedy, 2)
    assert gained > 0


def test_a_model_that_never_predicts_the_blank_ends():
    """SpeechBrain's beam search goes on for ever here."""
    model = transducer()
    with torch.no_grad():
        model.output.weight[BLANK] -= 100
    for beam_size in (1, 2):
        (tokens,) = TransducerSearcher(model, beam_size, max_symbols=3)(frames(7))[0]
        assert len(tokens) <= 21


def test_the_searcher_owns_no_parameters():
    searcher = TransducerSearcher(transducer())
    assert not list(searcher.parameters()) and not searcher.state_dict()


def test_bad_sizes():
    with pytest.raises(ValueError, match="beam_size=0"):
        TransducerSearcher(transducer(), 0)

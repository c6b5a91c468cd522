"""The whole encoder-decoder and its beam search: no leak, the same in any batch, as good as trying everything."""

import functools
import itertools

import pytest
import torch
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM

from summarymixing.decoding import BeamSearch
from summarymixing.decoding.incremental_decoder import IncrementalDecoder
from summarymixing.decoding.language_model import load_language_model
from summarymixing.lobes import EncoderDecoder, TransformerDecoder
from summarymixing.lobes.frontends.contextnet import ContextNet
from summarymixing.utils.errors import InputError

VOCAB, BOS, EOS = 12, 1, 2
DECODERS = pytest.mark.parametrize("summary_decoder", [False, True], ids=["attention", "summary"])
LM = functools.partial(TransformerLM, d_model=8, nhead=2, num_encoder_layers=1, d_ffn=16, dropout=0.0)


def build(tools, vocab=VOCAB, **kwargs):
    encoder = tools.speech_encoder()
    torch.manual_seed(0)
    decoder = TransformerDecoder(vocab, tools.D, nhead=4, d_ffn=24, num_layers=2, dropout=0.0, **kwargs)
    model = EncoderDecoder(encoder, decoder, vocab)
    for part in (model.decoder, model.output, model.ctc_output):
        tools.randomise(part)
    return model.eval()


@DECODERS
@torch.no_grad()
def test_alone_equals_in_batch(summary_decoder, tools):
    model = build(tools, summary_decoder=summary_decoder)
    samples, tokens = (16000, 9000, 4321), torch.tensor([[1, 5, 6, 7], [1, 8, 8, 0], [1, 9, 0, 0]])
    wavs = tools.noise(*samples)
    lengths = torch.tensor(samples) / max(samples)
    (ctc, attention, encoded), counts = model(wavs, lengths, tokens)
    again, own = model(wavs, lengths)
    assert torch.equal(encoded, again) and torch.equal(counts, own)
    for row, (length, count) in enumerate(zip(samples, (4, 3, 2), strict=True)):
        alone, (frames,) = model(wavs[row : row + 1, :length], None, tokens[row : row + 1, :count])
        assert counts[row] == frames == alone[0].shape[1]
        torch.testing.assert_close(ctc[row, :frames], alone[0][0], rtol=0, atol=1e-4)
        torch.testing.assert_close(attention[row, :count], alone[1][0], rtol=0, atol=1e-4)
        assert (encoded[row, frames:] == 0).all() and (encoded[row, :frames] != 0).any(-1).all()


@DECODERS
@torch.no_grad()
def test_no_token_is_seen_early_and_every_one_is_felt(summary_decoder, tools):
    model = build(tools, summary_decoder=summary_decoder)
    wavs, tokens = tools.noise(8000), torch.tensor([[1, 5, 6, 7, 8]])
    (_, expected, _), _ = model(wavs, tokens=tokens)
    for u in (1, 3):
        changed = tokens.clone()
        changed[:, u] = 10
        (_, actual, _), _ = model(wavs, tokens=changed)
        torch.testing.assert_close(actual[:, :u], expected[:, :u], rtol=0, atol=1e-6)
        assert (actual[:, u:] - expected[:, u:]).abs().amax(-1).min() > 1e-4


@DECODERS
@torch.no_grad()
def test_token_by_token_equals_whole_prefixes(summary_decoder, tools):
    """However hypotheses change places between the steps."""
    decoder = build(tools, summary_decoder=summary_decoder).decoder
    generator, beam = torch.Generator().manual_seed(0), 3
    encoded, counts = torch.randn(2, 20, tools.D, generator=generator), torch.tensor([20, 11])
    steps = IncrementalDecoder(decoder, encoded, counts, beam)
    rows = encoded.repeat_interleave(beam, 0), counts.repeat_interleave(beam)
    prefixes, past = torch.empty(2 * beam, 0, dtype=torch.long), None
    for _ in range(6):
        tokens = torch.randint(1, VOCAB, (2 * beam,), generator=generator)
        prefixes = torch.cat([prefixes, tokens[:, None]], dim=1)
        states, past = steps.step(tokens, past)
        expected, _ = decoder.decode(prefixes, *rows)
        torch.testing.assert_close(states, expected[:, -1], rtol=0, atol=1e-5)
        order = torch.cat([beam * row + torch.randint(beam, (beam,), generator=generator) for row in (0, 1)])
        prefixes, past = prefixes[order], [part[order] for part in past]


def test_trains_and_stays_in_float32_under_autocast(tools):
    model = build(tools, summary_decoder=True).train()
    tokens = torch.tensor([[1, 5, 6]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (ctc, attention, _), _ = model(tools.noise(8000), tokens=tokens)
    assert ctc.dtype == attention.dtype == torch.float32
    (ctc.sum() + attention.square().sum()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_sizes_must_agree(tools):
    with pytest.raises(ValueError, match="d_model=16, the decoder d_model=32"):
        EncoderDecoder(tools.speech_encoder(), TransformerDecoder(VOCAB, 32, 4, 24, 1), VOCAB)


def search(model, **kwargs):
    return BeamSearch(model, BOS, EOS, **{"beam_size": 4, "max_decode_ratio": 0.5, **kwargs})


@DECODERS
@pytest.mark.parametrize("settings", [{}, {"ctc_weight": 0.0}, {"ctc_candidates": 6}, {"beam_size": 1}], ids=str)
@torch.no_grad()
def test_the_batch_does_not_change_what_is_found(summary_decoder, settings, tools):
    model = build(tools, summary_decoder=summary_decoder)
    # Some hypotheses end early, some at their limit.
    model.output.bias[EOS] += -2 if settings.get("ctc_weight") == 0.0 else 1
    samples = (16000, 9000, 21000, 700)
    wavs = tools.noise(*samples)
    decode = search(model, **settings)
    together = decode(model(wavs, torch.tensor(samples) / max(samples)))[0]
    alone = [decode(model(wavs[i : i + 1, :n]))[0][0] for i, n in enumerate(samples)]
    assert together == alone and len({len(tokens) for tokens in alone}) > 1
    for tokens, length in zip(alone, samples, strict=True):
        assert len(tokens) <= int(model.frame_counts(torch.tensor(length))) * 0.5


def joint_score(model, encoded, tokens, ctc_weight, temperature):
    """Of a finished hypothesis, from the whole models: log-probabilities over the number of steps."""
    sentence = torch.tensor([[BOS, *tokens]])
    logits = model.output(model.decoder(sentence, encoded)) / temperature
    attention = logits.log_softmax(-1)[0, torch.arange(len(tokens) + 1), torch.tensor([*tokens, EOS])].sum()
    ctc = torch.nn.functional.ctc_loss(
        model.ctc_output(encoded).log_softmax(-1).transpose(0, 1),
        torch.tensor([tokens], dtype=torch.long),
        [encoded.shape[1]],
        [len(tokens)],
        reduction="sum",
    )
    return ((1 - ctc_weight) * attention - ctc_weight * ctc) / (len(tokens) + 1)


@torch.no_grad()
def test_a_wide_beam_finds_the_best_of_all_sentences(tools):
    vocab, weight, temperature = 6, 0.4, 1.3
    model = build(tools, vocab)
    encoded, _ = model(tools.noise(4000))
    ratio = 3.5 / encoded.shape[1]  # three steps: at most two tokens, because the last one must end the sentence
    decode = search(model, beam_size=36, ctc_weight=weight, temperature=temperature, max_decode_ratio=ratio)
    (best,), _, (score,), _ = decode(encoded)
    # Every sentence of real tokens; the search may say the begin of sentence too.
    sentences = [list(s) for n in range(3) for s in itertools.product([1, 3, 4, 5], repeat=n)]
    scores = {tuple(s): float(joint_score(model, encoded, s, weight, temperature)) for s in sentences}
    expected = max(scores, key=scores.get)
    assert tuple(best) == expected
    assert float(score) == pytest.approx(scores[expected], abs=1e-4)


@torch.no_grad()
def test_a_language_model_changes_what_is_found(tools, tmp_path):
    model = build(tools)
    encoded = model(tools.noise(8000))
    torch.manual_seed(1)
    lm = LM(vocab=VOCAB)
    lm.output_proj.layers[2].w.bias[7] += 20  # it only ever wants to hear this token
    torch.save(lm.state_dict(), tmp_path / "lm.ckpt")
    settings = {"language_model": str(tmp_path), "make_language_model": LM}
    assert search(model, lm_weight=0.0, **settings)(encoded)[0] == search(model)(encoded)[0]
    (with_lm,) = search(model, lm_weight=5.0, **settings)(encoded)[0]
    assert 7 in with_lm and set(with_lm) == {7} and set(search(model)(encoded)[0][0]) != {7}


def test_the_search_owns_no_parameters(tools):
    model = build(tools)
    decode = search(model)
    decode.load()
    assert list(decode.parameters()) == [] and decode.state_dict() == {}


@pytest.mark.parametrize(
    "content, message",
    [
        (LM(vocab=9).state_dict(), "has 9 tokens, but the recogniser has vocab_size=12; train .*tokenizer_source"),
        (LM(vocab=VOCAB, d_ffn=32).state_dict(), "differ from those of the key lm_model"),
        ({"weight": torch.zeros(1)}, "not the weights of a SpeechBrain TransformerLM"),
    ],
    ids=["vocabulary", "sizes", "another model"],
)
def test_a_language_model_that_does_not_fit_is_named(content, message, tmp_path):
    torch.save(content, tmp_path / "lm.ckpt")
    with pytest.raises(InputError, match=f"lm.ckpt: key language_model.*{message}") as error:
        load_language_model(tmp_path, LM, VOCAB)
    assert "\n" not in str(error.value)


def test_a_broken_language_model_is_named(tmp_path):
    (tmp_path / "lm.ckpt").write_bytes(b"no weights")
    with pytest.raises(InputError, match="lm.ckpt: key language_model: not the weights"):
        load_language_model(tmp_path, LM, VOCAB)


@torch.no_grad()
def test_contextnet_alone_equals_in_batch_and_counts_its_frames(tools):
    torch.manual_seed(0)
    net = ContextNet(20, output_size=16, alpha=0.0625).eval()
    counts = torch.tensor([90, 41, 3])
    x = torch.randn(3, 90, 20)
    out, frames = net(x, counts)
    assert frames.tolist() == [12, 6, 1]
    for row, count in enumerate(counts.tolist()):
        alone, _ = net(x[row : row + 1, :count], counts[row : row + 1])
        assert alone.shape[1] == frames[row]
        torch.testing.assert_close(out[row, : frames[row]], alone[0], rtol=0, atol=1e-5)
        assert (out[row, frames[row] :] == 0).all()
    trained, again = net.train()(x, counts)
    assert trained.shape == out.shape and torch.equal(again, frames) and (trained[2, 1:] == 0).all()

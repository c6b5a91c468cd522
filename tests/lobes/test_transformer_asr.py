"""The encoder-decoder: SpeechBrain's numbers where it has them, no leak from later tokens, no end of positions."""

import functools

import pytest
import torch
from speechbrain.decoders.seq2seq import S2STransformerGreedySearcher
from speechbrain.lobes.models.transformer.TransformerASR import EncoderWrapper
from speechbrain.lobes.models.transformer.TransformerASR import TransformerASR as StockTransformerASR
from speechbrain.nnet.linear import Linear
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import nn

from summarymixing.lobes import ConformerEncoder, TransformerASR
from summarymixing.lobes.models.transformer_asr import MixerAsSelfAttention
from summarymixing.mixers import SummaryMixing

VOCAB, FEATURES = 30, 7
DECODERS = pytest.mark.parametrize("summary_decoder", [False, True], ids=["attention", "summary"])


def build(tools, encoder="conformer", mixer="mean", encoder_kwargs=None, **kwargs):
    torch.manual_seed(0)
    encoder = tools.Case(encoder, mixer).make(**(encoder_kwargs or {}))
    settings = {"d_model": tools.D, "nhead": 4, "d_ffn": 24, "num_decoder_layers": 2, "dropout": 0.0, **kwargs}
    return tools.randomise(TransformerASR(VOCAB, FEATURES, encoder, **settings))


def batch(tools, *lengths):
    x, _ = tools.ragged(*lengths, d_model=FEATURES)
    tokens = torch.randint(1, VOCAB, (len(lengths), 9), generator=torch.Generator().manual_seed(0))
    return x, tokens, torch.tensor(lengths) / max(lengths)


@torch.no_grad()
def test_equals_speechbrain(tools):
    ours = build(tools, "transformer", "regular", positional_encoding="fixed_abs_sine")
    stock = StockTransformerASR(
        VOCAB,
        FEATURES,
        d_model=tools.D,
        nhead=4,
        num_encoder_layers=2,
        num_decoder_layers=2,
        d_ffn=24,
        dropout=0.0,
        activation=nn.GELU,
        normalize_before=True,
        causal=False,
    )
    state = {name.replace("mixer.attention", "self_att"): value for name, value in ours.state_dict().items()}
    missing, unexpected = stock.load_state_dict(state, strict=False)
    assert missing == ["positional_encoding.pe"] and not unexpected
    x, tokens, lengths = batch(tools, 40, 20)
    tokens[1, 6:] = 0
    for actual, expected in zip(ours(x, tokens, lengths), stock.eval()(x, tokens, lengths), strict=True):
        actual, expected = actual.clone(), expected.clone()
        if actual.shape[1] == 40:  # SpeechBrain leaves padding as it comes
            actual[1, 20:] = expected[1, 20:] = 0.0
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


@DECODERS
@torch.no_grad()
def test_alone_equals_in_batch(summary_decoder, tools):
    model = build(tools, summary_decoder=summary_decoder)
    frames = (40, 25, 7)
    x, tokens, lengths = batch(tools, *frames)
    tokens[2, 5:] = 0
    encoded, decoded = model(x, tokens, lengths)
    assert 0.3 < decoded.abs().mean() < 2
    for row, length in enumerate(frames):
        count = 5 if row == 2 else 9
        alone = model(x[row : row + 1, :length], tokens[row : row + 1, :count], torch.ones(1))
        torch.testing.assert_close(encoded[row, :length], alone[0][0], rtol=0, atol=1e-4)
        torch.testing.assert_close(decoded[row, :count], alone[1][0], rtol=0, atol=1e-4)


@DECODERS
@torch.no_grad()
def test_decoder_sees_no_later_token(summary_decoder, tools):
    model = build(tools, summary_decoder=summary_decoder)
    x, tokens, _ = batch(tools, 20, 20)
    _, expected = model(x, tokens)
    for u in (1, 5, 8):
        changed = tokens.clone()
        changed[:, u:] = changed[:, u:] % (VOCAB - 1) + 1
        _, decoded = model(x, changed)
        torch.testing.assert_close(decoded[:, :u], expected[:, :u], rtol=0, atol=1e-6)
        assert (decoded[:, u:] - expected[:, u:]).abs().amax(-1).min() > 1e-4  # and feels the earlier ones


@DECODERS
@torch.no_grad()
def test_decode_equals_forward(summary_decoder, tools):
    model = build(tools, summary_decoder=summary_decoder)
    frames = torch.tensor([40, 25])
    x, tokens, lengths = batch(tools, *frames.tolist())
    encoded, decoded = model(x, tokens, lengths)
    for count in (1, 4, 9):
        stepwise, attention = model.decode(tokens[:, :count], encoded, frames)
        torch.testing.assert_close(stepwise, decoded[:, :count], rtol=0, atol=1e-5)
        assert attention.shape == (2, count, 40)


@DECODERS
@torch.no_grad()
def test_searcher_finds_the_same_tokens_in_any_batch(summary_decoder, tools):
    model = build(tools, summary_decoder=summary_decoder)
    output = Linear(n_neurons=VOCAB, input_size=tools.D)
    nn.init.normal_(output.w.weight)
    searcher = S2STransformerGreedySearcher(
        modules=[model, output], bos_index=1, eos_index=2, min_decode_ratio=0.0, max_decode_ratio=0.5
    )
    frames = (40, 25)
    x, _, lengths = batch(tools, *frames)
    together = searcher(model.encode(x, lengths), lengths)[0]
    assert len({token for tokens in together for token in tokens}) > 2
    for row, length in enumerate(frames):
        alone = searcher(model.encode(x[row : row + 1, :length], torch.ones(1)), torch.ones(1))[0][0]
        count = min(len(alone), len(together[row]))  # the longest of a batch sets the number of steps
        assert count > 5 and together[row][:count] == alone[:count]


@torch.no_grad()
@pytest.mark.parametrize("positional_encoding", [None, "fixed_abs_sine"])
@pytest.mark.parametrize("left_context", [1, None])
def test_stream_equals_offline(positional_encoding, left_context, tools):
    model = build(tools, positional_encoding=positional_encoding, num_decoder_layers=0)
    chunks = DynChunkTrainConfig(4, left_context)
    x, _, _ = batch(tools, 30, 30)
    expected = model.encode(x, dynchunktrain_config=chunks)
    context = model.make_streaming_context(chunks)
    parts = [model.encode_streaming(part, context) for part in x.split(4, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_speechbrain_wrapper_and_flattened_features(tools):
    model = build(tools, positional_encoding="fixed_abs_sine")
    x, _, lengths = batch(tools, 20, 10)
    expected = model.encode(x, lengths)
    assert torch.equal(EncoderWrapper(model)(x, lengths), expected)
    assert torch.equal(model.encode(x.unsqueeze(-1), lengths), expected)
    chunks = DynChunkTrainConfig(4, 1)
    wrapped = EncoderWrapper(model)(x, lengths, dynchunktrain_config=chunks)
    assert torch.equal(wrapped, model.encode(x, lengths, dynchunktrain_config=chunks))
    assert not torch.allclose(wrapped, expected, atol=1e-2)


@torch.no_grad()
def test_hidden_states(tools):
    model = build(tools, encoder_kwargs={"output_hidden_states": True})
    x, tokens, lengths = batch(tools, 20, 10)
    encoded, hidden_states, decoded = model(x, tokens, lengths)
    assert encoded.shape == (2, 20, tools.D) and len(hidden_states) == 3 and decoded.shape == (2, 9, tools.D)
    assert torch.equal(model.encode(x, lengths)[0], encoded)


@torch.no_grad()
def test_no_end_of_positions(tools):
    model = build(tools, positional_encoding="fixed_abs_sine", summary_decoder=True)
    encoded, decoded = model(torch.rand(1, 3000, FEATURES), torch.randint(1, VOCAB, (1, 2600)))
    assert encoded.isfinite().all() and decoded.shape == (1, 2600, tools.D)


def test_mixers_keep_their_own_initialisation(tools):
    torch.manual_seed(0)
    encoder = ConformerEncoder(2, 64, 96, functools.partial(SummaryMixing, nhead=8))
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    model = TransformerASR(VOCAB, FEATURES, encoder, 64, 4, num_decoder_layers=1, d_ffn=96, summary_decoder=True)
    for name, value in model.encoder.state_dict().items():
        reinitialised = before[name].dim() > 1 and ".mixer." not in name
        assert torch.equal(value, before[name]) != reinitialised, name
    heads = [p for name, p in model.named_parameters() if p.dim() == 3 and ".mixer." in name and len(p) == 8]
    assert len(heads) == 8  # two layers of f and of s, in two layers of the encoder
    for weight in heads:  # (8, 8, 8): Xavier's deviation for 8 in and 8 out
        assert weight.std().item() == pytest.approx((2 / 16) ** 0.5, rel=0.15)
    layers = model.decoder.layers
    assert all(isinstance(layer.self_attn, MixerAsSelfAttention) for layer in layers)
    assert all(layer.self_attn.mixer.summary == "causal" for layer in layers)


def test_trains(tools):
    model = build(tools, summary_decoder=True, positional_encoding="fixed_abs_sine").train()
    x, tokens, lengths = batch(tools, 20, 10)
    tokens[1, 4:] = 0
    encoded, decoded = model(x, tokens, lengths)
    (encoded.square().sum() + decoded[tokens != 0].square().sum()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_sizes_must_agree(tools):
    with pytest.raises(ValueError, match="d_model=16, the decoder d_model=32"):
        build(tools, d_model=32)

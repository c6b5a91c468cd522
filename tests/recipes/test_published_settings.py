"""What the recipes mark as published is what was published, and what the model, loss and search of that file have."""

import json
import re
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.augment.freq_domain import SpectrogramDrop, Warping
from torch import nn

from summarymixing.experiment.yaml_files import resolve_yaml
from summarymixing.mixers import SummaryMixingLite

RECIPES = Path(__file__).parents[2] / "recipes"
BRANCHFORMER = "LibriSpeech/ASR/transformer/hparams/branchformer_summarymixing.yaml"
LITE = "LibriSpeech/ASR/transformer/hparams/branchformer_summarymixing_lite.yaml"
SUMMARY_DECODER = "LibriSpeech/ASR/transformer/hparams/branchformer_summarymixing_decoder.yaml"
CONFORMER = "LibriSpeech/ASR/transformer/hparams/conformer_summarymixing.yaml"
TRANSDUCER = "LibriSpeech/ASR/transducer/hparams/conformer_transducer_summarymixing_fast.yaml"
COMMON_VOICE = "CommonVoice/ASR/transformer/hparams/{}_summarymixing.yaml"

#: 2307.07421, LibriSpeech Branchformer; then what differs from it. None: not published, or there is no such thing.
LIBRISPEECH = {
    "layers": 18,
    "width": 512,
    "heads": 1,
    "hidden": 512,
    "gated": 3072,
    "activation": "GELU",
    "decoder": (6, 2048),
    "tokens": 5000,
    "ctc_weight": 0.3,
    "label_smoothing": 0.0,
    "optimizer": {"lr": 5e-4, "betas": (0.9, 0.98), "eps": 1e-9, "weight_decay": 0.01},
    "warmup": 30000,
    "clip": 5,
    "epochs": 120,
    "batch": (500, 1),
    "utterances": 128,
    "speeds": [95, 100, 105],
    "time_drops": (4, 15, 25),
    "mel_drops": (4, 10, 20),
    "statistics_batches": 4 * 960 * 3600 / 500,
    "search": (66, 0.40, 1.15),
    "lm_weight": 0.60,
    "averaged": 10,
    "layernorm": True,
    "cell_dropout": 0.0,
    "channels": [64, 32],
    "kernel": 31,
    "mels": 80,
}
CONFORMERS = {
    **LIBRISPEECH,
    "layers": 12,
    "heads": 8,
    "gated": None,
    "activation": "Swish",
    "label_smoothing": 0.1,
    "optimizer": {**LIBRISPEECH["optimizer"], "lr": 8e-4},
    "utterances": 256,
    "lm_weight": 0.66,
    "ffn": 2048,
    "cell_dropout": None,  # not known for this one
}
LARGE = {
    **LIBRISPEECH,
    "batch": (400, 2),
    "utterances": None,
    "speeds": None,
    "time_drops": (5, 15, 25),
    "mel_drops": (2, 25, 35),
    "statistics_batches": None,
    "statistics_epochs": 3,
    "search": (10, 0.3, 1.0),
    "lm_weight": 0.0,
}
SMALL = {**LARGE, "layers": 12, "width": 256, "hidden": 384, "gated": 1536, "decoder": (4, 2048)}


def language(tokens, lr, warmup, epochs):
    optimizer = {**LIBRISPEECH["optimizer"], "lr": lr}
    return {"tokens": tokens, "optimizer": optimizer, "warmup": warmup, "epochs": epochs}


FRENCH = language(1000, 8e-4, 25000, 120)
ITALIAN = language(1000, 5e-4, 10000, 100)
DUTCH = language(350, 8e-4, 10000, 100)
#: 2409.07165.
STREAMING = {
    **CONFORMERS,
    "heads": 1,
    "hidden": None,
    "decoder": None,
    "tokens": 1000,
    "optimizer": {**CONFORMERS["optimizer"], "eps": 1e-8},
    "warmup": 25000,
    "epochs": None,
    "batch": (150, 4),
    "time_drops": (5, 15, 25),
    "mel_drops": (2, 25, 35),
    "statistics_batches": 4 * 960 * 3600 / 150,
    "search": None,
    "lm_weight": None,
    "averaged": None,
    "layernorm": False,
    "cell_dropout": 0.1,
    "dropout": 0.15,
    "label_smoothing": None,
    "speeds": None,
    "utterances": None,
    "kernel": None,
}
PUBLISHED = {
    BRANCHFORMER: LIBRISPEECH,
    LITE: LIBRISPEECH,
    SUMMARY_DECODER: LIBRISPEECH,
    CONFORMER: CONFORMERS,
    COMMON_VOICE.format("large"): LARGE | FRENCH,
    COMMON_VOICE.format("small"): SMALL | FRENCH,
    TRANSDUCER: STREAMING,
}


#: By the same file, with the settings of other languages.
LOCALES = [(COMMON_VOICE.format("small"), locale, SMALL | own) for locale, own in (("it", ITALIAN), ("nl", DUTCH))]


def built(name, **overrides):
    """An experiment at its full size, without memory for its weights."""
    text = resolve_yaml(RECIPES / name)
    with torch.device("meta"):  # where no resampler can be built
        hparams = load_hyperpyyaml(text, {"data_folder": "", "output_folder": "", "augment": None, **overrides})
    return hparams | {"speeds": re.search(r"speeds: (\[.*\])", text)}


def optimizer(hparams):
    defaults = hparams["optimizer"]([nn.Parameter(torch.zeros(1))]).defaults
    return {key: defaults[key] for key in ("lr", "betas", "eps", "weight_decay")}


def drops(hparams, dim):
    """Count, shortest and longest of the drops along a dimension of the spectrogram."""
    steps = hparams["model"].speech_encoder.augment
    (drop,) = [step for step in steps if getattr(step, "dim", 0) == dim and is_drop(step)]
    assert drop.drop_count_low == drop.drop_count_high
    return drop.drop_count_low, drop.drop_length_low, drop.drop_length_high


def is_drop(step):
    return isinstance(step, SpectrogramDrop)


def first_layer(hparams):
    return hparams["model"].speech_encoder.encoder.layers[0]


def cell(hparams):
    return first_layer(hparams).mixer


def layernorm(hparams):
    """Whether all norms of the cell are there, or none."""
    norms = [getattr(cell(hparams), name) for name in ("local_norm", "summary_norm") if hasattr(cell(hparams), name)]
    kinds = {type(norm) for norm in norms}
    assert len(kinds) == 1 and len(norms) == (1 if type(cell(hparams)) is SummaryMixingLite else 2)
    return kinds == {nn.LayerNorm}


def cell_projections(hparams):
    """The linear layers of the cell's head-wise MLPs."""
    return [module for module in cell(hparams).modules() if type(module).__name__ == "HeadLinear"]


def hidden(hparams):
    """Features between the two layers of each MLP, which all have alike."""
    firsts = cell_projections(hparams)[::2]
    (size,) = {linear.weight.shape[0] * linear.weight.shape[1] for linear in firsts}
    return size


def activation(hparams):
    """Of the cell and of the layer around it."""
    names = {type(module).__name__ for module in first_layer(hparams).modules()}
    (name,) = names & {"GELU", "Swish", "ReLU"}
    return name


def decoder_sizes(hparams):
    layers = hparams["model"].decoder.decoder.layers
    return len(layers), layers[0].pos_ffn.ffn[0].out_features


def search(hparams):
    decoder = hparams["decoder"]
    return decoder.settings["beam_size"], decoder.ctc_weight, decoder.settings["temperature"]


def statistics_batches(hparams):
    return pytest.approx(hparams["model"].speech_encoder.normalize.num_batches, rel=0.005)


#: Where a built experiment has each setting, and the keys of the YAML files that say it.
FOUND = {
    "layers": (lambda h: len(h["model"].speech_encoder.encoder.layers), {"num_layers"}),
    "width": (lambda h: h["model"].speech_encoder.d_model, {"d_model", "summary_out_dim"}),
    "heads": (lambda h: cell_projections(h)[0].nhead, {"nhead"}),
    "hidden": (hidden, set()),
    "gated": (
        lambda h: first_layer(h).convolution_branch.pre_channel_proj.out_features,
        {"csgu_linear_units", "merge"},
    ),
    "activation": (activation, {"activation"}),
    "decoder": (decoder_sizes, {"num_decoder_layers", "d_ffn"}),
    "tokens": (lambda h: h["vocab_size"], {"vocab_size", "tokenizer_type"}),
    "ctc_weight": (lambda h: h["ctc_weight"], {"ctc_weight", "ctc_epochs"}),
    "label_smoothing": (lambda h: h["label_smoothing"], {"label_smoothing"}),
    "optimizer": (optimizer, {"lr", "betas", "eps", "weight_decay"}),
    "warmup": (lambda h: h["lr_schedule"].n_warmup_steps, {"warmup_steps", "total_steps", "lr_decay"}),
    "clip": (lambda h: h["max_grad_norm"], {"max_grad_norm"}),
    "epochs": (lambda h: h["epoch_counter"].limit, {"number_of_epochs"}),
    "batch": (
        lambda h: (h["max_batch_length"], h["grad_accumulation_factor"]),
        {"max_batch_length", "grad_accumulation_factor"},
    ),
    "utterances": (lambda h: h["max_batch_ex"], {"max_batch_ex"}),
    "speeds": (lambda h: json.loads(h["speeds"][1]), set()),
    "time_drops": (lambda h: drops(h, 1), set()),
    "mel_drops": (lambda h: drops(h, 2), set()),
    "statistics_batches": (statistics_batches, {"normalization_batches"}),
    "search": (search, {"test_beam_size", "ctc_weight_decode", "temperature"}),
    "lm_weight": (lambda h: h["decoder"].lm_weight, {"lm_weight"}),
    "averaged": (lambda h: h["avg_checkpoints"], {"avg_checkpoints"}),
    "layernorm": (layernorm, {"use_layernorm"}),
    "cell_dropout": (lambda h: cell(h).dropout.p, {"dropout"}),
    "dropout": (lambda h: first_layer(h).dropout.p, {"dropout"}),
    "channels": (
        lambda h: [block.conv.out_channels for block in h["model"].speech_encoder.front_end.blocks],
        {"channels", "two_dimensional"},
    ),
    "ffn": (lambda h: first_layer(h).ffn_module1[1].ffn[0].out_features, {"d_ffn"}),
    "statistics_epochs": (lambda h: h["normalization_epochs"], {"normalization_epochs"}),
    "kernel": (lambda h: h["kernel_size"], {"kernel_size"}),
    "mels": (lambda h: h["model"].speech_encoder.features.output_size, {"n_mels"}),
}
#: Of other recipes' tests: what the corpus, the predictor and the joint network have.
ELSEWHERE = {"max_seconds", "predictor_size", "joint_size"}


@pytest.mark.parametrize("name, locale, published", [*((n, None, p) for n, p in PUBLISHED.items()), *LOCALES])
def test_a_built_experiment_has_the_published_settings(name, locale, published):
    hparams = built(name, **({} if locale is None else {"locale": locale}))
    for setting, value in published.items():
        if value is not None:
            assert FOUND[setting][0](hparams) == value, setting
    assert any(isinstance(step, Warping) for step in hparams["model"].speech_encoder.augment)
    assert all(block.conv.kernel_size == (3, 3) for block in hparams["model"].speech_encoder.front_end.blocks)


@pytest.mark.parametrize("name", PUBLISHED)
def test_whatever_a_file_marks_as_published_is_checked(name):
    text = resolve_yaml(RECIPES / name)
    marked = set(re.findall(r"^\s*(\w+): [^#\n]*# \[[PLS]\]", text, re.M))
    checked = set().union(*[keys for setting, (_, keys) in FOUND.items() if PUBLISHED[name].get(setting) is not None])
    assert marked - checked - ELSEWHERE == set()


#: Branchformers with SummaryMixing whose other settings are ours.
OTHERS = [
    "SLURP/SLU/direct/hparams/branchformer_summarymixing.yaml",
    "SLURP/SLU/classification/hparams/branchformer_summarymixing.yaml",
    "GoogleSpeechCommands/KWS/hparams/branchformer_summarymixing.yaml",
]


@pytest.mark.slow
def test_every_branchformer_with_summarymixing_has_the_published_cell():
    """Those above and these are all there are."""
    listed = {name for name in PUBLISHED if "conformer" not in name} | set(OTHERS)
    files = [path for path in RECIPES.rglob("*summarymixing*.yaml") if "BranchformerEncoder" in resolve_yaml(path)]
    assert listed == {path.relative_to(RECIPES).as_posix() for path in files}
    for name in OTHERS:
        hparams = built(name)
        assert layernorm(hparams) and cell(hparams).dropout.p == 0.0, name
        assert first_layer(hparams).dropout.p == hparams["dropout"] > 0, name


def test_the_summary_decoder_has_the_encoders_cell():
    hparams = built(SUMMARY_DECODER)
    mixers = [layer.self_attn.mixer for layer in hparams["model"].decoder.decoder.layers]
    shapes = {key: value.shape for key, value in cell(hparams).state_dict().items()}
    for mixer in mixers:
        assert mixer.summary == "causal"
        assert {key: value.shape for key, value in mixer.state_dict().items()} == shapes
        assert mixer.dropout.p == hparams["dropout"]

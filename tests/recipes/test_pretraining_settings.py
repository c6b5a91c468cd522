"""Self-supervised pre-training: what the YAML files mark as published is what was published, and the small size."""

import re
from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from torch import nn

from summarymixing.experiment.yaml_files import resolve_yaml
from summarymixing.lobes import Contrastive, RandomProjection

HPARAMS = Path(__file__).parents[2] / "recipes/LibriSpeech/self-supervised-learning/wav2vec2/hparams"
VARIANTS = ("summarymixing", "windowed", "mhsa", "mhsa_rope")


def built(name, **overrides):
    """An experiment at its full size, without memory for its weights."""
    with torch.device("meta"):
        return load_hyperpyyaml(
            resolve_yaml(HPARAMS / f"{name}.yaml"), {"data_folder": "", "output_folder": "", **overrides}
        )


def millions(module):
    return sum(p.numel() for p in module.parameters()) / 1e6


@pytest.mark.parametrize("name, published", [("conformer_summarymixing", 154.8), ("conformer_mhsa", 165.3)])
def test_parameters_are_as_many_as_published(name, published):
    """2407.13377, pre-training: encoder, quantiser and both projections."""
    assert millions(built(name)["model"]) == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_small_size(variant):
    hparams = built(f"small_{variant}")
    assert 3 < millions(hparams["model"]) < 5
    mixers = [type(layer.mixer) for name in ("small", "conformer") for layer in layers(built(f"{name}_{variant}"))]
    assert len(set(mixers)) == 1


def layers(hparams):
    return hparams["model"].speech_encoder.encoder.layers


def linear_schedule(hparams):
    name = hparams["lr_schedule"].__name__
    return name, hparams["warmup_fraction"]


#: 2407.13377: each setting, where a built experiment has it, the keys that say it.
PUBLISHED = [
    (12, lambda h: len(layers(h)), {"num_layers"}),
    (768, lambda h: h["model"].speech_encoder.d_model, {"d_model", "local_proj_out_dim", "summary_out_dim"}),
    (3072, lambda h: layers(h)[0].ffn_module1[1].ffn[0].out_features, {"d_ffn"}),
    (31, lambda h: layers(h)[0].convolution_module.conv.kernel_size[0], {"kernel_size"}),
    (8, lambda h: h["nhead"], {"nhead"}),
    (0.1, lambda h: layers(h)[0].mixer.dropout.p, {"dropout"}),
    (0.1, lambda h: h["model"].speech_encoder.dropout.p, {"dropout"}),
    (0.05, lambda h: h["model"].speech_encoder.encoder.layerdrop_prob, {"layerdrop"}),
    ("Swish", lambda h: type(layers(h)[0].ffn_module1[1].ffn[1]).__name__, {"activation"}),
    ("SinusoidalPositions", lambda h: type(h["model"].speech_encoder.positions).__name__, {"positions"}),
    (80, lambda h: h["model"].speech_encoder.features.output_size, {"n_mels"}),
    ("UtteranceNormalization", lambda h: type(h["model"].speech_encoder.normalize).__name__, {"normalize"}),
    (0.02, lambda h: h["model"].speech_encoder.frame_seconds, set()),
    ([(512, 3, 2), (512, 3, 1)], lambda h: front_end(h), {"channels"}),
    ((2, 320, 128), lambda h: tuple(h["model"].objective.quantizer.entries.shape), {"codebooks", "codes", "code_size"}),
    ((2.0, 0.25, 0.999995), lambda h: temperature(h), {"gumbel_temperature"}),
    (1.0, lambda h: h["score_std"], {"score_std"}),
    (256, lambda h: h["model"].objective.prediction_proj.out_features, {"latent_size"}),
    (100, lambda h: h["model"].objective.negatives, {"negatives"}),
    (0.1, lambda h: h["model"].objective.temperature, {"similarity_temperature"}),
    (0.1, lambda h: h["model"].objective.diversity_weight, {"diversity_weight"}),
    (1.0, lambda h: h["model"].objective.target_gradient, {"target_gradient"}),
    ("Contrastive", lambda h: type(h["model"].objective).__name__, {"objective"}),
    (10, lambda h: h["model"].mask.keywords["span"], {"mask_span"}),
    ((5e-4, 1e-6, 0.05), lambda h: optimizer(h), {"lr", "eps", "weight_decay"}),
    (("LinearWarmupScheduler", 0.1), linear_schedule, {"warmup_fraction"}),
    ((360, 4), lambda h: (h["max_batch_length"], h["grad_accumulation_factor"]), {"max_batch_length"}),
    (70, lambda h: h["num_buckets"], {"num_buckets", "grad_accumulation_factor"}),
    ((10, 30), lambda h: (h["min_seconds"], h["max_seconds"]), {"min_seconds", "max_seconds"}),
    ("fp16", lambda h: h["precision"], {"precision"}),
    (None, lambda h: h["augment"], {"augment"}),
    # 300,000 steps of 1.6 h.
    (pytest.approx(300_000, rel=0.01), lambda h: h["number_of_epochs"] * 4300 / 1.6, {"number_of_epochs"}),
]


def front_end(hparams):
    convs = hparams["model"].speech_encoder.front_end.convs
    return [(conv.out_channels, conv.kernel_size[0], conv.stride[0]) for conv in convs]


def temperature(hparams):
    quantizer = hparams["model"].objective.quantizer
    return quantizer.first, quantizer.least, quantizer.factor


def optimizer(hparams):
    defaults = hparams["optimizer"]([nn.Parameter(torch.zeros(1))]).defaults
    return defaults["lr"], defaults["eps"], defaults["weight_decay"]


def test_a_built_experiment_has_the_published_settings():
    hparams = built("conformer_summarymixing")
    for value, found, keys in PUBLISHED:
        assert found(hparams) == value, keys
    text = resolve_yaml(HPARAMS / "conformer_summarymixing.yaml")
    marked = set(re.findall(r"^\s*(\w+): [^#\n]*# \[P\]", text, re.M))
    assert marked <= set().union(*[keys for *_, keys in PUBLISHED])


@pytest.mark.parametrize("name", ["conformer", "small"])
def test_one_key_chooses_what_is_predicted(name):
    objectives = {"contrastive": Contrastive, "random_projection": RandomProjection}
    for objective, kind in objectives.items():
        assert type(built(name, objective=objective)["model"].objective) is kind
    with pytest.raises(Exception, match="key objective: 'hubert' is not one of contrastive, random_projection"):
        built(name, objective="hubert")

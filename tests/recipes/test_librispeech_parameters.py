"""Parameter counts of the paper-scale YAML files: as published, and by the formulas of the layers."""

from pathlib import Path

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml

from summarymixing.experiment.yaml_files import resolve_yaml

RECIPES = Path(__file__).parents[2] / "recipes/LibriSpeech/ASR"


def built(recipe, name, **overrides):
    """The model of a YAML file at its full size, without memory for its weights."""
    overrides = {"data_folder": "", "output_folder": "", "augment": None, **overrides}
    with torch.device("meta"):
        return load_hyperpyyaml(resolve_yaml(RECIPES / recipe / "hparams" / f"{name}.yaml"), overrides)["model"]


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


#: 2307.07421: millions of parameters of the encoder's layers, and with decoder and heads.
PUBLISHED = {
    ("branchformer_summarymixing", 1): (86.0, 119.3),
    ("branchformer_summarymixing", 4): (71.9, 105.1),
    ("branchformer_summarymixing_lite", 1): (67.1, 100.4),
    ("branchformer_mhsa_relpos", 1): (76.6, 109.8),
    ("conformer_summarymixing", None): (68.0, 101.3),
    ("conformer_mhsa_relpos", None): (75.9, 109.1),
}


@pytest.mark.parametrize("name, heads", PUBLISHED)
def test_parameters_are_as_many_as_published(name, heads):
    model = built("transformer", name, **({} if heads is None else {"mixer": {"nhead": heads}}))
    layers, total = PUBLISHED[name, heads]
    assert count(model.speech_encoder.encoder) / 1e6 == pytest.approx(layers, abs=0.1)
    assert count(model) / 1e6 == pytest.approx(total, abs=0.1)


def linear(size_in, size_out):
    return size_in * size_out + size_out


@pytest.mark.slow
def test_parameters_by_the_formulas_of_the_layers():
    """Every count of the README's table, from sizes alone."""
    d, ffn, gated, kernel, vocab, norm = 512, 2048, 3072, 31, 5000, 2 * 512
    feed_forward = linear(d, ffn) + linear(ffn, d)
    attention = 4 * d * d  # no biases, as SpeechBrain has it
    head_mlp = 2 * (d * d // 8 + d)
    mixers = {
        "summary8": 2 * head_mlp + linear(2 * d, d) + 2 * norm,
        "summary1": 4 * linear(d, d) + linear(2 * d, d) + 2 * norm,
        "lite1": 2 * linear(d, d) + norm,
        "relpos": attention + d * d + 2 * d + d,  # and distances, two biases, a bias on the output
        "rope": attention + d,
        "regular": 4 * linear(d, d),
        "fastformer": linear(d, 3 * d) + 2 * linear(d, 8) + linear(d, d),
        "none": 0,
    }
    conformer = 2 * (feed_forward + norm) + 2 * norm  # and the convolution module:
    conformer += norm + linear(d, 2 * d) + d * kernel + d + norm + linear(d, d)
    branch = linear(d, gated) + gated + gated // 2 * (kernel + 1) + linear(gated // 2, d) + 2 * norm
    linear_merge, mlp_merge = linear(2 * d, d), linear(2 * d, d) + linear(d, d)
    front_end = (64 * 9 + 64 + 2 * 40 * 64) + (32 * 64 * 9 + 32 + 2 * 20 * 32) + linear(640, d)
    decoder = 6 * (2 * mixers["regular"] + feed_forward + 3 * norm) + norm + vocab * d
    summary_decoder = decoder + 6 * (mixers["summary1"] - mixers["regular"])
    heads = 2 * linear(d, vocab)
    expected = {
        "conformer_summarymixing": (12 * (conformer + mixers["summary8"]), decoder),
        "conformer_mhsa": (12 * (conformer + mixers["rope"]), decoder),
        "conformer_mhsa_relpos": (12 * (conformer + mixers["relpos"]), decoder),
        "transformer_mhsa": (12 * (mixers["regular"] + feed_forward + 2 * norm), decoder),
        "branchformer_summarymixing": (18 * (branch + mlp_merge + mixers["summary1"]), decoder),
        "branchformer_summarymixing_lite": (18 * (branch + mlp_merge + mixers["lite1"]), decoder),
        "branchformer_summarymixing_decoder": (18 * (branch + mlp_merge + mixers["summary1"]), summary_decoder),
        "branchformer_mhsa": (18 * (branch + linear_merge + mixers["rope"]), decoder),
        "branchformer_mhsa_relpos": (18 * (branch + linear_merge + mixers["relpos"]), decoder),
        "branchformer_fastformer": (18 * (branch + linear_merge + mixers["fastformer"]), decoder),
        "branchformer_cnn_only": (18 * (branch + linear_merge), decoder),
    }
    table = (RECIPES / "transformer" / "README.md").read_text()
    for name, (layers, decoder_size) in expected.items():
        layers += norm  # behind the last one
        model = built("transformer", name)
        assert count(model.speech_encoder.encoder) == layers, name
        assert count(model.decoder) == decoder_size, name
        total = layers + front_end + decoder_size + heads
        assert count(model) == total, name
        assert f"| {layers / 1e6:.1f} / {total / 1e6:.1f} |" in row_of(table, name), name
    # SpeechBrain's own modules, of which ContextNet stands in the place of the front end.
    for name, part in (("contextnet", "speech_encoder"), ("branchformer_hypermixing", "speech_encoder.encoder")):
        model = built("transformer", name)
        assert f"| {count(model.get_submodule(part)) / 1e6:.1f} / {count(model) / 1e6:.1f} |" in row_of(table, name)
    ctc = (RECIPES / "CTC" / "README.md").read_text()
    for name in ("conformer_summarymixing", "conformer_mhsa", "conformer_mhsa_relpos"):
        total = expected[name][0] + norm + front_end + linear(d, vocab)
        assert count(built("CTC", name)) == total
        assert f"| {total / 1e6:.1f} |" in row_of(ctc, name)


def row_of(table, name):
    """The last row of that name."""
    return [line for line in table.splitlines() if line.startswith(f"| `{name}` |")][-1]

"""What of an upstream is trained, in every family: the rest evaluates and keeps nothing for the backward pass."""

import pytest
import torch
from torch import nn

from summarymixing import lobes
from summarymixing.mixers import WindowedSummaryMixing
from summarymixing.upstreams import RunUpstream, tune
from summarymixing.utils.errors import InputError

WAVS = 0.1 * torch.randn(2, 16000, generator=torch.Generator().manual_seed(1))
LENGTHS = torch.tensor([1.0, 0.7])


def saved_bytes(upstream):
    """What autograd keeps of one pass, beside the weights."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = (tensor, tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states, _ = upstream(WAVS.clone(), LENGTHS)
    weights = {weight.untyped_storage().data_ptr() for weight in upstream.parameters()}
    return states, sum(size for place, (_, size) in kept.items() if place not in weights)


@pytest.mark.slow
@pytest.mark.parametrize("mixer", [WindowedSummaryMixing, None], ids=["swapped", "attention"])
def test_only_the_mixers_of_the_last_layer_train(make, family, mixer):
    whole = make(family, frozen=False)
    _, most = saved_bytes(tune(whole, train="all").train())
    upstream = tune(make(family, frozen=False), "last 1", mixer)
    holder = nn.ModuleDict({"upstream": upstream}).train()  # as SpeechBrain does at every epoch
    before = {name: weight.clone() for name, weight in upstream.state_dict().items()}
    states, kept = saved_bytes(upstream)
    assert [state.requires_grad for state in states] == [False, False, False, True]
    assert kept < most / 2
    optimizer = torch.optim.SGD(holder.parameters(), lr=1.0)
    states[-1].square().mean().backward()
    optimizer.step()
    changed = {name for name, weight in upstream.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed and all("layers.2." in name and "att" in name for name in changed)
    modes = {name for name, module in upstream.named_modules() if name and module.training}
    assert modes and all("layers.2." in name and "att" in name for name in modes)
    upstream.eval()
    assert not any(module.training for module in upstream.modules())


def test_nothing_trains(make):
    upstream = tune(make("hubert", frozen=False), train="nothing").train()
    assert upstream.frozen and not any(weight.requires_grad for weight in upstream.parameters())
    assert saved_bytes(upstream)[1] == 0


def test_runs_of_this_project():
    front_end, encoder = lobes.ConvolutionalFrontEnd(80, channels=[4, 4]), lobes.ConformerEncoder(3, 16, 32)
    speech = lobes.SpeechEncoder(lobes.LogMel(), lobes.GlobalNormalization(80), front_end, encoder)
    upstream = tune(RunUpstream(speech_encoder=speech, frozen=False), [1], WindowedSummaryMixing).train()
    assert [state.requires_grad for state in upstream(WAVS, LENGTHS)[0]] == [False, False, True, True]
    with pytest.raises(InputError, match="train: 'some' is none of nothing, mixers, all"):
        tune(upstream, train="some")

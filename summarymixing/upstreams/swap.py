"""Swap the attention of a trained encoder for a token mixer (2602.09043), in this package's models and in others'.

Five lines put Windowed SummaryMixing into the last two layers of a model of Hugging Face::

    from functools import partial
    from transformers import AutoModel
    from summarymixing.mixers import WindowedSummaryMixing
    from summarymixing.upstreams import replace_mixers
    model = AutoModel.from_pretrained("facebook/wav2vec2-xls-r-300m")
    attention = replace_mixers(model, "last 2", partial(WindowedSummaryMixing, nhead=4))

Everything around the attention stays: projections of the layer, norms, dropout, gradient checkpointing.
"""

import copy
import re

import torch
from torch import nn

from summarymixing.mixers.base import Mixer
from summarymixing.utils.errors import InputError

#: What layers call the part that mixes along time: in this package, in Hugging Face's models, in SpeechBrain's.
_NAMES = ("mixer", "attention", "self_attn", "mha_layer", "self_att")
#: What only decoder layers have: attention to an encoder.
_CROSS = ("encoder_attn", "multihead_attn", "mutihead_attn", "crossattention")
#: Families of Hugging Face whose attention gives two values in every version; a call to find out would need positions.
_TWO_VALUES = ("Wav2Vec2BertSelfAttention", "Wav2Vec2ConformerSelfAttention")


def encoder_layers(model):
    """The layers of a model's encoder, and the name of the part in them that mixes along time.

    Parameters
    ----------
    model : torch.nn.Module
        A model with one encoder: of this package, of SpeechBrain (Conformer, Branchformer, Transformer), or Hugging
        Face's wav2vec 2.0, XLS-R, MMS, HuBERT, WavLM, data2vec-audio, SEW, w2v-BERT 2 or Whisper.

    Returns
    -------
    torch.nn.ModuleList
        The layers.
    str
        The attribute.

    Raises
    ------
    InputError
        If there is no such encoder, or there are several.

    Examples
    --------
    >>> from summarymixing.lobes import ConformerEncoder
    >>> layers, name = encoder_layers(ConformerEncoder(2, 16, 32))
    >>> len(layers), name
    (2, 'mixer')
    """
    found = {}
    for path, module in model.named_modules():
        if not isinstance(module, nn.ModuleList) or not len(module):
            continue
        names = {next((n for n in _NAMES if isinstance(getattr(layer, n, None), nn.Module)), None) for layer in module}
        cross = any(hasattr(module[0], name) for name in _CROSS)
        if len(names) == 1 and None not in names and not cross:
            found[path] = (module, names.pop())
    if len(found) != 1:
        what = (
            f"encoders at {', '.join(found)}" if found else "no encoder whose layers have one of " + ", ".join(_NAMES)
        )
        raise InputError(f"{type(model).__name__} has {what}; give the encoder itself, of one of the known families")
    return next(iter(found.values()))


def chosen_layers(layers, count):
    """Numbers of layers, from what a user says.

    Parameters
    ----------
    layers : str or list of int
        ``"all"``, ``"last 2"``, or numbers from 0, negative ones from the end, also as text: ``"0, 11"``.
    count : int
        How many layers there are.

    Returns
    -------
    list of int
        Ascending.

    Raises
    ------
    InputError
        For anything else, and for layers that are not there.

    Examples
    --------
    >>> chosen_layers("last 2", 12), chosen_layers("[0, -1]", 12), chosen_layers("last 0", 12)
    ([10, 11], [0, 11], [])
    """
    if layers == "all":
        return list(range(count))
    text = layers if isinstance(layers, str) else ""
    last = re.fullmatch(r"last (\d+)", text)
    if re.fullmatch(r"\[?\s*-?\d+([\s,]+-?\d+)*\s*\]?", text):
        layers = [int(number) for number in re.findall(r"-?\d+", text)]
    if last:
        numbers = range(count - int(last[1]), count)
    elif isinstance(layers, list | tuple) and all(isinstance(n, int) and not isinstance(n, bool) for n in layers):
        numbers = [number + count if number < 0 else number for number in layers]
    else:
        raise InputError(f"layers: {layers!r} is none of 'all', 'last 2' and a list of numbers such as [0, 11]")
    if not all(0 <= number < count for number in numbers):
        raise InputError(f"layers: {layers!r} names layers that are not there; this encoder has {count}")
    return sorted(set(numbers))


def replace_mixers(model, layers, factory):
    """Give layers of a trained encoder another mixer in the place of their attention.

    Parameters
    ----------
    model : torch.nn.Module
        As :func:`encoder_layers` takes it; changed.
    layers : str or list of int
        As :func:`chosen_layers` takes it.
    factory : callable
        ``factory(d_model)`` gives a :class:`~summarymixing.mixers.base.Mixer`. It receives the device, the type and the
        mode (training or evaluation) of what it replaces.

    Returns
    -------
    dict of int to torch.nn.Module
        What was replaced, for :func:`restore_mixers`.

    Raises
    ------
    InputError
        As the functions above, and if ``factory`` gives something else.

    Examples
    --------
    >>> from functools import partial
    >>> from summarymixing.lobes import ConformerEncoder
    >>> from summarymixing.mixers import RoPEAttention, SummaryMixing
    >>> encoder = ConformerEncoder(3, 16, 32, mixer=partial(RoPEAttention, nhead=2))
    >>> replaced = replace_mixers(encoder, "last 1", SummaryMixing)
    >>> [type(layer.mixer).__name__ for layer in encoder.layers]
    ['RoPEAttention', 'RoPEAttention', 'SummaryMixing']
    >>> restore_mixers(encoder, replaced)
    >>> [type(layer.mixer).__name__ for layer in encoder.layers]
    ['RoPEAttention', 'RoPEAttention', 'RoPEAttention']
    """
    modules, name = encoder_layers(model)
    numbers = chosen_layers(layers, len(modules))
    made = {}
    for number in numbers:
        old = getattr(modules[number], name)
        mixer = factory(_size(modules[number], old))
        if not isinstance(mixer, Mixer):
            raise InputError(
                f"the mixer to swap in is a {type(mixer).__name__}; give a factory of summarymixing.mixers"
            )
        like = next(old.parameters(), None)
        if like is not None:
            mixer.to(like.device, like.dtype)
        made[number] = _slot(mixer, old, name).train(old.training)
    replaced = {number: getattr(modules[number], name) for number in numbers}
    restore_mixers(model, made)
    return replaced


def restore_mixers(model, replaced):
    """Put back what :func:`replace_mixers` has taken out.

    Parameters
    ----------
    model : torch.nn.Module
        Changed.
    replaced : dict of int to torch.nn.Module
        What :func:`replace_mixers` has returned.
    """
    modules, name = encoder_layers(model)
    for number, old in replaced.items():
        setattr(modules[number], name, old)
    parts = [getattr(layer, name) for layer in modules]
    for part in parts:
        if isinstance(part, _HuggingFaceSlot):
            part.gives_bias = not all(isinstance(other, _Slot) for other in parts)


def swapped_mixers(model):
    """The mixers that were swapped in, by the number of their layer; in this package's models all mixers.

    Returns
    -------
    dict of int to summarymixing.mixers.base.Mixer
    """
    modules, name = encoder_layers(model)
    parts = {number: getattr(layer, name) for number, layer in enumerate(modules)}
    found = {number: part.mixer if isinstance(part, _Slot) else part for number, part in parts.items()}
    return {number: part for number, part in found.items() if isinstance(part, Mixer)}


def _size(layer, old):
    for name in ("d_model", "embed_dim", "hidden_size"):
        if isinstance(getattr(old, name, None), int):
            return getattr(old, name)
    norm = next((part for part in layer.modules() if isinstance(part, nn.LayerNorm)), None)
    if norm is None:
        raise InputError(f"cannot tell how many features {type(old).__name__} has; it is of no known family")
    return norm.normalized_shape[-1]


def _slot(mixer, old, name):
    """What stands in the place of ``old`` and is called as it was."""
    if isinstance(old, _Slot):
        return type(old).like(mixer, old)
    if isinstance(old, Mixer):
        return mixer
    if name in ("mha_layer", "self_att"):
        return _SpeechBrainSlot(mixer)
    return _HuggingFaceSlot(mixer, old)


class _Slot(nn.Module):
    """A mixer that is called as the attention of another library is."""

    def __init__(self, mixer):
        super().__init__()
        self.mixer = mixer

    @classmethod
    def like(cls, mixer, other):
        """The same place with another mixer."""
        slot = copy.copy(other)
        slot._modules = {**other._modules, "mixer": mixer}
        return slot


class _SpeechBrainSlot(_Slot):
    def forward(self, query, key, value, attn_mask=None, key_padding_mask=None, **others):
        if attn_mask is not None:
            raise ValueError("a token mixer takes no T x T mask: leave dynamic chunk training off.")
        return self.mixer(query, key_padding_mask), None


class _HuggingFaceSlot(_Slot):
    """Finds out how many values the old attention gives, and keeps WavLM's table of positions for the layers above."""

    def __init__(self, mixer, old):
        super().__init__(mixer)
        self.values = 2 if type(old).__name__ in _TWO_VALUES else _values(old, mixer.d_model)
        # WavLM: the attention of the first layer computes the bias that those of all layers add.
        self.bias = _bias_table(old) if hasattr(old, "rel_attn_embed") else None
        # Not if no attention is left: it is a (T, T) tensor for each head of each utterance.
        self.gives_bias = True

    def forward(self, hidden_states, attention_mask=None, position_bias=None, **others):
        y = self.mixer(hidden_states, padding_of(attention_mask, hidden_states))
        if self.bias is not None and position_bias is None and self.gives_bias:
            batch, time, _ = hidden_states.shape
            position_bias = self.bias.compute_bias(time, time).repeat(batch, 1, 1)
        return (y, None, position_bias)[: self.values]


def _values(old, size):
    like = next(old.parameters())
    options = {"position_bias": like.new_zeros(old.num_heads, 2, 2)} if hasattr(old, "gru_rel_pos_const") else {}
    modes = [(module, module.training) for module in old.modules()]
    with torch.no_grad():
        try:
            return len(old.eval()(like.new_zeros(1, 2, size), **options))
        except Exception as error:
            raise InputError(f"{type(old).__name__} is of no known family: {error}") from error
        finally:
            for module, training in modes:
                module.training = training


def _bias_table(old):
    """WavLM's attention without its projections."""
    table = copy.copy(old)
    table._modules, table._parameters = {"rel_attn_embed": old.rel_attn_embed}, {}
    return table


def padding_of(mask, x):
    """The padding of a batch, from any of the masks that attention is given in Hugging Face's models.

    Parameters
    ----------
    mask : torch.Tensor or None
        (B, T) or (B, 1, T, T): bool, True = real, or 1 and 0; or float, added to scores, 0 and a large negative number.
    x : torch.Tensor
        (B, T, D).

    Returns
    -------
    torch.Tensor or None
        (B, T) bool, True = padding.

    Raises
    ------
    ValueError
        For any other mask.

    Examples
    --------
    >>> x, additive = torch.rand(1, 3, 8), torch.tensor([0.0, 0.0, -1e9]).expand(1, 1, 3, 3)
    >>> padding_of(additive, x).tolist(), padding_of(torch.tensor([[1, 1, 0]]), x).tolist()
    ([[False, False, True]], [[False, False, True]])
    """
    if mask is None:
        return None
    if not isinstance(mask, torch.Tensor) or mask.ndim not in (2, 4) or mask.shape[-1] != x.shape[1]:
        raise ValueError(f"a mask of another form than (B, T) or (B, 1, T, T): {getattr(mask, 'shape', type(mask))}")
    additive = mask.is_floating_point() and mask.ndim == 4
    row = mask[:, 0, 0] if mask.ndim == 4 else mask
    real = row if row.dtype == torch.bool else (row > -1 if additive else row > 0)
    return ~real.expand(x.shape[:2])

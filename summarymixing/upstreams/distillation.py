"""Starting weights of swapped mixers: each first learns to give the output of the attention that it replaces.

Ours: in 2602.09043 swapped mixers start from random weights.
"""

from contextlib import ExitStack, contextmanager

import torch

from summarymixing.upstreams.swap import encoder_layers, restore_mixers, swapped_mixers
from summarymixing.utils.errors import InputError


def distil_mixers(model, replaced, batches, lr=1e-3):
    """Train swapped mixers to give the output of what they have replaced, on audio without transcripts.

    The encoder runs as it was before the swap. Each mixer hears in its layer what the attention there hears, and
    learns by itself: the loss of a layer has no gradient in any other. Nothing but these mixers changes.

    Parameters
    ----------
    model : torch.nn.Module
        The upstream, frozen or not, or an encoder, after :func:`~summarymixing.upstreams.replace_mixers`.
    replaced : dict of int to torch.nn.Module
        What that has returned.
    batches : iterable of tuple
        What ``model`` is called with, such as waveforms and their relative lengths; an optimizer step each.
    lr : float
        Learning rate of AdamW.

    Returns
    -------
    dict of int to list of float
        For each layer its error before every step: the squared difference over the squared output of the attention,
        both summed over real frames; 1 is what a mixer that gives zeros has. The mean of the utterances where the
        upstream encodes one after the other.

    Raises
    ------
    InputError
        If nothing was replaced, or ``batches`` is empty.

    Examples
    --------
    >>> from functools import partial
    >>> from summarymixing.lobes import ConformerEncoder
    >>> from summarymixing.mixers import RoPEAttention, SummaryMixing
    >>> from summarymixing.upstreams import replace_mixers
    >>> encoder = ConformerEncoder(3, 16, 32, mixer=partial(RoPEAttention, nhead=2))
    >>> replaced = replace_mixers(encoder, "last 2", SummaryMixing)
    >>> errors = distil_mixers(encoder, replaced, [(torch.rand(2, 50, 16),)] * 3)
    >>> [(layer, len(error)) for layer, error in errors.items()]
    [(1, 3), (2, 3)]
    """
    mixers = {number: swapped_mixers(model)[number] for number in sorted(replaced)}
    if not mixers:
        raise InputError("no mixer was swapped in that could be distilled; swap first, with replace_mixers")
    optimizer = torch.optim.AdamW([weight for mixer in mixers.values() for weight in mixer.parameters()], lr=lr)
    errors = {number: [] for number in mixers}
    with _as_before(model, replaced) as slots, ExitStack() as hooks:
        lessons = {number: _Lesson(slots[number]) for number in mixers}
        for number, lesson in lessons.items():
            hooks.enter_context(mixers[number].register_forward_pre_hook(lesson.note_padding))
            hooks.enter_context(replaced[number].register_forward_hook(lesson, with_kwargs=True))
        for batch in batches:
            optimizer.zero_grad()
            with torch.no_grad():
                model(*batch)
            optimizer.step()
            for number, lesson in lessons.items():
                errors[number].append(lesson.error())
    optimizer.zero_grad()
    if not all(errors.values()):
        raise InputError("batches: none came, so that no mixer was distilled; a generator serves only once")
    return {number: [float(error) for error in layer] for number, layer in errors.items()}


@contextmanager
def _as_before(model, replaced):
    """The model with its old attention, evaluating; the mixers train meanwhile. Afterwards all is as it was."""
    modules, name = encoder_layers(model)
    slots = {number: getattr(modules[number], name) for number in replaced}
    modes = {module: module.training for part in (model, *replaced.values()) for module in part.modules()}
    learning = {weight: weight.requires_grad for slot in slots.values() for weight in slot.parameters()}
    for number, old in replaced.items():
        like = next(slots[number].parameters())
        old.to(like.device, like.dtype)  # the model may have moved since
    restore_mixers(model, replaced)
    model.eval()
    for slot in slots.values():
        slot.train().requires_grad_(True)
    try:
        yield slots
    finally:
        restore_mixers(model, slots)
        for module, mode in modes.items():
            module.training = mode
        for weight, wanted in learning.items():
            weight.requires_grad_(wanted)


class _Lesson:
    """What one mixer learns, while the attention in its place is called."""

    def __init__(self, slot):
        self.slot, self.errors = slot, []
        self.padding_mask = None

    def error(self):
        """Of the last batch."""
        error, self.errors = torch.stack(self.errors).mean(), []
        return error

    def note_padding(self, _mixer, args):
        """Called with what the mixer is called with: the frames, their padding mask, and more."""
        self.padding_mask = args[1] if len(args) > 1 else None

    def __call__(self, _attention, args, kwargs, output):
        with torch.enable_grad():
            student = _frames(self.slot(*args, **kwargs))
            teacher = _frames(output)
            if self.padding_mask is not None:  # the mixer gives zeros there
                teacher = teacher.masked_fill(self.padding_mask.unsqueeze(-1), 0.0)
            error = (student - teacher).float().square().sum() / teacher.float().square().sum()
            error.backward()
        self.errors.append(error.detach())


def _frames(output):
    return output[0] if isinstance(output, tuple) else output

"""A GPU that is not there: what is computed on it has shapes, types and devices, and whoever waits for it is named.

Tensors on the CPU are real. Those on ``cuda`` are PyTorch's fake tensors and have no values. An operator that is given
tensors of both devices fails, as on a GPU. An operator that needs a value of the GPU, and a copy that returns only when
the GPU has done all its work, is a wait.
"""

import sys

import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensor,
    FakeTensorMode,
)
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
#: Waits are named by functions of these packages.
_NAMED = ("summarymixing", "speechbrain", "torchaudio", "tests")


def _ctc_loss(log_probs, targets, *others):
    frames, batch, _ = log_probs.shape
    return log_probs.new_empty(batch), log_probs.new_empty(batch, frames, 2 * targets.shape[1] + 1)


def _rnnt_loss(logits, *others):
    return logits.new_empty(len(logits)), torch.empty_like(logits)


#: What PyTorch has no fake kernel for, by the shapes of its results.
_KERNELS = {
    "aten::_use_cudnn_ctc_loss.Tensor": lambda *_: False,  # cuDNN's wants targets on the CPU
    "aten::_use_miopen_ctc_loss.Tensor": lambda *_: False,
    "aten::_ctc_loss.Tensor": _ctc_loss,
    "torchaudio::rnnt_loss_forward": _rnnt_loss,
}
#: CUDA kernels that wait inside: PyTorch's CTC reads the lengths of the batch on the CPU and copies them to the GPU,
#: torchaudio's transducer loss compares them with the sizes of its tensors.
_WAITING_KERNELS = ("aten::_ctc_loss.Tensor", "torchaudio::rnnt_loss_forward")


class HiddenWait(AssertionError):
    """The program waits for the GPU in a function that is not allowed to."""


class FakeGPU(FakeTensorMode):
    """Within it there is a device ``cuda``, on any machine. Gradients cannot be computed there.

    Parameters
    ----------
    allowed : dict of str to (float or callable)
        The functions that may wait, as ``module:Class.method``, and the values that they are given: a number, or
        ``values(shape)``. A truth value is always False.

    Attributes
    ----------
    waits : set of str
        The functions that have waited.

    Examples
    --------
    >>> with FakeGPU() as gpu:
    ...     layer = gpu.put(torch.nn.Linear(4, 2))
    ...     layer(torch.rand(3, 4).to("cuda", non_blocking=True)).device
    device(type='cuda', index=0)
    """

    def __init__(self, allowed=()):
        # Otherwise a machine with a GPU would compute there what has no fake kernel.
        super().__init__(allow_fallback_kernels=False, allow_non_fake_inputs=True)
        self.allowed, self.waits = dict(allowed), set()

    def put(self, module):
        """Move a module, as ``module.to("cuda")`` does, which refuses fake tensors; returns it."""
        moved = {}
        for part in module.modules():
            for name, value in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
                if value not in moved:
                    with self:
                        fake = torch.empty_like(value, device="cuda")
                    if isinstance(value, torch.nn.Parameter):
                        fake = torch.nn.Parameter(fake, value.requires_grad)
                    moved[value] = fake
                setattr(part, name, moved[value])
        return module

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
        target = torch.device(kwargs.get("device") or "cpu").type if "device" in kwargs else None
        if not any(isinstance(tensor, FakeTensor) for tensor in given) and target != "cuda":
            return func(*args, **kwargs)
        if func.overloadpacket is aten.copy_:
            target, given = args[0].device.type, [args[1]]
        if func.overloadpacket in (aten._to_copy, aten.copy_) and given[0].device.type == "cuda" and target == "cpu":
            values = self._wait(func, given[0])
            return args[0].copy_(values) if func.overloadpacket is aten.copy_ else values
        if _blocks(func, args, kwargs, given, target):
            self._wait(func, given[0])
        if func.name() in _KERNELS:
            with self:
                return _KERNELS[func.name()](*args)
        try:
            return super().__torch_dispatch__(func, types, args, kwargs)
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            if func.overloadpacket is aten._local_scalar_dense:
                return self._wait(func, given[0]).item()
            raise HiddenWait(f"{_place()} waits for the GPU: {func.name()}") from error

    def _wait(self, func, asked):
        """Note a wait, or refuse it; returns the values that are told of a tensor of the GPU."""
        place = _place()
        if place not in self.allowed:
            raise HiddenWait(f"{place} waits for the GPU: {func.name()}")
        self.waits.add(place)
        answer = 0 if asked.dtype == torch.bool else self.allowed[place]
        values = answer(asked.shape) if callable(answer) else torch.full(asked.shape, answer, device="cpu")
        return values.to(asked.dtype)


def _blocks(func, args, kwargs, given, target):
    """Whether the CUDA kernel of an operator returns only when the GPU has done all its work."""
    if func.name() in _WAITING_KERNELS:
        return True
    on_cpu = any(tensor.device.type == "cpu" for tensor in given)
    if func.overloadpacket in (aten._to_copy, aten.copy_):
        asynchronous = kwargs.get("non_blocking", args[2] if len(args) > 2 else False)
        return on_cpu and target == "cuda" and not asynchronous
    if func.overloadpacket in (aten.index, aten.index_put, aten.index_put_):
        # Numbers on the CPU are copied. The true places of a mask are counted, unless one value fills them.
        indices = [index for index in args[1] if index is not None]
        counted = any(index.dtype in (torch.bool, torch.uint8) for index in indices)
        filled = len(args) > 2 and args[2].numel() == 1
        return (counted and not filled) or any(index.device.type == "cpu" for index in indices)
    # Copies a number that is a tensor on the CPU, which other operators take along.
    return func.overloadpacket is aten.where and on_cpu


def _place():
    """The innermost running function of the packages that waits are named by."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] in _NAMED and module != __name__:
            return f"{module}:{frame.f_code.co_qualname}"
        frame = frame.f_back
    return "?"

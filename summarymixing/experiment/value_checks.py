"""Find values that are out of bounds before any data is prepared."""

from __future__ import annotations

import torch

from summarymixing.utils.errors import InputError
from summarymixing.utils.seeds import LARGEST

_WHOLE, _ANY = "a whole number", "a number"

# Keys of all recipes and of SpeechBrain: kind, smallest value, largest value, whether null is allowed.
_BOUNDS = {
    **dict.fromkeys(
        (
            "number_of_epochs",
            "avg_checkpoints",
            "eval_batch_size",
            "num_buckets",
            "test_beam_size",
            "valid_search_interval",
        ),
        (_WHOLE, 1, None, False),
    ),
    **dict.fromkeys(("grad_accumulation_factor", "debug_batches", "debug_epochs"), (_WHOLE, 1, None, False)),
    **dict.fromkeys(("max_batch_ex", "optimizer_step_limit", "ctc_candidates", "vocab_size"), (_WHOLE, 1, None, True)),
    **dict.fromkeys(
        (
            "num_workers",
            "short_first_epochs",
            "clean_first_epochs",
            "ctc_epochs",
            "blank_index",
            "ckpt_interval_minutes",
            "ckpt_interval_steps",
        ),
        (_WHOLE, 0, None, False),
    ),
    **dict.fromkeys(("seed", "synthetic_seed", "data_seed", "subset_seed"), (_WHOLE, 0, LARGEST, False)),
    "sample_rate": (_WHOLE, 1000, None, False),
    **dict.fromkeys(("max_batch_length", "synthetic_minutes"), (_ANY, "above 0", None, False)),
    **dict.fromkeys(("max_bad_fraction", "ctc_weight", "label_smoothing"), (_ANY, 0, 1, False)),
    "train_minutes": (_ANY, "above 0", None, True),
    "warmup_fraction": (_ANY, 0, 1, True),  # null where lr_schedule holds its own warm-up
    "max_grad_norm": (_ANY, 0, None, False),
}
_LISTS = ("train_splits",)


def check_values(values: dict, yaml_file: str) -> None:
    """Refuse a value outside the bounds of its key.

    Parameters
    ----------
    values : dict
        Plain values of top-level keys and run options; unknown keys are not checked.
    yaml_file : str
        Their file, for error messages.

    Raises
    ------
    InputError
        If a value is out of bounds; names the key and what it takes.

    Examples
    --------
    >>> check_values({"num_workers": 2, "mixer": "anything"}, "some.yaml")
    """
    for key, value in values.items():
        if getattr(getattr(value, "tag", None), "value", None):
            continue  # the return value of a function is not known before it is called
        if key in _BOUNDS and not _suits(value, *_BOUNDS[key]):
            shown = "null" if value is None else value
            raise InputError(f"{yaml_file}: --{key} {shown}: this key takes {_described(*_BOUNDS[key])}")
        if key in _LISTS and value == []:
            raise InputError(f"{yaml_file}: --{key} []: this key takes at least one name")


def _suits(value, kind, least, most, nullable) -> bool:
    if value is None:
        return nullable
    number = isinstance(value, int if kind == _WHOLE else int | float) and not isinstance(value, bool)
    return (
        number and (value > 0 if least == "above 0" else value >= least) and (most is None or value <= most)
    )  # NaN is neither


def _described(kind, least, most, nullable) -> str:
    lower = "above 0" if least == "above 0" else f"from {least}"
    bounds = f"{lower} on" if most is None and least != "above 0" else lower
    bounds += "" if most is None else f" to {most}"
    return f"{kind} {bounds}" + (", or null" if nullable else "")


def check_device(device: str | torch.device, option: str = "--device") -> None:
    """Refuse a device on which PyTorch cannot compute.

    Parameters
    ----------
    device : str or torch.device
        For example "cpu" or "cuda:1".
    option : str
        The option that named it, for the error message.

    Raises
    ------
    InputError
        If PyTorch cannot compute on it; gives PyTorch's reason in one line.

    Examples
    --------
    >>> check_device("cpu")
    """
    try:
        torch.zeros(1, device=device).add(1).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{option} {device}: PyTorch cannot use this device; take another, such as {option} cpu ({reason})"
        ) from error

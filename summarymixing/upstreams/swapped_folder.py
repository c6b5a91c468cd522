"""Models of Hugging Face with swapped mixers, as folders: their configuration says what was swapped."""

import copy
from functools import partial
from pathlib import Path
from pydoc import locate

from summarymixing.upstreams.encoder_folder import read_weights, write_weights
from summarymixing.upstreams.swap import swapped_mixers
from summarymixing.utils.errors import InputError

#: The key of ``config.json``: layers and mixer.
SWAP = "summarymixing"


def mixer_factory(description):
    """A factory of mixers from plain values, as ``config.json`` can hold them.

    Parameters
    ----------
    description : dict
        ``mixer``, the class by its full name, and its arguments; a class among these is ``{"name": its full name}``.

    Returns
    -------
    callable
        For :func:`~summarymixing.upstreams.replace_mixers`.

    Raises
    ------
    InputError
        If there is no such class.

    Examples
    --------
    >>> mixer_factory({"mixer": "summarymixing.mixers.WindowedSummaryMixing", "half_width": 3})(16).half_width
    3
    """
    options = dict(description)
    found = _located(options.pop("mixer", None))
    return partial(found, **{key: _located(v["name"]) if isinstance(v, dict) else v for key, v in options.items()})


def _located(name):
    found = locate(str(name))
    if found is None:
        raise InputError(
            f"{name}: no such class; give the full name of a mixer, such as summarymixing.mixers.SummaryMixing"
        )
    return found


def save_swapped(model, folder, description, preprocessor=None):
    """Write a model of Hugging Face whose mixers were swapped, to be loaded by path.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        After :func:`~summarymixing.upstreams.replace_mixers` with ``mixer_factory(description)``.
    folder : str or os.PathLike
        Made if missing.
    description : dict
        As :func:`mixer_factory` takes it.
    preprocessor : transformers.FeatureExtractionMixin, optional
        Saved beside the model.

    Raises
    ------
    InputError
        If nothing was swapped.
    """
    numbers = sorted(swapped_mixers(model))
    if not numbers:
        raise InputError("no layer of this model has another mixer; swap first, with replace_mixers")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.deepcopy(model.config)  # the model itself may be swapped back, and saved as what it was
    setattr(config, SWAP, {"layers": numbers, "mixer": description})
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    if preprocessor is not None:
        preprocessor.save_pretrained(folder)
    write_weights(model, folder / "model.safetensors")


def load_swapped(model, folder):
    """Load the weights of a folder.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        With the mixers that the folder's configuration says; changed.
    folder : str or os.PathLike
        From :func:`save_swapped`.

    Returns
    -------
    transformers.PreTrainedModel
        The model, in evaluation mode.

    Raises
    ------
    InputError
        If weights are missing or do not fit.
    """
    path = Path(folder) / "model.safetensors"
    weights = read_weights(path)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"{path}: does not fit the config.json beside it; save that model again") from error
    return model.eval()

"""A trained encoder by itself, as a folder: its weights as safetensors, a YAML file that builds it, a card."""

import io
import os
from pathlib import Path

import ruamel.yaml

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.lobes import SpeechEncoder
from summarymixing.utils.errors import InputError

_HEADER = """\
# An encoder that was trained by summarymixing: waveform in, (B, T, D) frames and their counts out. In SpeechBrain:
#
#     hparams = load_hyperpyyaml(open("FOLDER/hyperparams.yaml"), {"output_folder": "FOLDER"})
#     hparams["pretrainer"].collect_files()
#     hparams["pretrainer"].load_collected()
#     frames, counts = hparams["speech_encoder"].eval()(wavs, wav_lens)
"""
_PRETRAINER = """
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    speech_encoder: !ref <speech_encoder>
  paths:
    speech_encoder: !ref <output_folder>/encoder.safetensors
  custom_hooks:
    speech_encoder: !name:summarymixing.upstreams.encoder_folder.load_weights
"""


def speech_encoder_of(folder):
    """The encoder of a finished run, or of a folder that :func:`write_encoder` has made.

    Parameters
    ----------
    folder : str or os.PathLike
        The folder.

    Returns
    -------
    SpeechEncoder
        Trained, in evaluation mode.

    Raises
    ------
    InputError
        If the folder holds neither, or a model without such an encoder.

    Examples
    --------
    >>> speech_encoder_of("no/such/run")
    Traceback (most recent call last):
    ...
    summarymixing.utils.errors.InputError: no/such/run: no such folder; give the folder of a finished run
    """
    run = folder if isinstance(folder, RunFolder) else RunFolder(folder)
    if run.encoder.is_file():
        encoder = run.build("speech_encoder").get("speech_encoder")
        if isinstance(encoder, SpeechEncoder):
            load_weights(encoder, run.encoder)
            return encoder.eval()
    else:
        encoder = getattr(run.load()["model"], "speech_encoder", None)
    if not isinstance(encoder, SpeechEncoder):
        raise InputError(f"{run.hyperparams}: its model has no speech_encoder; give another run")
    return encoder


def write_encoder(run_folder, folder):
    """Write the encoder of a finished run into a folder: ``encoder.safetensors`` and ``hyperparams.yaml``.

    Parameters
    ----------
    run_folder : str or os.PathLike
        A finished run, whatever it was trained for.
    folder : str or os.PathLike
        Made if missing; must be empty.

    Returns
    -------
    SpeechEncoder
        What was written.

    Raises
    ------
    InputError
        If there is no such run, or the folder holds something.

    Examples
    --------
    >>> write_encoder("no/such/run", "exported")
    Traceback (most recent call last):
    ...
    summarymixing.utils.errors.InputError: no/such/run: no such folder; give the folder of a finished run
    """
    run, new = RunFolder(run_folder), RunFolder(Path(folder).absolute())
    if new.path.exists() and (not new.path.is_dir() or any(new.path.iterdir())):
        raise InputError(f"{folder}: is there already and not empty; choose another folder")
    encoder = speech_encoder_of(run)
    out = io.StringIO()
    keys = {"sample_rate": encoder.sample_rate, "output_folder": str(new.path), "speech_encoder": _node(run)}
    ruamel.yaml.YAML().dump(keys, out)
    new.path.mkdir(parents=True, exist_ok=True)
    write_weights(encoder, new.encoder)
    new.write_text(_HEADER + out.getvalue() + _PRETRAINER)
    return encoder


def encoder_node(folder, squeeze=None, query_pool=None, key_pool=None, **changes):
    """The YAML of a trained encoder, for ``!applyref:`` in an experiment that starts from it.

    An experiment so has the very architecture of what it starts from, and no keys for it; the run folder's YAML file
    holds it in full, so that the run can be loaded without the folder it started from.

    Parameters
    ----------
    folder : str or os.PathLike
        A finished run, or an exported encoder; the YAML key ``pretrained_encoder``.
    squeeze, query_pool, key_pool : int or list of int, optional
        Of an encoder of several costs what it offers here: one number to train it for that cost alone, or a list; None
        for what it offers there.
    **changes
        Arguments of :class:`~summarymixing.lobes.SpeechEncoder` that are other than there: ``augment``, ``dropout``.

    Returns
    -------
    ruamel.yaml.comments.CommentedMap
        With its tag.

    Raises
    ------
    InputError
        If the folder holds neither, or a model without such an encoder, or one without such a choice.

    Examples
    --------
    >>> encoder_node("no/such/run")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    summarymixing.utils.errors.InputError: no/such/run: no such folder; set the key pretrained_encoder to the folder...
    """
    run = RunFolder(folder, "pretrained_encoder")
    run.require(run.hyperparams, run.encoder if run.encoder.is_file() else run.model)
    node = _node(run)
    node.update(changes)
    for name, numbers in {"squeeze": squeeze, "query_pool": query_pool, "key_pool": key_pool}.items():
        if numbers is not None:
            parts = [part for part in _mappings(node) if name in part]
            if not parts:
                raise InputError(f"{run}: its encoder has no {name} to choose; set the key {name} to null")
            for part in parts:
                part[name] = numbers
    return node


def _mappings(node):
    """All mappings in a tree."""
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _mappings(part)


def _node(run):
    """The keyword is `encoder` in models of recognition."""
    values = run.values()
    if run.encoder.is_file():
        return values["speech_encoder"]
    model = values.get("model", {})
    for key in ("speech_encoder", "encoder"):
        if key in model:
            return model[key]
    raise InputError(f"{run.hyperparams}: key 'model' has no speech_encoder; give another run")


def write_weights(module, path):
    """Write all weights of a module as safetensors.

    Parameters
    ----------
    module : torch.nn.Module
        Whatever it is.
    path : str or os.PathLike
        The file, whose folder exists.
    """
    # Copies: two names for one tensor could not be written.
    weights = {name: weight.clone().contiguous() for name, weight in module.state_dict().items()}
    _safetensors().save_file(weights, os.fspath(path))


def read_weights(path):
    """Weights of a safetensors file, by name.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    load_file = _safetensors().load_file
    try:
        return load_file(os.fspath(path))
    except Exception as error:  # safetensors' own errors have no common class
        raise InputError(f"{path}: not the weights of an encoder ({error}); export that run again") from error


def load_weights(encoder, path):
    """Give an encoder the weights of a safetensors file; SpeechBrain's ``Pretrainer`` takes this as a custom hook.

    Parameters
    ----------
    encoder : SpeechEncoder
        Changed.
    path : str or os.PathLike
        The file.

    Raises
    ------
    InputError
        If the file cannot be read, or does not fit.
    """
    weights = read_weights(path)
    try:
        encoder.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"{path}: does not fit the hyperparams.yaml beside it; export that run again") from error


def _safetensors():
    try:
        import safetensors.torch
    except ImportError as error:
        raise InputError("the package safetensors is missing; pip install safetensors") from error
    return safetensors.torch

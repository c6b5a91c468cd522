"""Encoders that start from another run: the front end, the encoder and the feature statistics of its folder."""

import logging
import math

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.lobes.models.speech_model import current_name
from summarymixing.upstreams.encoder_folder import read_weights
from summarymixing.utils.errors import InputError

logger = logging.getLogger(__name__)

#: Where a model keeps its :class:`~summarymixing.lobes.SpeechEncoder`.
_PREFIX = "speech_encoder."
_SHOWN = 3


def start_encoder(hparams):
    """Let the model of an experiment start from another run, if its YAML file says so.

    A frozen encoder is a group of the key ``parameter_groups`` from here on, so that training leaves it in evaluation
    mode too: no dropout, no augmentation of its input.

    Call it before the task is made, at every start: a run that goes on loads its own checkpoint over it.

    Parameters
    ----------
    hparams : dict
        With ``model``, ``pretrained_encoder`` (a run folder, or null) and ``freeze_encoder``; ``from_scratch``, which
        may be missing, leaves the weights of the encoder at random.

    Raises
    ------
    InputError
        As :func:`load_encoder`; if a random encoder would be frozen; and if ``parameter_groups`` names a part of an
        encoder that is frozen already.

    Examples
    --------
    >>> start_encoder({"model": None, "pretrained_encoder": None, "freeze_encoder": False})
    """
    source, freeze = hparams["pretrained_encoder"], hparams["freeze_encoder"]
    groups = hparams.get("parameter_groups") or {}
    inside = [name for name in groups if f"{current_name(name)}.".startswith(_PREFIX)]
    if hparams.get("from_scratch", False):
        if freeze or any(groups[name].get("frozen_until") for name in inside):
            raise InputError(
                "from_scratch: true would freeze random weights; set freeze_encoder to false, and in parameter_groups "
                "frozen_until to 0 (where there is a key frozen_steps: --frozen_steps 0)"
            )
        return
    if source is not None:
        load_encoder(hparams["model"], source)
    elif freeze:
        raise InputError("freeze_encoder: true without a pretrained_encoder would freeze random weights; give one")
    if freeze:
        freeze_encoder(hparams["model"])
        if inside:
            raise InputError(
                f"key parameter_groups: {', '.join(inside)} would do nothing beside freeze_encoder: true; leave one of "
                "the two out"
            )
        hparams["parameter_groups"] = {**groups, _PREFIX.rstrip("."): {"frozen_until": math.inf}}


def load_encoder(model, run_folder):
    """Give a model the encoder of a finished run: features, their statistics, front end and encoder.

    The run may be one of CTC, of an encoder-decoder, of a transducer, or any other whose model is a
    :class:`~summarymixing.lobes.SpeechModel`, of this version or an earlier one. The statistics that normalise the
    features are taken along and stay as they are, because the encoder was trained behind them.

    Shapes are compared, and the sampling rate; what leaves no trace in a shape, such as the heads of self-attention and
    the key ``positions``, must be that of the run.

    Parameters
    ----------
    model : SpeechModel
        Its ``speech_encoder`` is changed.
    run_folder : str or pathlib.Path
        A finished run, or a folder that ``tools/export_encoder.py`` has made of one; the YAML key
        ``pretrained_encoder``.

    Raises
    ------
    InputError
        If there is no such folder, no finished run in it, or an encoder that does not fit.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from summarymixing.lobes import (
    ...     ConformerEncoder, ConvolutionalFrontEnd, CTCModel, GlobalNormalization, LogMel, SpeechEncoder
    ... )
    >>> def make(vocab_size):
    ...     encoder = ConformerEncoder(1, 64, 128)
    ...     speech = SpeechEncoder(LogMel(), GlobalNormalization(80), ConvolutionalFrontEnd(80), encoder)
    ...     return CTCModel(speech, vocab_size)
    >>> trained, new, folder = make(30), make(500), RunFolder(tempfile.mkdtemp())
    >>> torch.save(trained.state_dict(), folder.model)
    >>> folder.write_text("sample_rate: 16000")
    >>> load_encoder(new, folder)
    >>> torch.equal(new.speech_encoder.input_proj.weight, trained.speech_encoder.input_proj.weight)
    True
    """
    run = RunFolder(run_folder, "pretrained_encoder")
    run.require(run.hyperparams, run.encoder if run.encoder.is_file() else run.model)
    encoder = model.speech_encoder
    _compare_rates(encoder, run)
    encoder.load_state_dict(_fitting_state(encoder, run))
    encoder.normalize.num_batches = 0  # of training that may change the statistics
    logger.info("the encoder starts from %s", run)


def freeze_encoder(model):
    """Exclude the front end and the encoder of a model from training, and set them to evaluation mode.

    Examples
    --------
    >>> import torch
    >>> from summarymixing.lobes import SpeechModel
    >>> model = SpeechModel(torch.nn.Linear(2, 2))
    >>> model.output = torch.nn.Linear(2, 2)
    >>> freeze_encoder(model)
    >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    ['output.weight', 'output.bias']
    """
    model.speech_encoder.requires_grad_(False).eval()


def _compare_rates(encoder, run):
    rate = run.values().get("sample_rate")
    if rate is not None and rate != encoder.features.sample_rate:
        raise InputError(
            f"{run.hyperparams}: its encoder hears {rate} Hz and this one {encoder.features.sample_rate} Hz; set the "
            "key sample_rate to that number, or choose another pretrained_encoder"
        )


def _fitting_state(encoder, run):
    """The encoder's part of a model's weights."""
    if run.encoder.is_file():
        state = read_weights(run.encoder)
    else:
        weights = {current_name(key): value for key, value in run.weights().items()}
        state = {key.removeprefix(_PREFIX): value for key, value in weights.items() if key.startswith(_PREFIX)}
    own = encoder.state_dict()
    shapes = [
        f"{key} is {tuple(state[key].shape)} there, {tuple(own[key].shape)} here"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    here = [f"{key} is here only" for key in own if key not in state]
    there = [f"{key} is there only" for key in state if key not in own]
    found = shapes + here + there
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise InputError(
            f"{run}: its encoder does not fit this one ({'; '.join(found[:_SHOWN])}{more}); give the model's "
            f"keys, such as d_model, num_layers and mixer, the values of {run.hyperparams}, or choose another "
            "pretrained_encoder"
        )
    return state

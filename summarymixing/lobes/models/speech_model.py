"""The base class of whole models: a speech encoder, and loading weights of earlier versions."""

from torch import nn


def current_name(name):
    """Translate the name of a part of a model, or of a parameter, from earlier versions to the current one.

    In earlier versions the front end and the encoder together were called ``encoder``, and the encoder itself
    ``encoder.encoder``. Current names stay as they are.

    Parameters
    ----------
    name : str
        As given by ``named_modules()`` or ``named_parameters()`` of a :class:`SpeechModel`.

    Returns
    -------
    str

    Examples
    --------
    >>> [current_name(name) for name in ("encoder.encoder.layers", "speech_encoder.front_end", "encoder_proj")]
    ['speech_encoder.encoder.layers', 'speech_encoder.front_end', 'encoder_proj']
    """
    return f"speech_{name}" if f"{name}.".startswith("encoder.") else name


class SpeechModel(nn.Module):
    """The base class of models: a speech encoder, on whose frames a subclass builds.

    Weights of earlier versions can be loaded; see :func:`current_name`.

    Parameters
    ----------
    encoder : SpeechEncoder
        Front end and encoder: waveform to frames. It is named ``encoder`` in the YAML files of all runs and stored as
        ``speech_encoder``, whose attribute ``encoder`` is the part after the front end.

    Examples
    --------
    >>> import torch
    >>> model, other = (SpeechModel(nn.Linear(2, 2)) for _ in range(2))
    >>> old = {name.removeprefix("speech_"): weight for name, weight in other.state_dict().items()}
    >>> model.load_state_dict(old)
    <All keys matched successfully>
    >>> torch.equal(model.speech_encoder.weight, other.speech_encoder.weight)
    True
    """

    def __init__(self, encoder):
        super().__init__()
        self.speech_encoder = encoder
        self.register_load_state_dict_pre_hook(_rename)

    def frame_counts(self, sample_counts):
        """Encoder frames for a number (int or tensor) of samples."""
        return self.speech_encoder.frame_counts(sample_counts)


def _rename(model, state, prefix, *others):
    for name in list(state):
        if name.startswith(prefix):
            state[prefix + current_name(name.removeprefix(prefix))] = state.pop(name)

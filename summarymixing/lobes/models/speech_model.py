"""What all whole models have: a speech encoder, and the weights of earlier versions."""

from torch import nn


def current_name(name):
    """What a part of a model, or a parameter, is called now, by its name of now or of earlier versions.

    The front end and the encoder together were called ``encoder``, and the encoder itself ``encoder.encoder``.

    Parameters
    ----------
    name : str
        As ``named_modules()`` and ``named_parameters()`` of a :class:`SpeechModel` gave it.

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
    """A speech encoder, and what a subclass makes of its frames.

    Weights of earlier versions can be loaded; see :func:`current_name`.

    Parameters
    ----------
    encoder : SpeechEncoder
        Front end and encoder: waveform to frames. The keyword is that of the YAML files of all runs, the attribute is
        ``speech_encoder``, whose own ``encoder`` is what stands behind the front end.

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
        """Encoder frames of utterances of so many samples."""
        return self.speech_encoder.frame_counts(sample_counts)


def _rename(model, state, prefix, *others):
    for name in list(state):
        if name.startswith(prefix):
            state[prefix + current_name(name.removeprefix(prefix))] = state.pop(name)

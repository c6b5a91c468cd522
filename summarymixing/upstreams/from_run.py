"""The encoder of a finished run, or an exported one, as an upstream."""

from summarymixing.upstreams.encoder_folder import speech_encoder_of
from summarymixing.upstreams.upstream import Upstream


class RunUpstream(Upstream):
    """The :class:`~summarymixing.lobes.SpeechEncoder` of a finished run, whatever that run was trained for.

    Parameters
    ----------
    run_folder : str or os.PathLike
        A finished run, or a folder that ``tools/export_encoder.py`` has made of one.
    frozen : bool
        Never train it.
    speech_encoder : SpeechEncoder, optional
        In place of ``run_folder``: this very encoder.

    Raises
    ------
    InputError
        If the folder holds no finished run, or a model without such an encoder.

    Examples
    --------
    >>> RunUpstream("no/such/run")
    Traceback (most recent call last):
    ...
    summarymixing.utils.errors.InputError: no/such/run: no such folder; give the folder of a finished run
    """

    def __init__(self, run_folder=None, frozen=True, speech_encoder=None):
        encoder = speech_encoder_of(run_folder) if speech_encoder is None else speech_encoder
        super().__init__(encoder.sample_rate, encoder.frame_seconds, encoder.d_model, encoder.num_layers, frozen)
        self.speech_encoder = encoder
        self.train(not frozen)

    def encode(self, wavs, wav_lens=None):
        """See :meth:`~summarymixing.upstreams.Upstream.forward`."""
        return self.speech_encoder.hidden_states(wavs, wav_lens)

    def frame_counts(self, sample_counts):
        """See :meth:`~summarymixing.upstreams.Upstream.frame_counts`."""
        return self.speech_encoder.frame_counts(sample_counts)

"""The encoder of a finished run as an upstream."""

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.lobes import SpeechEncoder
from summarymixing.upstreams.upstream import Upstream
from summarymixing.utils.errors import InputError


class RunUpstream(Upstream):
    """The :class:`~summarymixing.lobes.SpeechEncoder` of a finished run, whatever that run was trained for.

    Parameters
    ----------
    run_folder : str or os.PathLike
        A finished run.
    frozen : bool
        Never train it.

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

    def __init__(self, run_folder, frozen=True):
        run = run_folder if isinstance(run_folder, RunFolder) else RunFolder(run_folder)
        encoder = getattr(run.load()["model"], "speech_encoder", None)
        if not isinstance(encoder, SpeechEncoder):
            raise InputError(f"{run.hyperparams}: its model has no speech_encoder; give another run")
        super().__init__(encoder.sample_rate, encoder.frame_seconds, encoder.d_model, encoder.num_layers, frozen)
        self.speech_encoder = encoder
        self.train(not frozen)

    def encode(self, wavs, wav_lens=None):
        """See :meth:`~summarymixing.upstreams.Upstream.forward`."""
        return self.speech_encoder.hidden_states(wavs, wav_lens)

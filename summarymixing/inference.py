"""From a run folder to a transcriber, offline and streaming."""

from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch.nn.utils.rnn import pad_sequence

from summarymixing.corpora.audio import read_audio
from summarymixing.decoding import GreedyCTC, ctc_greedy_tokens
from summarymixing.errors import InputError
from summarymixing.tasks.base import FINAL_MODEL
from summarymixing.tasks.tokenizer import load_tokenizer


class Transcriber:
    """The recogniser of a finished CTC run.

    Arguments
    ---------
    run_folder : str or pathlib.Path
        A run folder that ``train.py`` wrote.
    device : str
        Where to compute.

    Raises
    ------
    InputError
        If the folder holds no finished run.

    Example
    -------
    >>> transcriber = Transcriber("runs/conformer_summarymixing/1234")  # doctest: +SKIP
    >>> transcriber.transcribe(["speech.flac"])  # doctest: +SKIP
    ['HELLO WORLD']
    """

    def __init__(self, run_folder, device="cpu"):
        folder = Path(run_folder)
        yaml_file = folder / "hyperparams.yaml"
        for file in (yaml_file, folder / FINAL_MODEL, folder / "tokenizer.ckpt"):
            if not file.is_file():
                raise InputError(f"{file}: missing, so {folder} holds no finished run; train it to its end first")
        with open(yaml_file, encoding="utf-8") as file:
            # Wherever the folder now lies, nothing may be made where it was trained.
            hparams = load_hyperpyyaml(file, {"output_folder": str(folder)})
        self.device = torch.device(device)
        self.model = hparams["model"].to(self.device).eval()
        state = torch.load(folder / FINAL_MODEL, map_location=self.device)
        try:
            self.model.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(
                f"{folder / FINAL_MODEL}: does not fit the model of {yaml_file}; the two are not of the same run"
            ) from error
        self.tokenizer = load_tokenizer(folder / "tokenizer.ckpt")
        self.blank_index = hparams["blank_index"]
        self.sample_rate = hparams["sample_rate"]

    @property
    def frame_ms(self):
        """Milliseconds a frame of the encoder."""
        features, front_end = self.model.encoder.features, self.model.encoder.front_end
        stride = 1
        for block in front_end.blocks:
            stride *= block.stride
        return 1000 * features.hop * stride / self.sample_rate

    @torch.no_grad()
    def transcribe(self, audio):
        """Transcribe a batch of recordings, each as it would be alone.

        Arguments
        ---------
        audio : list
            Paths of audio files (any rate, any channels), or waveforms: (samples,) tensors at ``sample_rate``.

        Returns
        -------
        list of str
            Their texts.

        Raises
        ------
        InputError
            If a file cannot be read.
        """
        waves = [self._waveform(item) for item in audio]
        if not waves:
            return []
        counts = torch.tensor([len(wave) for wave in waves])
        batch = pad_sequence(waves, batch_first=True).to(self.device)
        log_probs = self.model(batch, (counts.double() / batch.shape[1]).to(self.device))
        decoded = ctc_greedy_tokens(log_probs, blank_index=self.blank_index)
        return [self.tokenizer.decode_ids(tokens) for tokens in decoded]

    def _waveform(self, item):
        return item if isinstance(item, torch.Tensor) else read_audio(item, self.sample_rate)

    def stream(self, chunk_ms=640, left_chunks=None):
        """Begin to transcribe a stream.

        Arguments
        ---------
        chunk_ms : float
            Audio that the encoder waits for before it goes on; a multiple of :attr:`frame_ms`.
        left_chunks : int, optional
            Chunks of the past that the mixer sees; all of them by default.

        Returns
        -------
        Stream
            Takes samples, gives text.

        Raises
        ------
        InputError
            If ``chunk_ms`` is no multiple of a frame, or the run's mixer cannot stream.
        """
        frames = chunk_ms / self.frame_ms
        if frames < 1 or frames != int(frames):
            raise InputError(f"chunk_ms={chunk_ms:g} must be a multiple of {self.frame_ms:g} ms, one encoder frame")
        return Stream(self, DynChunkTrainConfig(int(frames), left_chunks))


class Stream:
    """One utterance as it is spoken; from :meth:`Transcriber.stream`.

    The text is that of chunk-masked offline decoding of the same audio.
    """

    def __init__(self, transcriber, chunks):
        self.transcriber = transcriber
        try:
            self.context = transcriber.model.make_streaming_context(chunks)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.decoder = GreedyCTC(transcriber.blank_index)

    @torch.no_grad()
    def feed(self, samples, final=False):
        """Take in samples; return the text so far.

        Arguments
        ---------
        samples : torch.Tensor
            (n,), any n, at the run's sample rate.
        final : bool
            Nothing comes after these.

        Returns
        -------
        str
            Text of all the audio that has been decoded.
        """
        model, device = self.transcriber.model, self.transcriber.device
        log_probs = model.forward_streaming(samples[None].to(device), self.context, final)
        return self.transcriber.tokenizer.decode_ids(self.decoder.decode(log_probs[0]))

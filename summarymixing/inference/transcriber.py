"""From a run folder to a transcriber, offline and streaming."""

import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch.nn.utils.rnn import pad_sequence

from summarymixing.corpora.audio import read_audio
from summarymixing.data.tokenizer import load_tokenizer
from summarymixing.decoding.ctc import GreedyCTC
from summarymixing.decoding.transducer import GreedyTransducer, TransducerSearcher
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.inference.stream import Stream
from summarymixing.utils.errors import InputError


class Transcriber:
    """The recogniser of a finished run: CTC, transducer or encoder-decoder.

    The run's YAML file says how: ``modules.decoder`` decodes what the model gives if there is one, as SpeechBrain's
    ``EncoderDecoderASR`` has it, else ``decoding_function`` what ``modules.encoder`` gives, as in ``EncoderASR``.

    Arguments
    ---------
    run_folder : str or pathlib.Path
        A run folder that a recipe's ``train.py`` wrote.
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
        run = RunFolder(run_folder)
        self.run_folder = run.path
        self.hparams = hparams = run.load(run.tokenizer, device=device)
        self.device = torch.device(device)
        self.model = hparams["model"]
        modules = hparams["modules"]
        self.decoder = modules.get("decoder")
        # Of a CTC run what SpeechBrain's EncoderASR calls: any of SpeechBrain's decoding functions reads its output.
        self.network = modules.get("encoder", self.model) if self.decoder is None else self.model
        if self.decoder is None and "decoding_function" not in hparams:
            raise InputError(f"{run.hyperparams}: needs modules.decoder or decoding_function to transcribe")
        self.tokenizer = load_tokenizer(run.tokenizer)
        self.blank_index = hparams.get("blank_index", 0)
        self.sample_rate = hparams["sample_rate"]

    @property
    def frame_ms(self):
        """Milliseconds a frame of the encoder."""
        return 1000 * self.model.encoder.frame_seconds

    @torch.no_grad()
    def transcribe(self, audio, chunk_ms=None, left_chunks=None):
        """Transcribe a batch of recordings, each as it would be alone.

        Arguments
        ---------
        audio : list
            Paths of audio files (any rate, any channels), or waveforms: (samples,) tensors at ``sample_rate``.
        chunk_ms, left_chunks : optional
            Hear no more than a stream of these settings would (:meth:`stream`); all of the audio by default.

        Returns
        -------
        list of str
            Their texts.

        Raises
        ------
        InputError
            If a file cannot be read, or as in :meth:`stream`.
        """
        waves = [self._waveform(item) for item in audio]
        if not waves:
            return []
        counts = torch.tensor([len(wave) for wave in waves])
        batch = pad_sequence(waves, batch_first=True).to(self.device)
        lengths = counts.double() / batch.shape[1]
        if chunk_ms is None:
            output = self.network(batch, lengths)
        else:
            chunks = self.chunks(chunk_ms, left_chunks)
            self.streaming_decoder()  # or an error
            try:
                output = self.network(batch, lengths, chunks=chunks)
            except ValueError as error:  # a mixer that cannot be limited to chunks
                raise InputError(f"{self.run_folder}: {error}") from error
        if self.decoder is None:
            decoded = self.hparams["decoding_function"](output, lengths)
        else:
            encoded, frames = output
            decoded = self.decoder(encoded, frames / encoded.shape[1])[0]
        return [self.tokenizer.decode_ids(tokens) for tokens in decoded]

    def _waveform(self, item):
        return item if isinstance(item, torch.Tensor) else read_audio(item, self.sample_rate)

    def chunks(self, chunk_ms, left_chunks=None):
        """What the encoder may see, in its own frames.

        Arguments
        ---------
        chunk_ms : float
            A multiple of :attr:`frame_ms`.
        left_chunks : int, optional
            Chunks of the past; all of them by default.

        Returns
        -------
        DynChunkTrainConfig

        Raises
        ------
        InputError
            If ``chunk_ms`` is no multiple of a frame, or ``left_chunks`` negative.
        """
        frames = chunk_ms / self.frame_ms
        if frames < 1 or not frames.is_integer():
            raise InputError(f"chunk_ms={chunk_ms:g} must be a multiple of {self.frame_ms:g} ms, one encoder frame")
        if left_chunks is not None and left_chunks < 0:
            raise InputError(f"left_chunks={left_chunks} must be 0 or more, or None for all of the past")
        return DynChunkTrainConfig(int(frames), left_chunks)

    def streaming_decoder(self):
        """A new greedy decoder of frames as they come.

        Returns
        -------
        GreedyCTC or GreedyTransducer

        Raises
        ------
        InputError
            For an encoder-decoder run.
        """
        if self.decoder is None:
            return GreedyCTC(self.blank_index)
        if isinstance(self.decoder, TransducerSearcher):
            return GreedyTransducer(self.model, max_symbols=self.decoder.max_symbols)
        raise InputError(
            f"{self.run_folder}: an encoder-decoder run cannot stream, because its decoder attends to the whole "
            "utterance; transcribe offline, or train a CTC or transducer run"
        )

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
            If ``chunk_ms`` is no multiple of a frame, or the run's mixer cannot stream, or it is an encoder-decoder
            run.
        """
        return Stream(self, self.chunks(chunk_ms, left_chunks))

"""From a run folder to a transcriber, offline and streaming."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
from summarymixing.utils.on_demand import choose_offered


class Transcriber:
    """The recogniser of a finished run: CTC, transducer or encoder-decoder.

    The run's YAML file says how: ``modules.decoder`` decodes what the model gives if there is one, as SpeechBrain's
    ``EncoderDecoderASR`` has it, else ``decoding_function`` what ``modules.encoder`` gives, as in ``EncoderASR``.

    Parameters
    ----------
    run_folder : str or pathlib.Path
        A run folder that a recipe's ``train.py`` wrote.
    device : str
        Where to compute.
    **choice : int or None
        Of a model of several costs what it runs at, such as ``squeeze=2``; of what is left out or None the first
        number that it was trained with.

    Raises
    ------
    InputError
        If the folder holds no finished run, or its model does not offer the choice; the message lists what it offers.

    Examples
    --------
    >>> transcriber = Transcriber("runs/conformer_summarymixing/1234")  # doctest: +SKIP
    >>> transcriber.transcribe(["speech.flac"])  # doctest: +SKIP
    ['HELLO WORLD']
    """

    def __init__(self, run_folder: str | Path, device: str = "cpu", **choice: int | None):
        run = RunFolder(run_folder)
        self.run_folder = run.path
        self.hparams = hparams = run.load(run.tokenizer, device=device)
        self.device = torch.device(device)
        self.model = hparams["model"]
        self.choose(**choice)
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
    def frame_ms(self) -> float:
        """Milliseconds of an encoder frame."""
        return 1000 * self.model.speech_encoder.frame_seconds

    def choose(self, **choice: int | None) -> None:
        """Change what a model of several costs runs at; arguments and errors as of the class."""
        choose_offered(self.model, str(self.run_folder), **choice)

    @torch.no_grad()
    def transcribe(self, audio: list, chunk_ms: float | None = None, left_context_size: int | None = None) -> list[str]:
        """Transcribe a batch of recordings, each as it would be alone.

        Parameters
        ----------
        audio : list
            Paths of audio files (any rate, any channels), or waveforms: (samples,) tensors at ``sample_rate``.
        chunk_ms : float, optional
            Hear no more than a stream of these chunks would (`stream`); all of the audio by default.
        left_context_size : int, optional
            The same of its left context, in chunks.

        Returns
        -------
        list of str
            Their texts.

        Raises
        ------
        InputError
            If a file cannot be read, or as in `stream`.
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
            chunks = self._chunks(chunk_ms, left_context_size)
            self._streaming_decoder()  # or an error
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

    def stream(self, chunk_ms: float = 640, left_context_size: int | None = None) -> Stream:
        """Begin to transcribe a stream.

        Parameters
        ----------
        chunk_ms : float
            Audio that the encoder waits for before it goes on; a multiple of `frame_ms`.
        left_context_size : int, optional
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
        chunks, decode = self._chunks(chunk_ms, left_context_size), self._streaming_decoder()
        try:
            return Stream(self.model, chunks, decode, self.sample_rate, self.device)
        except ValueError as error:  # a mixer that cannot stream
            raise InputError(f"{self.run_folder}: {error}") from error

    def _chunks(self, chunk_ms, left_context_size):
        """What the encoder may see, in its own frames."""
        frames = chunk_ms / self.frame_ms
        if frames < 1 or not frames.is_integer():
            raise InputError(f"chunk_ms={chunk_ms:g} must be a multiple of {self.frame_ms:g} ms, one encoder frame")
        if left_context_size is not None and left_context_size < 0:
            raise InputError(f"left_context_size={left_context_size} must be 0 or more, or None for all of the past")
        return DynChunkTrainConfig(int(frames), left_context_size)

    def _streaming_decoder(self) -> Callable[[torch.Tensor], str]:
        """Greedy decoding of the model's outputs as they come: takes the next, (1, T, D), gives the text so far."""
        if self.decoder is None:
            ctc = GreedyCTC(self.blank_index)
            return lambda output: self.tokenizer.decode_ids(ctc.decode(output[0]))
        if isinstance(self.decoder, TransducerSearcher):
            transducer = GreedyTransducer(self.model, max_symbols=self.decoder.max_symbols)
            return lambda output: self.tokenizer.decode_ids(transducer.decode(output)[0])
        raise InputError(
            f"{self.run_folder}: an encoder-decoder run cannot stream, because its decoder attends to the whole "
            "utterance; transcribe offline, or train a CTC or transducer run"
        )

"""Speech recognition while the audio arrives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy
import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing.utils.errors import InputError


class Stream:
    """One utterance as it is spoken; `summarymixing.inference.transcriber.Transcriber.stream` makes it.

    The text is that of chunk-masked offline greedy decoding of the same audio.

    Parameters
    ----------
    model : torch.nn.Module
        With the ``make_streaming_context`` and ``forward_streaming`` of `summarymixing.lobes.SpeechEncoder`.
    chunks : DynChunkTrainConfig
        Chunk size in encoder frames, left context in chunks or None for all of the past.
    decode : callable
        Takes the model's next output, (1, T, D) with T of 0 and more, and returns the text of all frames until now.
    sample_rate : int
        Of the audio, in hertz.
    device : str or torch.device
        Where the model is.

    Raises
    ------
    ValueError
        If the model's mixer cannot stream.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        chunks: DynChunkTrainConfig,
        decode: Callable[[torch.Tensor], str],
        sample_rate: int,
        device: str | torch.device = "cpu",
    ):
        self.model = model
        self.decode = decode
        self.sample_rate = sample_rate
        self.device = device
        self.context = model.make_streaming_context(chunks)
        self.frames = 0  #: encoder frames decoded until now

    @torch.no_grad()
    def feed(self, samples: torch.Tensor, final: bool = False) -> str:
        """Take in samples; return the text so far.

        Parameters
        ----------
        samples : torch.Tensor
            (n,), any n, at the run's sample rate.
        final : bool
            Nothing comes after these.

        Returns
        -------
        str
            Text of all the audio that has been decoded.
        """
        output = self.model.forward_streaming(samples[None].to(self.device), self.context, final)
        self.frames += output.shape[1]
        return self.decode(output)


@dataclass
class Timing:
    """How fast a stream was decoded.

    Attributes
    ----------
    latencies : list of float
        For each chunk the seconds between the last samples that it needed and its text.
    compute, audio : float
        Seconds of computation and of audio.

    Examples
    --------
    >>> print(Timing([0.010, 0.012, 0.011, 0.030], compute=0.07, audio=2.0))
    4 chunks, latency median 11.5 ms, 95 % 27.3 ms, real-time factor 0.035
    """

    latencies: list[float] = field(default_factory=list)
    compute: float = 0.0
    audio: float = 0.0

    def __str__(self) -> str:
        if not self.latencies:
            return "0 chunks"
        median, late = 1000 * numpy.percentile(self.latencies, [50, 95])
        return (
            f"{len(self.latencies)} chunks, latency median {median:.1f} ms, 95 % {late:.1f} ms, "
            f"real-time factor {self.compute / self.audio:.3g}"
        )


def partial_results(
    stream: Stream, blocks: Iterable[torch.Tensor], timing: Timing | None = None
) -> Iterator[tuple[float, str]]:
    """Feed a stream, and give its text whenever a chunk is decoded.

    Parameters
    ----------
    stream : Stream
        A new stream.
    blocks : iterable of torch.Tensor
        Samples as they come. Small blocks, such as one encoder frame, keep the latency small: a chunk is decoded when
        the block that completes it has arrived.
    timing : Timing, optional
        Is filled in.

    Yields
    ------
    float
        Seconds of audio until now.
    str
        The text so far; the last one is the transcript.
    """
    timing = Timing() if timing is None else timing
    rate, text = stream.sample_rate, ""

    def feed(block, final=False):
        decoded, started = stream.frames, time.perf_counter()
        text = stream.feed(block, final)
        seconds = time.perf_counter() - started
        timing.compute += seconds
        timing.audio += len(block) / rate
        if stream.frames > decoded:
            timing.latencies.append(seconds)
        return text, stream.frames > decoded

    for block in blocks:
        text, news = feed(block)
        if news:
            yield timing.audio, text
    text, _ = feed(torch.zeros(0), final=True)
    yield timing.audio, text


def pcm_blocks(file, samples: int, name: str = "standard input") -> Iterator[torch.Tensor]:
    """Read raw audio: 16-bit little-endian signed integers, one channel.

    Parameters
    ----------
    file : binary file object
        Blocks are read as they come, so a pipe will do.
    samples : int
        Samples of a block; the last one may be shorter.
    name : str
        What errors call the file.

    Yields
    ------
    torch.Tensor
        (samples,) float32 in [-1, 1].

    Raises
    ------
    InputError
        If there is the header of an audio file; at the end, if there was nothing, or half a sample is left.

    Examples
    --------
    >>> import io
    >>> [block.tolist() for block in pcm_blocks(io.BytesIO(b"\\x00\\x40\\x00\\xc0\\x00\\x00"), 2)]
    [[0.5, -0.5], [0.0]]
    """
    total = 0
    while data := file.read(2 * samples):
        if total == 0 and data[:4] in (b"RIFF", b"fLaC", b"OggS"):
            raise InputError(f"{name}: this is an audio file with a header, not raw PCM; give its path instead")
        total += len(data)
        whole = len(data) // 2 * 2
        if whole:
            yield torch.from_numpy(numpy.frombuffer(data[:whole], "<i2").astype(numpy.float32) / 32768)
    if total == 0:
        raise InputError(f"{name}: no audio came; pipe in raw 16-bit little-endian mono PCM")
    if total % 2:
        raise InputError(
            f"{name}: {total} bytes, an odd number, so its end is missing or it is something else; pipe in raw 16-bit "
            "little-endian mono PCM"
        )

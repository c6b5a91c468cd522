"""A stream of many hours: does a chunk cost the same at the end as at the beginning, and does the state grow?"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import lobes
from summarymixing.benchmarks.cells import FRAME_SECONDS, KERNEL_SIZE
from summarymixing.benchmarks.registry import entry
from summarymixing.benchmarks.timing import cpu_seconds
from summarymixing.utils.errors import InputError

#: Number of chunks per median.
BLOCK = 1000


@dataclass(frozen=True)
class StreamCell:
    """A mixer or an encoder that streams hours of frames.

    Attributes
    ----------
    mixer : str
        Name in the registry.
    level : str
        "mixer" or "encoder".
    hours : float
        Of frames of 40 ms.
    chunk_size : int
        Frames.
    left_context_size : int, optional
        Chunks; None for all of the past.
    d_model, layers : int
        D, and the layers of the encoder.

    Examples
    --------
    >>> StreamCell("summarymixing_1", hours=10, chunk_size=16).count
    56250
    """

    mixer: str
    level: str = "mixer"
    hours: float = 10.0
    chunk_size: int = 16
    left_context_size: int | None = None
    d_model: int = 512
    layers: int = 12

    def __post_init__(self):
        if not entry(self.mixer).chunkable:
            raise InputError(f"{self.mixer} cannot stream; leave it out")
        if self.count < 2:
            raise InputError(f"{self.hours:g} hours hold fewer than two chunks of {self.chunk_size} frames")

    @property
    def count(self) -> int:
        """Chunks of the stream."""
        return round(self.hours * 3600 / FRAME_SECONDS / self.chunk_size)


def state_bytes(state) -> int:
    """Bytes of all tensors in a stream's state, at any nesting depth.

    Examples
    --------
    >>> state_bytes({"past": [torch.zeros(10)[:2], None]})
    40
    """
    storages = {}

    def visit(value):
        if isinstance(value, torch.Tensor):
            storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        elif isinstance(value, dict):
            for item in value.values():
                visit(item)
        elif isinstance(value, (list, tuple, set)):
            for item in value:
                visit(item)
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            visit(vars(value))

    visit(state)
    return sum(storages.values())


@torch.no_grad()
def measure_stream(cell: StreamCell, seed: int = 0, block: int = BLOCK, clock=time.perf_counter, progress=None) -> dict:
    """Run one stream to its end, then compare its last chunks with its first ones, and with those of a new stream.

    Between the first and the last chunks the machine itself may become faster or slower. Therefore the last chunks also
    take turns with the first chunks of a new stream.

    Parameters
    ----------
    cell : StreamCell
        What is streamed.
    seed : int
        Of weights and frames.
    block : int
        Chunks in each median; half of the stream if that is shorter.
    clock : callable
        Seconds, growing.
    progress : callable, optional
        Called after each block of chunks with their number.

    Returns
    -------
    dict
        ``chunks``; ``block``; ``blocks`` (``hour``, ``median`` seconds a chunk, ``state_bytes``); ``first`` and
        ``last``, medians in seconds; ``new_stream``, the median that took turns with ``last``;
        ``state_bytes_start``, after as many chunks as a limited context holds; ``state_bytes_end``.

    Examples
    --------
    >>> found = measure_stream(StreamCell("summarymixing_1", hours=0.01, d_model=8))
    >>> found["state_bytes_start"] == found["state_bytes_end"]
    True
    """
    torch.manual_seed(seed)
    advance, new_state = _streamer(cell)
    pieces = torch.randn(8, 1, cell.chunk_size, cell.d_model).unbind(0)

    def timed(state, number):
        return cpu_seconds(lambda: advance(pieces[number % len(pieces)], state), 1, clock)

    warm = new_state()
    for number in range(min(block // 2, cell.count)):
        timed(warm, number)
    block = min(block, cell.count // 2)
    state, blocks, seconds, first, start_bytes = new_state(), [], [], None, None
    # A limited context first fills up; a state that keeps growing is larger at the end.
    full_at = 1 + max(block // 2, cell.left_context_size or 0)
    for number in range(cell.count - block):
        seconds.append(timed(state, number))
        if number + 1 == min(full_at, cell.count - block):
            start_bytes = state_bytes(state)
        if len(seconds) == block or number + 1 == cell.count - block:
            hour = (number + 1) * cell.chunk_size * FRAME_SECONDS / 3600
            blocks.append({"hour": hour, "median": statistics.median(seconds), "state_bytes": state_bytes(state)})
            first = first or blocks[0]["median"]
            if progress is not None:
                progress(len(seconds))
            seconds = []
    last, new, other = [], [], new_state()
    for number in range(block):
        for times, which in ((last, state), (new, other))[:: 1 if number % 2 else -1]:
            times.append(timed(which, number))
    end = {"hour": cell.hours, "median": statistics.median(last), "state_bytes": state_bytes(state)}
    return {
        "chunks": cell.count,
        "block": block,
        "blocks": [*blocks, end],
        "first": first,
        "last": end["median"],
        "new_stream": statistics.median(new),
        "state_bytes_start": start_bytes,
        "state_bytes_end": end["state_bytes"],
    }


def _streamer(cell):
    """``advance(x, state)`` and ``new_state()`` of a mixer or an encoder."""
    chunks, factory = DynChunkTrainConfig(cell.chunk_size, cell.left_context_size), entry(cell.mixer).factory
    if cell.level == "mixer":
        mixer = factory(cell.d_model).eval()
        return mixer.stream, lambda: mixer.initial_state(1, chunks)
    encoder = lobes.ConformerEncoder(cell.layers, cell.d_model, 4 * cell.d_model, factory, KERNEL_SIZE).eval()
    return encoder.forward_streaming, lambda: encoder.make_streaming_context(chunks)

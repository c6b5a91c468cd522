"""Measure memory and time of very long audio through a Conformer: in one pass, and as a stream.

The encoder has the shape of the CPU experiments (80 log-mel features, one-dimensional front end, 4 layers of 144
features, 40 ms frames) and random weights, the audio is noise: neither changes what is measured. Every one-pass
measurement runs in a process of its own, so that its peak is its own.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from datetime import UTC, datetime

import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import lobes, mixers
from summarymixing.experiment.record import count_parameters, git_state, machine, peak_memory, versions
from summarymixing.utils.errors import InputError, command_line
from summarymixing.utils.files import atomic_open

SAMPLE_RATE = 16000
MIXERS = sorted(set(mixers.__all__) - {"Mixer"})


def build(mixer):
    """The whole speech encoder around the mixer of this name."""
    torch.manual_seed(0)
    return lobes.SpeechEncoder(
        lobes.LogMel(),
        lobes.GlobalNormalization(80),
        lobes.ConvolutionalFrontEnd(80, channels=(144, 144), two_dimensional=False),
        lobes.ConformerEncoder(4, 144, 576, getattr(mixers, mixer), kernel_size=15),
    ).eval()


def noise(samples):
    return 0.1 * torch.randn(1, samples)


@torch.no_grad()
def one_pass(mixer, minutes):
    """Encode so many minutes at once; seconds, and peak memory of this process before and after."""
    model = build(mixer)
    model(noise(SAMPLE_RATE))  # what libraries allocate on first use
    wavs = noise(int(minutes * 60 * SAMPLE_RATE))
    before = peak_memory()[1]
    start, cpu_start = time.perf_counter(), time.process_time()
    frames = model(wavs)[0].shape[1]
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    return {
        "minutes": minutes,
        "frames": frames,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,  # of all threads; tells what a busy machine added to the seconds
        "peak_bytes": peak_memory()[1],
        "peak_bytes_before": before,
        "audio_bytes": wavs.nbytes,
    }


def held_bytes(state):
    """Bytes of the tensors in a stream's state."""
    if isinstance(state, torch.Tensor):
        return state.untyped_storage().nbytes()
    if isinstance(state, (list, tuple)):
        return sum(map(held_bytes, state))
    return sum(map(held_bytes, vars(state).values())) if hasattr(state, "__dict__") else 0


@torch.no_grad()
def stream(mixer, minutes, chunk_size):
    """Stream up to the last of these minutes, with all of the past as left context; what each of them cost."""
    model = build(mixer)
    context = model.make_streaming_context(DynChunkTrainConfig(chunk_size, None))
    samples = chunk_size * 640  # a frame is 40 ms
    found, seconds = [], []
    for minute in range(1, max(minutes) + 1):
        for _ in range(round(60 * SAMPLE_RATE / samples)):
            part = noise(samples)
            start = time.perf_counter()
            model.forward_streaming(part, context)
            seconds.append(time.perf_counter() - start)
        if minute in minutes:
            median = statistics.median(seconds)
            found.append({"minute": minute, "state_bytes": held_bytes(context), "median_chunk_seconds": median})
        seconds = []
    return found


def in_fresh_process(function, *arguments):
    """Call it in a process that does nothing else."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def measure(arguments):
    """Everything that was asked for, printed as it comes."""
    passes = []
    for minutes in sorted(arguments.minutes):
        found = in_fresh_process(one_pass, arguments.mixer, minutes)
        passes.append(found)
        print(
            f"one pass of {minutes:g} min: {found['peak_bytes'] / 2**20:,.0f} MiB peak resident memory, "
            f"{found['seconds']:.1f} s ({found['cpu_seconds']:.1f} s of CPU time), "
            f"{minutes * 60 / found['seconds']:.0f}x real time",
            flush=True,
        )
    growth = []
    for less, more in zip(passes[:-1], passes[1:], strict=True):
        growth.append((more["peak_bytes"] - less["peak_bytes"]) / (more["minutes"] - less["minutes"]))
        print(f"from {less['minutes']:g} to {more['minutes']:g} min: {growth[-1] / 2**20:.1f} MiB a minute")
    ratio = growth[-1] / growth[0] if len(growth) > 1 else None
    if ratio is not None:
        print(f"the last growth is {ratio:.2f} times the first: memory is linear in length at 1")
    streamed = in_fresh_process(stream, arguments.mixer, arguments.stream_minutes, arguments.chunk_size)
    for found in streamed:
        print(
            f"stream, minute {found['minute']}: state of {found['state_bytes']:,} bytes, median "
            f"{1000 * found['median_chunk_seconds']:.2f} ms a chunk of {arguments.chunk_size * 40} ms"
        )
    return {"one_pass": passes, "growth_bytes_per_minute": growth, "growth_ratio": ratio, "stream": streamed}


@command_line
def main(argv=None):
    """Parse the command line, measure, print, and write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--mixer", choices=MIXERS, default="SummaryMixing", help="the layers' mixer")
    parser.add_argument("--minutes", type=float, nargs="+", default=[15, 30, 60], help="lengths to encode in one pass")
    parser.add_argument("--stream-minutes", type=int, nargs="+", default=[1, 60], help="minutes of a stream to look at")
    parser.add_argument("--chunk-size", type=int, default=16, help="frames of 40 ms in a chunk of the stream")
    parser.add_argument("--output", default="results/long_audio.json", help="where the numbers go")
    arguments = parser.parse_args(argv)
    if min(*arguments.minutes, *arguments.stream_minutes, arguments.chunk_size) <= 0:
        raise InputError("--minutes, --stream-minutes and --chunk-size must be positive.")
    if not getattr(mixers, arguments.mixer).chunkable:
        raise InputError(f"--mixer {arguments.mixer}: it cannot stream; choose another.")
    load, started, (commit, dirty) = os.getloadavg()[0], datetime.now(UTC).isoformat(timespec="seconds"), git_state()
    found = measure(arguments)
    record = {
        "command": ["tools/measure_long_audio.py", *(sys.argv[1:] if argv is None else argv)],
        "started": started,
        "commit": commit,
        "dirty": dirty,
        "versions": versions(),
        "machine": machine(),
        "load_average_at_start": load,
        "settings": vars(arguments),
        "parameters": count_parameters({"encoder": build(arguments.mixer)})["total"],
        **found,
    }
    with atomic_open(arguments.output) as file:
        file.write(json.dumps(record, indent=2) + "\n")
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()

"""Measure memory and time of very long audio through a Conformer: in one pass, and as a stream.

The encoder has the sizes of the quickstart (80 log-mel features, one-dimensional front end, 4 layers of 144 features,
40 ms frames) and random weights; the audio is noise. Neither changes time and memory. Every one-pass measurement runs
in a separate process with its own memory peak.
"""

import argparse
import json
import os
import statistics
import sys
import time
from datetime import UTC, datetime

import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig

from summarymixing import lobes, mixers
from summarymixing.benchmarks.memory import growth_of, in_fresh_process
from summarymixing.benchmarks.streaming import state_bytes
from summarymixing.benchmarks.timing import cpu_seconds
from summarymixing.experiment.record import count_parameters
from summarymixing.reports.provenance import provenance
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


def prepare_pass(mixer, minutes, found):
    """Build the encoder and its input; ``found`` gets what only the call itself knows."""
    model = build(mixer)
    with torch.no_grad():
        model(noise(SAMPLE_RATE))  # what libraries allocate on first use
    wavs = noise(int(minutes * 60 * SAMPLE_RATE))

    @torch.no_grad()
    def encode():
        begun = time.process_time()
        found["frames"] = model(wavs)[0].shape[1]
        found["cpu_seconds"] = time.process_time() - begun  # of all threads; shows the effect of a busy machine

    found["audio_bytes"] = wavs.nbytes
    return encode


def one_pass(mixer, minutes):
    """Encode a number of minutes in one pass; returns seconds, and peak memory of this process before and after."""
    found = {"minutes": minutes}
    memory = growth_of(prepare_pass, mixer, minutes, found)
    sizes = {"peak_bytes": memory["peak_bytes"], "peak_bytes_before": memory["baseline_bytes"]}
    return {**found, "seconds": memory["call_seconds"], **sizes}


@torch.no_grad()
def stream(mixer, minutes, chunk_size):
    """Stream up to the last of these minutes, with all of the past as left context; what each of them cost."""
    model = build(mixer)
    context = model.make_streaming_context(DynChunkTrainConfig(chunk_size, None))
    samples = chunk_size * 640  # a frame is 40 ms
    found = []
    for minute in range(1, max(minutes) + 1):
        parts = (noise(samples) for _ in range(round(60 * SAMPLE_RATE / samples)))
        seconds = [cpu_seconds(lambda part=part: model.forward_streaming(part, context), 1) for part in parts]
        if minute in minutes:
            median = statistics.median(seconds)
            found.append({"minute": minute, "state_bytes": state_bytes(context), "median_chunk_seconds": median})
    return {"stream": found}


def measured(function, *arguments):
    """What a function gives in a process that does nothing else."""
    found = in_fresh_process(function, *arguments, threads=torch.get_num_threads())
    for key in ("oom", "error"):
        if key in found:
            raise InputError(
                f"{function.__name__}{arguments}: {found[key]}; try --minutes or --stream-minutes below it"
            )
    return found


def measure(arguments):
    """Everything that was asked for, printed as it comes."""
    passes = []
    for minutes in sorted(arguments.minutes):
        found = measured(one_pass, arguments.mixer, minutes)
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
    streamed = measured(stream, arguments.mixer, arguments.stream_minutes, arguments.chunk_size)["stream"]
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
    parser.add_argument("--stream-minutes", type=int, nargs="+", default=[1, 60], help="reported minutes of a stream")
    parser.add_argument("--chunk-size", type=int, default=16, help="frames of 40 ms in a chunk of the stream")
    parser.add_argument("--output", default="results/long_audio.json", help="where the numbers go")
    arguments = parser.parse_args(argv)
    if min(*arguments.minutes, *arguments.stream_minutes, arguments.chunk_size) <= 0:
        raise InputError("--minutes, --stream-minutes and --chunk-size must be positive.")
    if not getattr(mixers, arguments.mixer).chunkable:
        raise InputError(f"--mixer {arguments.mixer}: it cannot stream; choose another.")
    load, started = os.getloadavg()[0], datetime.now(UTC).isoformat(timespec="seconds")
    found = measure(arguments)
    record = {
        **provenance(["tools/measure_long_audio.py", *(sys.argv[1:] if argv is None else argv)]),
        "started": started,
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

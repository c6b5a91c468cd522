"""Transcribe audio with a finished run: python tools/transcribe.py RUN AUDIO... [--stream --chunk-ms 640 --stats]

With a run of a classification recipe it prints the label of each recording.

AUDIO "-" is standard input, raw 16-bit little-endian mono PCM at 16 kHz or the rate that --sample-rate says, so that a
microphone can be piped in; a run of another rate hears it resampled:

    arecord -q -t raw -f S16_LE -r 16000 -c 1 | python tools/transcribe.py RUN - --stream
"""

import argparse
import signal
import sys

import torch

from summarymixing.commands.choices import add_choices, choices_of
from summarymixing.corpora.audio import read_audio, resampled
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.inference import Transcriber
from summarymixing.inference.classifier import UtteranceClassifier, label_text
from summarymixing.inference.stream import Timing, partial_results, pcm_blocks
from summarymixing.utils.allocator import keep_freed_memory
from summarymixing.utils.errors import InputError, command_line

STANDARD_INPUT_RATE = 16000


def standard_input(seconds, rate, sample_rate):
    """Blocks of so many seconds from standard input at one rate, resampled to another."""
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(f"standard input is no pipe; pipe in raw 16-bit little-endian mono PCM at {rate} Hz")
    # Ctrl-C also reaches the program at the other end of the pipe: its end of file ends the transcript. Again: stop.
    signal.signal(signal.SIGINT, lambda *_: signal.signal(signal.SIGINT, signal.default_int_handler))
    blocks = (block.numpy() for block in pcm_blocks(sys.stdin.buffer, max(1, round(seconds * rate))))
    # The resampler keeps the first blocks back until it has seen what follows them.
    return (torch.from_numpy(block) for block in resampled(blocks, rate, sample_rate) if len(block))


def transcribe_stream(transcriber, audio, arguments):
    """Print the text of a recording as its audio goes by."""
    chunk_ms = 640 if arguments.chunk_ms is None else arguments.chunk_ms
    stream = transcriber.stream(chunk_ms, arguments.left_context_size)
    seconds, rate = transcriber.frame_ms / 1000, transcriber.sample_rate
    if audio == "-":
        blocks = standard_input(seconds, arguments.sample_rate or STANDARD_INPUT_RATE, rate)
    else:
        blocks = read_audio(audio, rate).split(round(seconds * rate))
    timing = Timing()
    for seconds, text in partial_results(stream, blocks, timing):
        print(f"{seconds:7.2f} s  {text}", flush=True)
    if arguments.stats:
        print(f"stats: {timing}", file=sys.stderr)


def transcribe_whole(run, audio, arguments):
    """Print the text of a recording, or its label."""
    if audio == "-":
        blocks = list(standard_input(1, arguments.sample_rate or STANDARD_INPUT_RATE, run.sample_rate))
        if not blocks:
            raise InputError("standard input: empty recording, too short for a single sample of the run's rate")
        audio = torch.cat(blocks)
    if isinstance(run, UtteranceClassifier):
        print(label_text(run.classify([audio])[0]))
    else:
        print(run.transcribe([audio])[0])


@command_line
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder of a train.py")
    parser.add_argument(
        "audio",
        nargs="+",
        help="audio files: any format that soundfile or FFmpeg reads, any rate, any channels; - for standard input",
    )
    parser.add_argument("--sample-rate", type=int, help="with -: rate of standard input in hertz; default 16000")
    parser.add_argument("--stream", action="store_true", help="print partial results chunk by chunk")
    parser.add_argument("--chunk-ms", type=float, help="with --stream: chunk in ms, a multiple of a frame; default 640")
    parser.add_argument(
        "--left-context-size",
        "--left-chunks",  # its name in version 0.1
        type=int,
        help="with --stream: chunks of the past; default all",
    )
    parser.add_argument("--stats", action="store_true", help="with --stream: latency per chunk and real-time factor")
    add_choices(parser)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    for option in ("stats", "chunk_ms", "left_context_size"):
        if not arguments.stream and getattr(arguments, option) not in (None, False):
            raise InputError(f"--{option.replace('_', '-')} is for a stream; add --stream, or leave it out")
    if arguments.sample_rate is not None:
        if "-" not in arguments.audio:
            raise InputError(
                "--sample-rate is for standard input, a file says its own; leave it out, or give - as AUDIO"
            )
        if arguments.sample_rate < 1:
            raise InputError(f"--sample-rate {arguments.sample_rate}: must be a rate in hertz, such as 16000")
    classifies = RunFolder(arguments.run).is_classification
    if arguments.stream and classifies:
        raise InputError(f"{arguments.run}: a classification hears the whole recording; leave out --stream")

    keep_freed_memory()
    run = (UtteranceClassifier if classifies else Transcriber)(arguments.run, arguments.device, **choices_of(arguments))
    unreadable = 0
    for audio in arguments.audio:
        # One bad file must not cost the others their transcripts.
        try:
            if len(arguments.audio) > 1:
                print(audio, end="\n" if arguments.stream else "\t", flush=True)
            if arguments.stream:
                transcribe_stream(run, audio, arguments)
            else:
                transcribe_whole(run, audio, arguments)
        except InputError as error:
            unreadable += 1
            print(f"error: {error}", file=sys.stderr)
    if unreadable:
        sys.exit(2)

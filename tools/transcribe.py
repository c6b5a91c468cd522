"""Transcribe audio files with a trained run: python tools/transcribe.py RUN AUDIO... [--stream --chunk-ms 640]"""

import argparse
import sys

from summarymixing.corpora.audio import read_audio
from summarymixing.errors import InputError, command_line
from summarymixing.inference import Transcriber


def stream_file(transcriber, path, chunk_ms, left_chunks):
    """Print the text of a file as its audio goes by."""
    samples = read_audio(path, transcriber.sample_rate)
    stream = transcriber.stream(chunk_ms, left_chunks)
    blocks = samples.split(int(chunk_ms * transcriber.sample_rate / 1000))
    for number, block in enumerate(blocks, start=1):
        text = stream.feed(block, final=number == len(blocks))
        seconds = min(number * chunk_ms / 1000, len(samples) / transcriber.sample_rate)
        print(f"{seconds:7.2f} s  {text}", flush=True)


@command_line
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="run folder of train.py")
    parser.add_argument("audio", nargs="+", help="audio files: any format soundfile reads, any rate, any channels")
    parser.add_argument("--stream", action="store_true", help="print partial results chunk by chunk")
    parser.add_argument("--chunk-ms", type=float, default=640, help="chunk in ms, a multiple of an encoder frame")
    parser.add_argument("--left-chunks", type=int, help="chunks of the past that the mixer sees; default all")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()

    transcriber = Transcriber(arguments.run, arguments.device)
    unreadable = 0
    for path in arguments.audio:
        # One bad file must not cost the others their transcripts.
        try:
            if len(arguments.audio) > 1:
                print(path, end="\n" if arguments.stream else "\t", flush=True)
            if arguments.stream:
                stream_file(transcriber, path, arguments.chunk_ms, arguments.left_chunks)
            else:
                print(transcriber.transcribe([path])[0])
        except InputError as error:
            unreadable += 1
            print(f"error: {error}", file=sys.stderr)
    if unreadable:
        sys.exit(2)


if __name__ == "__main__":
    main()

"""Generate a corpus of synthetic speech in the on-disk layout of a real dataset."""

import argparse

from summarymixing.synthetic import make_common_voice, make_librispeech, make_slurp, make_speech_commands
from summarymixing.utils.errors import command_line

LAYOUTS = {
    "common_voice": make_common_voice,
    "librispeech": make_librispeech,
    "slurp": make_slurp,
    "speech_commands": make_speech_commands,
}


@command_line
def main(argv=None):
    """Parse the command line, generate the corpus and print where it is."""
    arguments = vars(_parser().parse_args(argv))
    layout = arguments.pop("layout")
    folder = LAYOUTS[layout](**arguments)
    print(f"synthetic speech in the layout of {layout}: {folder}")


def _parser():
    # The options of a layout have the names of its function's parameters.
    parser = argparse.ArgumentParser(description=__doc__)
    layouts = parser.add_subparsers(dest="layout", required=True, help="dataset whose layout is written")
    options = {}
    for layout, make in LAYOUTS.items():
        options[layout] = layouts.add_parser(
            layout, help=make.__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        options[layout].add_argument("folder", help="folder to write; it appears only when it is complete")
        options[layout].add_argument("--seed", type=int, default=0, help="the same seed gives the same files")
        options[layout].add_argument("--workers", type=int, help="processes; None: one per core")
    for layout in ("common_voice", "librispeech", "slurp"):
        options[layout].add_argument("--minutes", type=float, required=True, help="minutes of training speech")
        options[layout].add_argument("--dev-minutes", type=float, default=10, help="minutes of dev speech")
        options[layout].add_argument("--test-minutes", type=float, default=20, help="minutes of each test set")
    voices = options["common_voice"]
    voices.add_argument("--locale", required=True, help="language: fr, it, nl, cy or eu")
    voices.add_argument("--version", type=int, default=17, help="release whose columns are written: 11 or 17")
    voices.add_argument("--defects", action="store_true", help="give each of the first rows of train a defect")
    words = options["speech_commands"]
    words.add_argument("--version", type=int, default=2, help="1 (30 words) or 2 (35 words)")
    words.add_argument("--per-word", type=int, default=100, help="recordings of each word")
    return parser

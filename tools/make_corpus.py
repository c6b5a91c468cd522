"""Generate a corpus of synthetic speech in the on-disk layout of a real dataset."""

import argparse

from summarymixing.errors import command_line
from summarymixing.synthetic import make_librispeech

LAYOUTS = {"librispeech": make_librispeech}


@command_line
def main(argv=None):
    """Parse the command line, generate the corpus and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("layout", choices=sorted(LAYOUTS), help="dataset whose layout is written")
    parser.add_argument("folder", help="where to write it; appears only when complete")
    parser.add_argument("--minutes", type=float, required=True, help="minutes of training speech")
    parser.add_argument("--dev-minutes", type=float, default=10, help="minutes of dev speech")
    parser.add_argument("--test-minutes", type=float, default=20, help="minutes of each test set")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same files")
    parser.add_argument("--workers", type=int, help="processes; None is one per core")
    arguments = parser.parse_args(argv)
    folder = LAYOUTS[arguments.layout](
        arguments.folder,
        arguments.minutes,
        seed=arguments.seed,
        dev_minutes=arguments.dev_minutes,
        test_minutes=arguments.test_minutes,
        workers=arguments.workers,
    )
    print(f"synthetic speech in the layout of {arguments.layout}: {folder}")


if __name__ == "__main__":
    main()

"""Export the encoder of a finished run to a folder with weights and a model card, which others load by path."""

import argparse

from summarymixing.experiment.run_folder import RunFolder
from summarymixing.reports.encoder_card import encoder_card
from summarymixing.upstreams.encoder_folder import write_encoder
from summarymixing.utils.errors import command_line
from summarymixing.utils.files import atomic_open


@command_line
def main(argv=None):
    """Parse the command line, export the encoder, and print the written files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    parser.add_argument("folder", metavar="FOLDER", help="folder to write, new or empty")
    parser.add_argument("--license", default="unknown", help="licence of the weights, such as cc-by-4.0, for the card")
    arguments = parser.parse_args(argv)
    run, new = RunFolder(arguments.run), RunFolder(arguments.folder)
    run.require(run.hyperparams, run.model, run.record)
    encoder = write_encoder(run, new)
    with atomic_open(new.card) as file:
        file.write(encoder_card(run, encoder, arguments.license))
    print(f"written: {new.encoder}, {new.hyperparams.name}, {new.card.name}")

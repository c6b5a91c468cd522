"""Options of the tools that run a model of several costs."""

#: The names by which parts of this package offer a choice, and what it is.
CHOICES = {
    "squeeze": "frames that the encoder works on as one",
    "query_pool": "encoder frames that ask together in self-attention",
    "key_pool": "encoder frames that are seen together in self-attention",
}


def add_choices(parser):
    """Give a parser ``--squeeze`` and its like.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Changed.

    Examples
    --------
    >>> import argparse
    >>> parser = argparse.ArgumentParser()
    >>> add_choices(parser)
    >>> choices_of(parser.parse_args(["--squeeze", "2"]))
    {'squeeze': 2, 'query_pool': None, 'key_pool': None}
    """
    group = parser.add_argument_group("a model of several costs", "default: the first number that it was trained with")
    for name, meaning in CHOICES.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=meaning)


def choices_of(arguments):
    """What was chosen, by name; None where nothing was."""
    return {name: getattr(arguments, name) for name in CHOICES}

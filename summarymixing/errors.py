"""The error that a user can act on, and the wrapper that shows it without a traceback."""

import functools
import sys


class InputError(ValueError):
    """Bad input from the user; the message is one line and names the file or key and the cure."""


def command_line(main):
    """Wrap the entry point of a program: an `InputError` ends it with a message, not a traceback.

    Any other exception is a defect of the program and keeps its traceback.

    Parameters
    ----------
    main : callable
        The entry point; its arguments and its return value pass through.

    Returns
    -------
    callable
        Runs `main`; on `InputError` prints ``error: <message>`` to stderr and raises
        `SystemExit` with status 2, the status argparse uses for bad arguments.

    Examples
    --------
    >>> command_line(lambda: 3)()
    3
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            return main(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(2) from None

    return wrapped

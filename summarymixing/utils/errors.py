"""The error for bad input, which says how to correct it, and the wrapper that shows it without a traceback."""

import contextlib
import functools
import os
import sys

#: The status of a program that the signal SIGPIPE ends, as shells report it.
_READER_LEFT = 141


class InputError(ValueError):
    """Bad input from the user; the message is one line and names the file or key and the cure."""


def command_line(main):
    """Wrap the entry point of a program: an `InputError` ends it with a message and without a traceback.

    If the reader of its output has closed the pipe, as in ``program | head``, the program ends without a message. Any
    other exception is a defect of the program and keeps its traceback.

    Parameters
    ----------
    main : callable
        The entry point; its arguments and its return value pass through.

    Returns
    -------
    callable
        Runs `main`. On `InputError` it prints ``error: <message>`` to stderr and raises `SystemExit` with status 2, as
        argparse does for bad arguments. If the reader has closed the pipe, it raises `SystemExit` with status 141.

    Examples
    --------
    >>> command_line(lambda: 3)()
    3
    """

    @functools.wraps(main)
    def wrapped(*args, **kwargs):
        try:
            try:
                return main(*args, **kwargs)
            except InputError as error:
                print(f"error: {error}", file=sys.stderr)
                raise SystemExit(2) from None
            finally:
                sys.stdout.flush()  # here, where a closed pipe is handled
        except BrokenPipeError:
            _discard_output()
            raise SystemExit(_READER_LEFT) from None

    return wrapped


def _discard_output():
    """Discard buffered output for a closed pipe; otherwise Python would report an error at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            with contextlib.suppress(OSError):  # a stream without a file
                os.dup2(null, stream.fileno())
    os.close(null)

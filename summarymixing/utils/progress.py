"""A progress bar on a terminal; in a log, a line at regular intervals."""

import sys

from tqdm import tqdm

#: Seconds from one line of a log to the next.
INTERVAL = 30.0


class Progress(tqdm):
    """tqdm's bar; if its output is not a terminal, a line every :data:`INTERVAL` seconds and one at the end.

    Parameters
    ----------
    **options
        Those of ``tqdm.tqdm``.

    Examples
    --------
    >>> import io
    >>> log = io.StringIO()
    >>> with Progress(total=1000, desc="preparing dev", file=log) as bar:
    ...     for _ in range(1000):
    ...         _ = bar.update()
    >>> log.getvalue().count("\\n"), "1000/1000" in log.getvalue(), "\\r" in log.getvalue()
    (1, True, False)
    """

    def __init__(self, **options):
        # A disabled bar must not use its output.
        file = options.get("file") or sys.stderr
        self.in_lines = not (options.get("disable") or (hasattr(file, "isatty") and file.isatty()))
        if self.in_lines:
            options["bar_format"] = options.get("bar_format", "{l_bar}{bar}{r_bar}").replace("{bar}", "")
            options |= {"mininterval": INTERVAL, "maxinterval": 2 * INTERVAL, "delay": 1e-9, "leave": False}
        super().__init__(**options)

    def display(self, msg=None, pos=None):
        """Show the state: on a terminal in place of the last one, elsewhere in a new line."""
        if not self.in_lines:
            return super().display(msg, pos)
        self.fp.write(f"{str(self).strip()}\n")
        self.fp.flush()
        return False  # nothing to go back over

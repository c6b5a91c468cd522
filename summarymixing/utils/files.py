"""Files that are written completely or not at all."""

import contextlib
import os
import uuid
from pathlib import Path

from summarymixing.utils.errors import InputError


@contextlib.contextmanager
def atomic_open(path, mode="w"):
    """Open a file for writing that gets the name `path` only when it is complete.

    Parameters
    ----------
    path : str or pathlib.Path
        The final name; a file of that name is replaced. Missing parent folders are made.
    mode : str
        "w" for text (UTF-8, line ends as written), "wb" for bytes.

    Yields
    ------
    file object
        The open file, under a temporary name.

    Raises
    ------
    InputError
        If the parent folder cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with atomic_open(path) as file:
    ...     _ = file.write("whole")
    ...     path.exists()
    False
    >>> path.read_text()
    'whole'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot create this folder ({error.strerror})") from None
    try:
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        with open(temporary, mode, **text) as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

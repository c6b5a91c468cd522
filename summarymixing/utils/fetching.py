"""Files of pre-trained models: from a local folder or from the Hugging Face hub."""

from pathlib import Path

from speechbrain.utils.fetching import fetch

from summarymixing.utils.errors import InputError


def fetch_file(source, filename, key):
    """Return the local path of a file of a pre-trained model; files of the hub are in the hub's own cache.

    Parameters
    ----------
    source : str or pathlib.Path
        A folder, or the name of a hub repository, "user/model".
    filename : str
        A file in it.
    key : str
        The YAML key that named the source, for error messages.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If there is no such folder or file, or the hub cannot be reached.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "lm.ckpt").write_text("")
    >>> fetch_file(folder, "lm.ckpt", "language_model").name
    'lm.ckpt'
    """
    folder = Path(source)
    if folder.is_dir():
        if not (folder / filename).is_file():
            raise InputError(f"{folder}: holds no {filename}; set the key {key} to a folder that does, or to null")
        return folder / filename
    # A hub name is "user/model"; anything else can only be a folder.
    if folder.is_absolute() or str(source).startswith(".") or len(folder.parts) != 2:
        raise InputError(f"{folder}: no such folder; correct the key {key}, or set it to null")
    try:
        return Path(fetch(filename, source=str(source)))
    except Exception as error:  # the hub's client has many, which differ from version to version
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{source}: key {key}: no such folder, and {filename} cannot be downloaded from the Hugging Face hub; "
            f"download that model on a machine with a network and set {key} to its folder, or to null "
            f"({type(error).__name__}: {reason})"
        ) from error

"""Provenance of numbers: command, code and machine, for records of tools (a run has its own record)."""

from __future__ import annotations

from summarymixing.experiment.record import git_state, machine, versions, without_home


def provenance(command: list[str]) -> dict:
    """Describe the command, the code and the machine that make a record.

    Parameters
    ----------
    command : list of str
        The command line.

    Returns
    -------
    dict
        ``command``, ``commit`` and ``dirty`` (None if the package is not in a checkout), ``versions``, ``machine``.

    Examples
    --------
    >>> sorted(provenance(["tools/benchmark.py", "floor"]))
    ['command', 'commit', 'dirty', 'machine', 'versions']
    """
    commit, dirty = git_state()
    return {
        "command": [without_home(word) for word in command],
        "commit": commit,
        "dirty": dirty,
        "versions": versions(),
        "machine": machine(),
    }


def commit_text(record: dict) -> str:
    """Name the commit of a record.

    Parameters
    ----------
    record : dict
        With ``commit`` and ``dirty``.

    Examples
    --------
    >>> commit_text({"commit": "bf880fe", "dirty": True})
    'bf880fe with uncommitted changes'
    """
    return f"{record['commit']} with uncommitted changes" if record["dirty"] else str(record["commit"])

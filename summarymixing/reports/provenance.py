"""Where numbers come from: the command, the code and the machine, for every record that is not a run's."""

from __future__ import annotations

from summarymixing.experiment.record import git_state, machine, versions, without_home


def provenance(command: list[str]) -> dict:
    """Describe what makes a record, to be kept in it.

    Parameters
    ----------
    command : list of str
        The command line.

    Returns
    -------
    dict
        ``command``, ``commit`` and ``dirty`` (None where the package is no checkout), ``versions`` and ``machine``.

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

"""Values of a YAML file that depend on another key, such as the published settings of each language."""

from __future__ import annotations

from summarymixing.utils.errors import InputError


def choose(table: dict[str, dict], choice: str, key: str):
    """Look up a number in a table that has a row for each choice.

    A YAML file calls it, so that ``--locale it`` brings the other numbers of Italian with it, and each is still a key
    that the command line replaces::

        locale: fr
        published:
          fr: {vocab_size: 1000, lr: 0.0008}
          it: {vocab_size: 1000, lr: 0.0005}
        lr: !apply:summarymixing.experiment.choice.choose [!ref <published>, !ref <locale>, lr]

    Parameters
    ----------
    table : dict of str to dict
        A row of keys and values for each choice.
    choice : str
        Names the row.
    key : str
        Names the value in it.

    Returns
    -------
    object
        The value.

    Raises
    ------
    InputError
        For a choice without a row: its numbers must be given, and the first row's are shown as an example.

    Examples
    --------
    >>> choose({"fr": {"lr": 0.0008}, "it": {"lr": 0.0005}}, "it", "lr")
    0.0005
    """
    if choice not in table:
        name, row = next(iter(table.items()))
        options = " ".join(f"--{option} {value}" for option, value in row.items())
        raise InputError(
            f"there are settings for {', '.join(table)} and none for {choice!r}; give all of them, "
            f"for example those for {name!r}: {options}"
        )
    return table[choice][key]


def option(options: dict, choice: str, key: str):
    """Pick one of several parts of an experiment by its name.

    A YAML file calls it, so that the command line names a part and need not describe it::

        objective: contrastive
        objectives:
          contrastive: !name:summarymixing.lobes.Contrastive
          random_projection: !name:summarymixing.lobes.RandomProjection
        model: !new:summarymixing.lobes.PretrainingModel
          objective: !apply:summarymixing.experiment.choice.option [!ref <objectives>, !ref <objective>, objective]

    Parameters
    ----------
    options : dict
        The parts by their names.
    choice : str
        One of the names.
    key : str
        The YAML key of ``choice``, for the error message.

    Returns
    -------
    object
        The part.

    Raises
    ------
    InputError
        For a name that is not among the options.

    Examples
    --------
    >>> option({"sum": sum, "max": max}, "max", "reduction")([1, 2])
    2
    """
    if choice not in options:
        raise InputError(f"key {key}: {choice!r} is not one of {', '.join(options)}; give one of them")
    return options[choice]

"""Values of a YAML file that depend on another key, for example the published settings of each language."""

from __future__ import annotations

from summarymixing.utils.errors import InputError


def choose(table: dict[str, dict], choice: str, key: str):
    """Look up a value in a table that has a row for each choice.

    A YAML file calls it, so that ``--locale it`` also sets the other values of Italian. Each of them is still a key
    that
    the command line can replace::

        locale: fr
        published:
          fr: {vocab_size: 1000, lr: 0.0008}
          it: {vocab_size: 1000, lr: 0.0005}
        lr: !apply:summarymixing.experiment.choice.choose [!ref <published>, !ref <locale>, lr]

    Parameters
    ----------
    table : dict of str to dict
        For each choice a row of keys and values.
    choice : str
        Name of the row.
    key : str
        Key of the value in the row.

    Returns
    -------
    object
        The value.

    Raises
    ------
    InputError
        If the choice has no row; the message shows the options to give, with the values of the first row.

    Examples
    --------
    >>> choose({"fr": {"lr": 0.0008}, "it": {"lr": 0.0005}}, "it", "lr")
    0.0005
    """
    if choice not in table:
        name, row = next(iter(table.items()))
        options = " ".join(f"--{option} {value}" for option, value in row.items())
        raise InputError(
            f"there are settings for {', '.join(table)}, but none for {choice!r}; give them on the command line, "
            f"like these for {name!r}: {options}"
        )
    return table[choice][key]


def option(options: dict, choice: str, key: str):
    """Choose one of several parts of an experiment by its name.

    A YAML file calls it, so that the command line only has to name a part::

        objective: contrastive
        objectives:
          contrastive: !name:summarymixing.lobes.Contrastive
          random_projection: !name:summarymixing.lobes.RandomProjection
        model: !new:summarymixing.lobes.PretrainingModel
          objective: !apply:summarymixing.experiment.choice.option [!ref <objectives>, !ref <objective>, objective]

    Parameters
    ----------
    options : dict
        The parts by name.
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
        If the name is not among the options.

    Examples
    --------
    >>> option({"sum": sum, "max": max}, "max", "reduction")([1, 2])
    2
    """
    if choice not in options:
        raise InputError(f"key {key}: {choice!r} is not one of {', '.join(options)}; give one of them")
    return options[choice]

"""The lists of keys in a YAML file: no list in the code has to know the keys of each recipe.

Two hidden keys hold lists under arbitrary names. A variant adds to them with a list under another name::

    __resumable: {length: [number_of_epochs], tests: [test_splits, test_beam_size]}
    __neutral: {data: [data_folder, train_splits], batches: [max_batch_length]}
"""

from __future__ import annotations

from summarymixing.experiment import run_options
from summarymixing.experiment.yaml_tree import load_tree, suggestion, tag_of
from summarymixing.utils.errors import InputError

EXPERIMENT, OUTPUT_FOLDER = "experiment", "output_folder"
RESUMABLE, NEUTRAL = "__resumable", "__neutral"

#: Keys that do not describe what a run computes: its name, its folder, and these lists.
LABELS = {EXPERIMENT, OUTPUT_FOLDER, RESUMABLE, NEUTRAL}


def resumable_keys(text: str, name: str = "YAML text") -> set[str]:
    """Return the keys and run options that may change between two starts of one run.

    Parameters
    ----------
    text : str
        A complete HyperPyYAML text.
    name : str
        Its name in error messages, usually its path.

    Returns
    -------
    set of str
        The keys listed in ``__resumable``, ``output_folder`` and run options of SpeechBrain.

    Raises
    ------
    InputError
        If a list names a key that the text does not have.

    Examples
    --------
    >>> keys = resumable_keys("lr: 0.1\\nepochs: 5\\n__resumable: {length: [epochs]}\\n")
    >>> "epochs" in keys, "device" in keys, "lr" in keys
    (True, True, False)
    """
    return _listed(text, RESUMABLE, name) | run_options.RESUMABLE | LABELS - {EXPERIMENT}


def neutral_keys(text: str, name: str = "YAML text") -> set[str]:
    """Return the keys and run options that may differ between two runs of the same experiment.

    They describe the data, the machine or the seed of a run.

    Parameters
    ----------
    text : str
        A complete HyperPyYAML text.
    name : str
        Its name in error messages, usually its path.

    Returns
    -------
    set of str
        The keys listed in ``__neutral``, ``output_folder`` and run options of SpeechBrain.

    Raises
    ------
    InputError
        If a list names a key that the text does not have.

    Examples
    --------
    >>> "seed" in neutral_keys("seed: 1\\n__neutral: {repeats: [seed]}\\n")
    True
    """
    return _listed(text, NEUTRAL, name) | run_options.NEUTRAL | {OUTPUT_FOLDER}


def _listed(text: str, kind: str, name: str) -> set[str]:
    tree = load_tree(text, name)
    lists = tree.get(kind, {})
    if not isinstance(lists, dict) or tag_of(lists) or not all(map(_is_list_of_names, lists.values())):
        raise InputError(f"{name}: key '{kind}' must hold lists of keys under names, such as {{length: [lr_schedule]}}")
    keys = {key for listed in lists.values() for key in listed}
    for key in sorted(keys - tree.keys()):
        raise InputError(f"{name}: key '{kind}' lists '{key}', which is not a key of this file{suggestion(key, tree)}")
    return keys


def _is_list_of_names(value) -> bool:
    return isinstance(value, list) and not tag_of(value) and all(isinstance(key, str) for key in value)

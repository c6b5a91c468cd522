"""SummaryMixing recipes: linear-time token mixers for SpeechBrain speech encoders."""

from summarymixing.utils import moved
from summarymixing.utils.errors import InputError

__version__ = "0.1.0"

moved.install(__name__)


def variant_of(base: str):
    """Refuse to load a variant without its base.

    A YAML file that holds ``base: !applyref:summarymixing.variant_of [other.yaml]`` is half an experiment. Plain
    HyperPyYAML calls this function before all else; `summarymixing.experiment` merges the files and never calls it.

    Parameters
    ----------
    base : str
        The other half.

    Raises
    ------
    InputError
        Always.

    Examples
    --------
    >>> from hyperpyyaml import load_hyperpyyaml
    >>> load_hyperpyyaml("base: !applyref:summarymixing.variant_of [other.yaml]\\nwidth: 3\\n")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    summarymixing.utils.errors.InputError: this YAML file is a variant of other.yaml and holds only what differs, ...
    """
    raise InputError(
        f"this YAML file is a variant of {base} and holds only what differs, so plain HyperPyYAML cannot load it: load "
        "the text that summarymixing.experiment.resolve_yaml(FILE) returns, or the file that `python "
        "tools/show_config.py FILE > complete.yaml` writes"
    )

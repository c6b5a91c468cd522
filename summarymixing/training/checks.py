"""Refuse keys on the command line that would have no effect, before anything is trained."""

from summarymixing.utils.errors import InputError

#: A key on the command line; the keys of which one must be set for it to have an effect; what that key provides.
_NEEDS = {
    "word_score": (("ngram_lm",), "a language model"),
    "lm_weight": (("ngram_lm", "language_model"), "a language model"),
    "lm_model": (("language_model",), "a language model"),
    "subset_seed": (("train_minutes",), "a subset to draw"),
}
#: A key on the command line, and the key that must be null for it to have an effect.
_REPLACED = {
    "tokenizer_type": "tokenizer_source",
    "synthetic_folder": "data_folder",
    "synthetic_minutes": "data_folder",
    "synthetic_seed": "data_folder",
}


def check_settings(experiment):
    """Refuse keys on the command line that would have no effect.

    Parameters
    ----------
    experiment : summarymixing.experiment.load.Experiment
        The loaded experiment.

    Raises
    ------
    InputError
        If there is one; names the key and the cure.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> typed, values = {"word_score": 1.0}, {"word_score": 1.0, "ngram_lm": None}
    >>> check_settings(SimpleNamespace(hparams=values, overrides=typed, run_opts={}))
    Traceback (most recent call last):
    summarymixing.utils.errors.InputError: --word_score has no effect without a language model; set --ngram_lm too, ...
    """
    values = {**experiment.hparams, **experiment.run_opts}
    for key, (needed, what) in _NEEDS.items():
        known = [name for name in needed if name in values]
        if key in experiment.overrides and known and all(values[name] is None for name in known):
            raise InputError(f"--{key} has no effect without {what}; set --{known[0]} too, or leave it out")
    for key, other in _REPLACED.items():
        # The value on the command line, because the recipe may have replaced null by its own folder.
        if key in experiment.overrides and experiment.overrides.get(other) is not None:
            raise InputError(f"--{key} has no effect together with --{other}; leave one of the two out")

"""Compute on demand: parts of a model whose cost is chosen anew at each step, or fixed when the model is used.

A part offers numbers by name, such as ``squeeze`` 1, 2, 3 or 4. Training draws one of each name a step
(:class:`~summarymixing.training.on_demand.DrawnSettings`), the same for all parts that offer it and in all processes.
Whatever else calls the model chooses, or finds the first number of each name.
"""

import random

from summarymixing.utils.errors import InputError


class OnDemand:
    """A module that calls :meth:`offer` when it is made, and reads :attr:`chosen` when it is called.

    Attributes
    ----------
    choices : dict of str to tuple of int
        What it offers.
    chosen : dict of str to int
        What is in use; at first the first number of each name.

    Examples
    --------
    >>> part = OnDemand()
    >>> part.offer(squeeze=[1, 2, 4], query_pool=2)
    >>> part.choices, part.chosen
    ({'squeeze': (1, 2, 4), 'query_pool': (2,)}, {'squeeze': 1, 'query_pool': 2})
    """

    def offer(self, **choices):
        """Set what there is to choose from.

        Parameters
        ----------
        **choices : int or list of int
            Numbers from 1 on; one number is no choice.

        Raises
        ------
        ValueError
            For anything else.
        """
        self.choices = {name: _numbers(name, values) for name, values in choices.items()}
        self.chosen = {name: values[0] for name, values in self.choices.items()}


def _numbers(name, values):
    numbers = tuple(values) if isinstance(values, (list, tuple)) else (values,)
    whole = all(isinstance(number, int) and not isinstance(number, bool) and number > 0 for number in numbers)
    if not numbers or not whole or len(set(numbers)) < len(numbers):
        raise ValueError(
            f"{name}={values!r} must be a number such as 2, or a list of different ones such as [1, 2, 4]."
        )
    return numbers


def offered(model):
    """What the parts of a model offer.

    Parameters
    ----------
    model : torch.nn.Module
        Any.

    Returns
    -------
    dict of str to tuple of int
        By name, in alphabetical order.

    Raises
    ------
    ValueError
        If two parts offer different numbers by one name.

    Examples
    --------
    >>> import torch
    >>> offered(torch.nn.Linear(1, 1))
    {}
    """
    found = {}
    for part in _parts(model):
        for name, numbers in part.choices.items():
            if found.setdefault(name, numbers) != numbers:
                raise ValueError(f"two parts of this model offer {name}={found[name]} and {name}={numbers}.")
    return dict(sorted(found.items()))


def choose(model, **numbers):
    """Choose by name, in all parts of a model that offer it; names that are left out get their first number.

    Parameters
    ----------
    model : torch.nn.Module
        Its parts are changed.
    **numbers : int
        Any from 1 on, in training or not.

    Raises
    ------
    ValueError
        For a name that no part offers, and for what is no such number.

    Examples
    --------
    >>> from summarymixing.lobes import SqueezedEncoder, TransformerEncoder
    >>> encoder = SqueezedEncoder(TransformerEncoder(1, 16, 32), squeeze=[1, 2, 4])
    >>> choose(encoder, squeeze=3)
    >>> encoder.chosen
    {'squeeze': 3}
    """
    choices = offered(model)
    for name, number in numbers.items():
        if name not in choices:
            there = f"what can be chosen is {', '.join(choices)}" if choices else "nothing of it can be chosen"
            raise ValueError(f"this model has no {name}: {there}.")
        _numbers(name, number)
    for part in _parts(model):
        part.chosen = {name: numbers.get(name, values[0]) for name, values in part.choices.items()}


def choose_offered(model, where, **numbers):
    """Choose what was trained: as :func:`choose`, but only numbers that the model offers.

    Parameters
    ----------
    model : torch.nn.Module
        Its parts are changed.
    where : str
        What the error message begins with: the run folder or key that the model is from.
    **numbers : int or None
        By name; None is left out.

    Returns
    -------
    dict of str to int
        What was given, without None.

    Raises
    ------
    InputError
        For anything else; it lists what there is.

    Examples
    --------
    >>> import torch
    >>> choose_offered(torch.nn.Linear(1, 1), "runs/mine", squeeze=None)
    {}
    >>> choose_offered(torch.nn.Linear(1, 1), "runs/mine", squeeze=2)
    Traceback (most recent call last):
    ...
    summarymixing.utils.errors.InputError: runs/mine: squeeze=2 cannot be chosen: this model offers no choice
    """
    numbers = {name: number for name, number in numbers.items() if number is not None}
    choices = offered(model)
    for name, number in numbers.items():
        if isinstance(number, bool) or number not in choices.get(name, ()):
            there = "; ".join(f"{key} {', '.join(map(str, values))}" for key, values in choices.items())
            raise InputError(f"{where}: {name}={number} cannot be chosen: this model offers {there or 'no choice'}")
    choose(model, **numbers)
    return numbers


def draw(choices, seed):
    """Draw one number of each name, uniformly.

    Parameters
    ----------
    choices : dict of str to tuple of int
        From :func:`offered`.
    seed : int
        Whoever draws with the same one gets the same numbers.

    Returns
    -------
    dict of str to int

    Examples
    --------
    >>> sorted({draw({"squeeze": (1, 2, 4)}, seed)["squeeze"] for seed in range(20)})
    [1, 2, 4]
    """
    generator = random.Random(seed)
    return {name: generator.choice(numbers) for name, numbers in choices.items()}


def _parts(model):
    return [part for part in model.modules() if isinstance(part, OnDemand)]

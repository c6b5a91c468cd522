"""Parameter groups: parts of a model with their own learning rate, and parts that are frozen at first."""

import math
from dataclasses import dataclass

from torch import nn

from summarymixing.lobes.models.speech_model import current_name
from summarymixing.utils.errors import InputError

_OPTIONS = ("lr", "frozen_until")


@dataclass
class ParameterGroup:
    """One part of the model.

    Attributes
    ----------
    name : str
        Name of the submodule or parameter; empty for the group of all other parameters.
    lr : float
        Peak learning rate.
    frozen_until : float
        Number of optimizer steps during which the group stays frozen.
    parameters : list of torch.nn.Parameter
        Its parameters, except those of groups with a longer name.
    module : torch.nn.Module or None
        The submodule; None for a single parameter.
    """

    name: str
    lr: float
    frozen_until: float
    parameters: list
    module: nn.Module | None


class ParameterGroups:
    """The parameter groups of a model, from the YAML key ``parameter_groups``.

    The name of a group is that of a submodule or a parameter in ``named_modules()`` or ``named_parameters()``. If a
    part of the model belongs to two groups, the longer name counts. The schedule scales all learning rates in
    proportion: a group whose ``lr`` is a tenth of the key ``lr`` has a tenth of the schedule's rate at every step.

    A frozen group is in evaluation mode (no dropout, no augmentation, no running statistics), has no gradient, and is
    not changed by the optimizer, not even by weight decay.

    Parameters
    ----------
    model : torch.nn.Module
        The model, not wrapped for several processes.
    options : dict, optional
        For each name ``lr`` (peak learning rate; by default that of the model) and ``frozen_until`` (number of
        optimizer steps during which the group stays frozen; ``.inf`` for the whole training; 0 by default).
    lr : float
        Peak learning rate of the model.

    Raises
    ------
    InputError
        If a name is not a part of the model, or an option is unknown or has a value of the wrong kind.

    Examples
    --------
    >>> model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "output": nn.Linear(2, 2)})
    >>> groups = ParameterGroups(model, {"encoder": {"lr": 1.0e-5, "frozen_until": 1000}}, lr=1.0e-3)
    >>> [(group.name, group.lr, len(group.parameters)) for group in groups]
    [('', 0.001, 2), ('encoder', 1e-05, 2)]
    >>> groups.freeze(step=0), model["encoder"].training, model["encoder"].weight.requires_grad
    (True, False, False)
    >>> groups.freeze(step=1000), model["encoder"].training, model["encoder"].weight.requires_grad
    (True, True, True)
    """

    def __init__(self, model, options, lr):
        options = _checked(options or {}, lr)
        modules, parameters = dict(model.named_modules()), dict(model.named_parameters())
        for name in list(options):
            # Names of earlier versions are known too.
            known = name if name in modules else current_name(name)
            options[known] = options.pop(name)
            if not known or (known not in parameters and known not in modules):
                parts = sorted({key.partition(".")[0] for key in parameters})
                raise InputError(
                    f"key parameter_groups: {name} is not a part of the model; name a submodule or a "
                    f"parameter as in model.named_parameters(): {', '.join(parts)}, or a part of these"
                )
        names = sorted(options, key=lambda name: name.count("."))  # the whole before its parts
        members = {name: [] for name in ["", *names]}
        for key, parameter in parameters.items():
            owner = [name for name in names if f"{key}.".startswith(f"{name}.")]
            members[owner[-1] if owner else ""].append(parameter)
        self.groups = [
            ParameterGroup(name, *options.get(name, (lr, 0)), members[name], modules.get(name)) for name in members
        ]
        # Parameters that were frozen when the model was built stay frozen.
        self.trainable = {parameter for parameter in parameters.values() if parameter.requires_grad}
        begins = [p for group in self.groups if group.frozen_until <= 0 for p in group.parameters if p.requires_grad]
        if options and not begins:
            raise InputError(
                "key parameter_groups: every parameter of the model is frozen at the first step; let a part, such as "
                "the output layer, train from the start"
            )

    def __iter__(self):
        return iter(self.groups)

    def freeze(self, step):
        """Freeze and unfreeze the groups for a step; call it before every batch and after ``model.train()``.

        Parameters
        ----------
        step : int
            Optimizer steps taken so far.

        Returns
        -------
        bool
            Whether any parameter was frozen or unfrozen.
        """
        changed = False
        for group in self.groups:
            free = step >= group.frozen_until
            if group.name and group.module is not None:
                group.module.train(free)
            for parameter in group.parameters:
                trains = free and parameter in self.trainable
                changed |= parameter.requires_grad != trains
                parameter.requires_grad_(trains)
        return changed

    def optimizer_groups(self, groups):
        """Split an optimizer's parameter groups by learning rate.

        Parameters
        ----------
        groups : list of dict
            Parameter groups for a PyTorch optimizer. Parameters outside the model have the model's learning rate.

        Returns
        -------
        list of dict
            The groups after the split, none of them empty.
        list of float
            Learning rate of each group divided by that of the model.
        """
        lr = self.groups[0].lr
        ratio = {parameter: group.lr / lr for group in self.groups for parameter in group.parameters if group.lr != lr}
        parts, ratios = [], []
        for value in sorted({1.0, *ratio.values()}, key=lambda value: value != 1.0):
            for given in groups:
                chosen = [parameter for parameter in given["params"] if ratio.get(parameter, 1.0) == value]
                if chosen:
                    parts.append({**given, "params": chosen})
                    ratios.append(value)
        return parts, ratios


def _checked(options, lr):
    """Learning rate and frozen steps by name."""
    if not isinstance(options, dict):
        raise InputError(
            "key parameter_groups must be a mapping, such as {speech_encoder: {lr: 1.0e-5, frozen_until: 1000}}"
        )
    checked = {}
    for name, values in options.items():
        values = {} if values is None else values
        unknown = sorted(set(values) - set(_OPTIONS)) if isinstance(values, dict) else [str(values)]
        if unknown or not values:
            raise InputError(
                f"key parameter_groups: {name}: {', '.join(unknown) or 'nothing'} is not one of {', '.join(_OPTIONS)}; "
                "give one of these or both, such as {lr: 1.0e-5, frozen_until: 1000}"
            )
        for option, value in values.items():
            number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            if not number or (option == "lr" and math.isinf(value)):
                wanted = "a learning rate" if option == "lr" else "a number of optimizer steps (.inf for all of them)"
                raise InputError(f"key parameter_groups: {name}: {option}: {value} is not {wanted}")
        checked[str(name)] = (float(values.get("lr", lr)), values.get("frozen_until", 0))
    return checked

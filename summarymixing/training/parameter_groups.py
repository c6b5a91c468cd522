"""Parts of a model with a learning rate of their own, and parts that stay frozen at first."""

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
        The submodule or parameter; empty for whatever no other group names.
    lr : float
        Peak learning rate.
    frozen_until : float
        Optimizer steps during which it does not train.
    parameters : list of torch.nn.Parameter
        Those of no longer name.
    module : torch.nn.Module or None
        The submodule; None for a single parameter.
    """

    name: str
    lr: float
    frozen_until: float
    parameters: list
    module: nn.Module | None


class ParameterGroups:
    """What the YAML key ``parameter_groups`` says of a model.

    Each group is named by a submodule or a parameter of the model, as ``named_modules()`` and ``named_parameters()``
    call it. Where one name lies within another, the longer one counts. The schedule scales each group's learning rate
    in proportion: a group whose ``lr`` is a tenth of the key ``lr`` has a tenth of the schedule's rate at every step.

    A frozen group is in evaluation mode (no dropout, no augmentation, no running statistics), has no gradient, and is
    left alone by the optimizer, weight decay included.

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
        If a name is no part of the model, or an option is unknown or of the wrong kind.

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
                    f"key parameter_groups: {name} is no part of the model; name a submodule or a "
                    f"parameter as model.named_parameters() calls it: {', '.join(parts)}, or a part of these"
                )
        names = sorted(options, key=lambda name: name.count("."))  # the whole before its parts
        members = {name: [] for name in ["", *names]}
        for key, parameter in parameters.items():
            owner = [name for name in names if f"{key}.".startswith(f"{name}.")]
            members[owner[-1] if owner else ""].append(parameter)
        self.groups = [
            ParameterGroup(name, *options.get(name, (lr, 0)), members[name], modules.get(name)) for name in members
        ]
        # Those frozen by whoever made the model stay so.
        self.trainable = {parameter for parameter in parameters.values() if parameter.requires_grad}
        begins = [p for group in self.groups if group.frozen_until <= 0 for p in group.parameters if p.requires_grad]
        if options and not begins:
            raise InputError(
                "key parameter_groups: every parameter of the model is frozen at the first step; let a part train "
                "from the start, such as the output layer"
            )

    def __iter__(self):
        return iter(self.groups)

    def freeze(self, step):
        """Freeze, and set free, what this step asks for; call it before every batch, behind ``model.train()``.

        Parameters
        ----------
        step : int
            Optimizer steps taken before.

        Returns
        -------
        bool
            Whether any parameter has a gradient from now on that had none, or the other way round.
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
            As a PyTorch optimizer takes them. Parameters outside the model have the model's learning rate.

        Returns
        -------
        list of dict
            The parts that are not empty.
        list of float
            Learning rate of each part over that of the model.
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

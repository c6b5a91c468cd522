"""Compute on demand in training: what a model's parts draw at each step, and what they have when it is evaluated."""

from summarymixing.utils.errors import InputError
from summarymixing.utils.on_demand import choose, choose_offered, draw, offered
from summarymixing.utils.seeds import step_seed

# The epoch by whose number factors are drawn: one that no batch has, so that nothing else has the same random numbers.
_DRAWS = 0


class DrawnSettings:
    """Sets what the parts of a model offer (:mod:`summarymixing.utils.on_demand`), if any part of it does.

    Parameters
    ----------
    model : torch.nn.Module
        Its parts are changed.
    seed : int
        Of the experiment.
    tests : dict of str to int, optional
        The YAML key ``test_choice``: what the tests have, by name; the first of what is left out.

    Raises
    ------
    InputError
        If two parts offer different numbers by one name, or the tests are given what no part offers.

    Examples
    --------
    >>> from summarymixing.lobes import SqueezedEncoder, TransformerEncoder
    >>> encoder = SqueezedEncoder(TransformerEncoder(1, 16, 32), squeeze=[1, 2, 4])
    >>> settings, factors = DrawnSettings(encoder, seed=1234), []
    >>> for step in range(100):
    ...     settings.draw(step)
    ...     factors.append(encoder.chosen["squeeze"])
    >>> sorted(set(factors))
    [1, 2, 4]
    >>> settings.fix()
    >>> encoder.chosen
    {'squeeze': 1}
    """

    def __init__(self, model, seed, tests=None):
        self.model, self.seed = model, seed
        try:
            self.choices = offered(model)
        except ValueError as error:
            raise InputError(f"key model: {error}") from error
        if not isinstance(tests, (dict, type(None))):
            raise InputError(f"key test_choice: {tests!r} is no mapping; give such as '{{squeeze: 2}}'")
        self.tests = choose_offered(model, "key test_choice", **(tests or {}))
        choose(model)

    def draw(self, optimizer_step):
        """Set what the batches of an optimizer step have, on all processes and in a resumed run alike."""
        if self.choices:
            choose(self.model, **draw(self.choices, step_seed(self.seed, _DRAWS, optimizer_step)))

    def fix(self, test=False):
        """Set what validation has, the first number of each name, or a test."""
        if self.choices:
            choose(self.model, **(self.tests if test else {}))

    def most_expensive(self):
        """Set what needs most memory."""
        if self.choices:
            choose(self.model, **{name: min(numbers) for name, numbers in self.choices.items()})

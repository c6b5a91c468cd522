"""No mixing over time, so that only convolutions are left: the CNN-only rows of the published tables."""

from summarymixing.mixers.base import Mixer


class Identity(Mixer):
    """Returns its input.

    Parameters
    ----------
    d_model : int
        Number of features D.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(2, 5, 8)
    >>> torch.equal(Identity(8)(x), x)
    True
    """

    def mix(self, x, padding_mask, chunks):
        return x

    def initial_state(self, batch_size, chunks):
        return None

    def stream(self, x, state):
        return x

"""Perplexity of a distribution: how many codes of a codebook are in use."""


def perplexity(weights):
    """``exp(entropy)`` of each distribution: 1 if one code has all the weight, the number of codes if it is uniform.

    Parameters
    ----------
    weights : torch.Tensor
        (..., codes), counts or probabilities, not negative. They need not sum to 1, so that the counts of several
        batches or processes can be added first.

    Returns
    -------
    torch.Tensor
        (...); 1 where all weights are 0. For a product quantiser the sum over its groups is often reported.

    Examples
    --------
    >>> import torch
    >>> perplexity(torch.tensor([[5.0, 5.0, 0.0], [0.0, 7.0, 0.0]]))
    tensor([2., 1.])
    """
    shares = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    # The clamp keeps the gradient finite at 0, where x log x is 0 and its slope is infinite.
    return (-(shares * shares.clamp(min=1e-12).log()).sum(-1)).exp()

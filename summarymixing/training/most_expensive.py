"""Find the batches that need most memory, which are tried before the training starts."""


def most_expensive_batches(batches, seconds):
    """Find the batch with most padded speech, and the most expensive one if memory grows with the square of the length.

    Parameters
    ----------
    batches : list of list of int
        Batches of utterance numbers.
    seconds : callable
        ``seconds(number)`` returns the length of an utterance.

    Returns
    -------
    list of list of int
        One or two of the batches.

    Examples
    --------
    >>> most_expensive_batches([[0, 1, 2, 3], [4]], [2.0, 2.0, 2.0, 2.0, 7.0].__getitem__)
    [[0, 1, 2, 3], [4]]
    >>> most_expensive_batches([[0, 1], [2]], [9.0, 2.0, 5.0].__getitem__)
    [[0, 1]]
    """
    found = []
    for power in (1, 2):
        costs = [len(batch) * max(map(seconds, batch)) ** power for batch in batches]
        batch = batches[costs.index(max(costs))]
        if batch not in found:
            found.append(batch)
    return found

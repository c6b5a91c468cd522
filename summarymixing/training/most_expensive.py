"""The batches that need most memory, to be tried before all others."""


def most_expensive_batches(batches, seconds):
    """The batch with most padded speech, and the one that costs most where memory grows with the square of the length.

    Parameters
    ----------
    batches : list of list of int
        Batches of utterances, by their number.
    seconds : callable
        Length of an utterance, by its number.

    Returns
    -------
    list of list of int
        One or two of them.

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

"""Masked spans of self-supervised learning, drawn for each utterance by its own length."""

import torch


def span_mask(counts, num_frames=None, share=0.49, span=10):
    """Draw the masked frames of a batch: spans that may overlap and stay inside their utterance.

    An utterance of T frames gets ``T * (1 - (1 - share) ** (1 / span))`` spans, rounded up or down at random. Their
    starts are drawn without replacement. With this density of starts, the probability that a frame is in no span is
    ``1 - share``. Two published settings correspond to these values, both with spans of 10 frames:

    - ``share=0.49``: wav2vec 2.0 (2006.11477, section 3.1), where p = 0.065 of all frames are starts:
      ``1 - (1 - 0.065) ** 10``. The 0.65 in its configurations is the share that spans without overlap would mask.
    - ``share=0.66``: the code released with 2407.13377, for utterances of equal length. That code adds isolated frames
      to make up for overlaps; here all masked frames are in whole spans.

    An utterance shorter than two spans gets spans of half its length, so that frames are left to predict from. Every
    utterance with at least one frame gets at least one span; an utterance of a single frame is masked completely.

    Everything is drawn on the CPU, from PyTorch's global generator.

    Parameters
    ----------
    counts : torch.Tensor
        (B,) int64, real frames of each utterance, on the CPU.
    num_frames : int, optional
        T, frames of the padded batch; by default the maximum of ``counts``.
    share : float
        Expected fraction of masked frames, above 0 and below 1.
    span : int
        Frames of a span.

    Returns
    -------
    torch.Tensor
        (B, T) bool on the CPU, True = masked; False at padding.

    Raises
    ------
    ValueError
        If ``share`` or ``span`` is out of range.

    Examples
    --------
    >>> mask = span_mask(torch.tensor([500, 1, 0]))
    >>> mask.shape, mask.sum(1)[1:].tolist()
    (torch.Size([3, 500]), [1, 0])
    >>> 0.2 < mask[0].float().mean() < 0.7
    tensor(True)
    """
    if not 0 < share < 1 or span < 1:
        raise ValueError(f"share={share} must lie between 0 and 1, and span={span} must be at least 1.")
    num_frames = int(counts.max()) if num_frames is None else num_frames
    mask = torch.zeros(len(counts), num_frames, dtype=torch.bool)
    for row, frames in zip(mask, counts.tolist(), strict=True):
        if frames == 0:
            continue
        own_span = min(span, max(1, frames // 2))
        places = frames - own_span + 1
        expected = frames * (1 - (1 - share) ** (1 / own_span))
        spans = min(places, max(1, int(expected + torch.rand(()))))
        starts = torch.randperm(places)[:spans]
        row[starts[:, None] + torch.arange(own_span)] = True
    return mask

"""The LSTM of probes: PyTorch's own bidirectional one, for each utterance where it ends."""

import torch
from torch import nn
from torch.testing import assert_close

from summarymixing.lobes import BiLSTM


@torch.no_grad()
def test_equals_pytorchs_bidirectional_lstm_on_each_utterance_alone():
    torch.manual_seed(0)
    ours, theirs = BiLSTM(5, 4, num_layers=2).eval(), nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True)
    for layer in range(2):
        for part, suffix in ((ours.ahead[layer], ""), (ours.back[layer], "_reverse")):
            for name, weight in part.named_parameters():
                weight.copy_(getattr(theirs, name.replace("_l0", f"_l{layer}") + suffix))
    counts = torch.tensor([9, 4, 1])
    x = torch.randn(3, 9, 5)
    padded = x.masked_fill(torch.arange(9)[None, :, None] >= counts[:, None, None], 7.0)
    output = ours(padded, counts)
    for row, count in enumerate(counts.tolist()):
        assert_close(output[row, :count], theirs(x[row : row + 1, :count])[0][0], rtol=0, atol=1e-6)
        assert not output[row, count:].any()

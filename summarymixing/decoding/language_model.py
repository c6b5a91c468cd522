"""A pre-trained Transformer language model for beam search."""

import pickle

import torch

from summarymixing.utils.errors import InputError
from summarymixing.utils.fetching import fetch_file

#: The embedding table of SpeechBrain's ``TransformerLM``: one row per token.
_EMBEDDING = "custom_src_module.emb.Embedding.weight"


def load_language_model(source, make, vocab_size):
    """Load ``lm.ckpt``, the weights of a SpeechBrain ``TransformerLM``.

    Parameters
    ----------
    source : str or pathlib.Path
        A local folder, or the name of a hub repository; the YAML key ``language_model``.
    make : callable
        ``make(vocab=vocab_size)`` returns the model; the YAML key ``lm_model``.
    vocab_size : int
        Number of tokens of the recogniser.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.

    Raises
    ------
    InputError
        If the file cannot be found or read, or has another number of tokens or other sizes.

    Examples
    --------
    >>> import functools, tempfile
    >>> from pathlib import Path
    >>> from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM
    >>> make = functools.partial(TransformerLM, d_model=8, nhead=2, num_encoder_layers=1, d_ffn=16)
    >>> folder = Path(tempfile.mkdtemp())
    >>> torch.save(make(vocab=30).state_dict(), folder / "lm.ckpt")
    >>> load_language_model(folder, make, 30)(torch.tensor([[1, 5]])).shape
    torch.Size([1, 2, 30])
    """
    file = fetch_file(source, "lm.ckpt", "language_model")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        tokens = len(state[_EMBEDDING])
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise InputError(
            f"{file}: key language_model: not the weights of a SpeechBrain TransformerLM; give another folder, or null"
        ) from error
    if tokens != vocab_size:
        raise InputError(
            f"{file}: key language_model: this language model has {tokens} tokens, but the recogniser has vocab_size="
            f"{vocab_size}; train the recogniser with the tokens of the language model (keys tokenizer_source and "
            "vocab_size), or give a language model that was trained on the recogniser's tokens"
        )
    model = make(vocab=vocab_size)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"{file}: key language_model: its sizes differ from those of the key lm_model; correct lm_model"
        ) from error
    return model.eval()

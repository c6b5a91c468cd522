"""A sentencepiece tokenizer, trained inside the run."""

import io
from pathlib import Path

import sentencepiece
from speechbrain.utils.distributed import run_on_main

from summarymixing.corpora.manifest import read_manifest
from summarymixing.errors import InputError
from summarymixing.fetching import fetch_file
from summarymixing.files import atomic_open


def train_tokenizer(manifest, model_file, vocab_size, model_type="unigram", column="wrd", bos_index=-1, eos_index=-1):
    """Train a tokenizer on the transcripts of a manifest, or keep the one that is there.

    Piece 0 is the unknown piece; CTC uses that index for its blank, so no target may contain it.

    Arguments
    ---------
    manifest : str or pathlib.Path
        CSV file of the training set.
    model_file : str or pathlib.Path
        Where the model goes; an existing file is kept.
    vocab_size : int
        Pieces, the unknown piece included: the size of the model's output.
    model_type : str
        "unigram", "bpe" or "char".
    column : str
        Column of the manifest that holds the text.
    bos_index, eos_index : int
        Indices kept free for begin and end of sentence, which an attention decoder needs; -1 for none.

    Raises
    ------
    InputError
        If the text is too small for ``vocab_size``, ``vocab_size`` for its characters, or sentencepiece refuses for
        another reason.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "train.csv").write_text("ID,wrd\\n1,A SMALL TEXT\\n2,ANOTHER SMALL TEXT\\n")
    >>> train_tokenizer(folder / "train.csv", folder / "tokenizer.ckpt", 13, "char")
    >>> load_tokenizer(folder / "tokenizer.ckpt").get_piece_size()
    13
    """
    run_on_main(_train, args=[Path(manifest), Path(model_file), vocab_size, model_type, column, bos_index, eos_index])


def _train(manifest, model_file, vocab_size, model_type, column, bos_index, eos_index):
    if model_file.is_file():
        return
    texts = [row[column] for row in read_manifest(manifest)]
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=vocab_size,
            model_type=model_type,
            character_coverage=1.0,
            bos_id=bos_index,
            eos_id=eos_index,
            unk_id=0,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{manifest}: no {model_type} tokenizer of vocab_size={vocab_size} can be trained on its column "
            f"{column}; change the key vocab_size or use more text ({reason})"
        ) from error
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    if tokenizer.get_piece_size() != vocab_size:
        raise InputError(
            f"{manifest}: its text has only {tokenizer.get_piece_size()} {model_type} pieces; set the key vocab_size, "
            f"now vocab_size={vocab_size}, to that number"
        )
    unknown = {char for text in texts for char in set(text) if tokenizer.unk_id() in tokenizer.encode(char)}
    if unknown:
        raise InputError(
            f"{manifest}: vocab_size={vocab_size} leaves no {model_type} piece for {' '.join(sorted(unknown))!r}; "
            f"set the key vocab_size to {vocab_size + len(unknown)} or more"
        )
    with atomic_open(model_file, "wb") as file:
        file.write(model.getvalue())


def fetch_tokenizer(source, model_file, vocab_size, bos_index=-1, eos_index=-1):
    """Copy the tokenizer of another model, or check that the one that is there is the same.

    Arguments
    ---------
    source : str or pathlib.Path
        A local folder, or the name of a hub repository, that holds ``tokenizer.ckpt``; the YAML key
        ``tokenizer_source``.
    model_file : str or pathlib.Path
        Where the copy goes.
    vocab_size, bos_index, eos_index : int
        What the tokenizer must have.

    Raises
    ------
    InputError
        If the tokenizer cannot be had, does not fit, or differs from the one that the run has already.
    """
    run_on_main(_fetch, args=[source, Path(model_file), vocab_size, bos_index, eos_index])


def _fetch(source, model_file, vocab_size, bos_index, eos_index):
    file = fetch_file(source, "tokenizer.ckpt", "tokenizer_source")
    tokenizer = load_tokenizer(file)
    if tokenizer.get_piece_size() != vocab_size:
        raise InputError(
            f"{file}: this tokenizer has {tokenizer.get_piece_size()} pieces and the key vocab_size={vocab_size}; set "
            "the key vocab_size to that number"
        )
    for key, wanted, found in [
        ("bos_index", bos_index, tokenizer.bos_id()),
        ("eos_index", eos_index, tokenizer.eos_id()),
    ]:
        if wanted != -1 and wanted != found:
            raise InputError(f"{file}: key {key}={wanted}, but this tokenizer has it at {found}, text at {wanted}")
    content = file.read_bytes()
    if model_file.is_file() and model_file.read_bytes() != content:
        raise InputError(
            f"{model_file}: this run was trained with other tokens than those of {file}; train a new run with the key "
            "tokenizer_source, or set tokenizer_source to null if the language model was trained on this run's tokens"
        )
    with atomic_open(model_file, "wb") as copy:
        copy.write(content)


def load_tokenizer(model_file, into=None):
    """Load a trained tokenizer, into an existing processor if one is given.

    Raises
    ------
    InputError
        If the file is missing or not a sentencepiece model.
    """
    tokenizer = sentencepiece.SentencePieceProcessor() if into is None else into
    try:
        tokenizer.Load(str(model_file))
    except (OSError, RuntimeError) as error:
        raise InputError(f"{model_file}: not a readable sentencepiece model; train the run again") from error
    return tokenizer

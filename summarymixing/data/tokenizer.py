"""A sentencepiece tokenizer: trained on the transcripts of a run, or copied from another model."""

import hashlib
import io
import json
import logging
from collections import Counter
from pathlib import Path

import sentencepiece
from speechbrain.utils.distributed import run_on_main

from summarymixing.corpora.manifest import read_manifest
from summarymixing.experiment.run_folder import RunFolder
from summarymixing.utils.errors import InputError
from summarymixing.utils.fetching import fetch_file
from summarymixing.utils.files import atomic_open

logger = logging.getLogger(__name__)

_SHOWN = 20  # letters that a message names


#: Largest fraction of the training text's letters that the tokenizer of another model may lack.
MAX_UNKNOWN = 0.01


def train_tokenizer(manifest, model_file, vocab_size, model_type="unigram", column="wrd", bos_index=-1, eos_index=-1):
    """Train a tokenizer on the transcripts of a manifest, or keep one that was trained on the same transcripts.

    Encoded text is decoded to the same text: sentencepiece's default normalisation (NFKC) is turned off. Piece 0 is the
    unknown piece. CTC uses that index for its blank, so that no target may contain it.

    Parameters
    ----------
    manifest : str or pathlib.Path
        CSV file of the training set.
    model_file : str or pathlib.Path
        The file to write, in the run folder. A ``.json`` file of the same name records what it was trained on.
    vocab_size : int or None
        Number of pieces, the unknown piece included: the size of the model's output. None, which only characters allow,
        means as many as the text has.
    model_type : str
        "unigram", "bpe" or "char".
    column : str
        Column of the manifest that holds the text.
    bos_index, eos_index : int
        Indices reserved for begin and end of sentence, which an attention decoder needs; -1 for none.

    Raises
    ------
    InputError
        If the text is too small for ``vocab_size``, if ``vocab_size`` is too small for its characters, if sentencepiece
        fails for another reason, or if the run was already trained with a tokenizer of other text.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "train.csv").write_text("ID,wrd\\n1,A SMALL TEXT\\n2,ANOTHER SMALL TEXT\\n")
    >>> train_tokenizer(folder / "train.csv", folder / "tokenizer.ckpt", None, "char")
    >>> load_tokenizer(folder / "tokenizer.ckpt").get_piece_size()
    13
    """
    run_on_main(_train, args=[Path(manifest), Path(model_file), vocab_size, model_type, column, bos_index, eos_index])


def _train(manifest, model_file, vocab_size, model_type, column, bos_index, eos_index):
    texts = _texts(manifest, column)
    origin = {
        "training_text": _fingerprint(texts),
        "model_type": model_type,
        "vocab_size": vocab_size,
        "bos_index": bos_index,
        "eos_index": eos_index,
    }
    if _may_stay(model_file, origin, manifest):
        return
    if vocab_size is None and model_type != "char":
        raise InputError(
            f"{manifest}: vocab_size=null works only with tokenizer_type char; set the key vocab_size to a number of "
            f"{model_type} pieces, such as 1000, or set tokenizer_type to char"
        )
    # With characters sentencepiece makes only as many pieces as there are: letters, the space, and reserved ones.
    most = len(set("".join(texts))) + 4
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=most if vocab_size is None else vocab_size,
            model_type=model_type,
            character_coverage=1.0,
            normalization_rule_name="identity",
            # In bytes; sentencepiece leaves out longer sentences, and refuses a very small limit.
            max_sentence_length=max(4192, *(len(text.encode()) + 1 for text in texts)),
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
    if vocab_size not in (None, tokenizer.get_piece_size()):
        raise InputError(
            f"{manifest}: its text has only {tokenizer.get_piece_size()} {model_type} pieces; set the key vocab_size, "
            f"now vocab_size={vocab_size}, to that number{' or to null' * (model_type == 'char')}"
        )
    unknown = {char for char in set("".join(texts)) if tokenizer.unk_id() in tokenizer.encode(char)}
    if unknown:
        raise InputError(
            f"{manifest}: vocab_size={vocab_size} leaves no {model_type} piece for {' '.join(sorted(unknown))!r}; "
            f"set the key vocab_size to {tokenizer.get_piece_size() + len(unknown)} or more"
        )
    _write(model_file, model.getvalue(), origin)


def fetch_tokenizer(source, model_file, vocab_size, bos_index=-1, eos_index=-1, manifest=None, column="wrd"):
    """Copy the tokenizer of another model into the run folder, or check that the copy there is the same.

    Parameters
    ----------
    source : str or pathlib.Path
        A local folder, or the name of a hub repository, that holds ``tokenizer.ckpt``; the YAML key
        ``tokenizer_source``.
    model_file : str or pathlib.Path
        The file to write, in the run folder. A ``.json`` file of the same name records where it comes from.
    vocab_size, bos_index, eos_index : int
        What the tokenizer must have; with a ``vocab_size`` of None any size is accepted.
    manifest : str or pathlib.Path, optional
        CSV file of the training set, whose letters the tokenizer must know.
    column : str
        Column of the manifest that holds the text.

    Raises
    ------
    InputError
        If the tokenizer cannot be found or does not fit, if it lacks more than the fraction `MAX_UNKNOWN` of the
        letters of the training text, or if the run was already trained with another tokenizer or other text.
    """
    run_on_main(_fetch, args=[source, Path(model_file), vocab_size, bos_index, eos_index, manifest, column])


def _fetch(source, model_file, vocab_size, bos_index, eos_index, manifest, column):
    file = fetch_file(source, RunFolder(source).tokenizer.name, "tokenizer_source")
    tokenizer = load_tokenizer(file)
    if vocab_size not in (None, tokenizer.get_piece_size()):
        raise InputError(
            f"{file}: this tokenizer has {tokenizer.get_piece_size()} pieces, but the key is vocab_size={vocab_size}; "
            f"set it to {tokenizer.get_piece_size()}"
        )
    for key, expected, found in [
        ("bos_index", bos_index, tokenizer.bos_id()),
        ("eos_index", eos_index, tokenizer.eos_id()),
    ]:
        if expected != -1 and expected != found:
            raise InputError(f"{file}: key {key}={expected}, but {found} in this tokenizer; take another tokenizer")
    content = file.read_bytes()
    if model_file.is_file() and model_file.read_bytes() != content and RunFolder(model_file.parent).has_trained:
        raise InputError(
            f"{model_file}: this run was trained with other tokens than those of {file}; train a new run with the key "
            "tokenizer_source, or set tokenizer_source to null if the language model was trained on this run's tokens"
        )
    origin = {"tokenizer": hashlib.sha256(content).hexdigest()}
    if manifest is not None:
        texts = _texts(manifest, column)
        origin["training_text"] = _fingerprint(texts)
        _may_stay(model_file, origin, manifest)
        _refuse_unknown_letters(file, tokenizer, manifest, texts)
    _write(model_file, content, origin)


def _refuse_unknown_letters(file, tokenizer, manifest, texts):
    """Refuse a tokenizer that lacks many letters, because letters that it lacks are missing in the targets."""
    letters = Counter(char for text in texts for char in text if not char.isspace())
    unknown = {char: count for char, count in letters.items() if tokenizer.decode(tokenizer.encode(char)) != char}
    if not unknown:
        return
    share = sum(unknown.values()) / letters.total()
    shown = " ".join(sorted(unknown, key=unknown.get, reverse=True)[:_SHOWN]) + " ..." * (len(unknown) > _SHOWN)
    lacks = f"this tokenizer lacks {len(unknown)} letters of {manifest}, {100 * share:.2g} % of its text: {shown}"
    if share > MAX_UNKNOWN:
        raise InputError(
            f"{file}: {lacks}; set the key tokenizer_source to a tokenizer of similar text, or to null to train one"
        )
    logger.warning("%s: %s; they are left out of the targets", file, lacks)


def _texts(manifest, column):
    return [row[column] for row in read_manifest(manifest)]


def _fingerprint(texts):
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _may_stay(model_file, origin, manifest):
    """Whether the existing tokenizer is the one that would be made; an error if the run was trained on other text."""
    try:
        before = json.loads(_origin_file(model_file).read_text())
    except (OSError, ValueError):
        before = {}  # a run of an earlier version, which did not record this
    if before == origin:
        return model_file.is_file()
    if not RunFolder(model_file.parent).has_trained:
        return False
    if before.get("training_text", origin["training_text"]) != origin["training_text"]:
        raise InputError(
            f"{manifest}: this run was trained on other transcripts; restore them and their recordings to resume it, "
            "or train on the new ones in another --output_folder"
        )
    return model_file.is_file()


def _write(model_file, content, origin):
    with atomic_open(model_file, "wb") as file:
        file.write(content)
    # Written after the model, so that it never describes a model that is not there.
    with atomic_open(_origin_file(model_file)) as file:
        json.dump(origin, file, indent=2)


def _origin_file(model_file):
    return model_file.with_suffix(".json")


def load_tokenizer(model_file, into=None):
    """Load a trained tokenizer, into an existing processor if one is given.

    Parameters
    ----------
    model_file : str or pathlib.Path
        The sentencepiece model.
    into : sentencepiece.SentencePieceProcessor, optional
        The processor that loads it; a new one by default.

    Returns
    -------
    sentencepiece.SentencePieceProcessor

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

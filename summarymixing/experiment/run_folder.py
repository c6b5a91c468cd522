"""The run folder: names of its files, missing files, settings and weights."""

from __future__ import annotations

import os
from pathlib import Path

import ruamel.yaml
import torch

from summarymixing.experiment.value_checks import check_device
from summarymixing.experiment.yaml_build import build, resolve, without_keys
from summarymixing.experiment.yaml_tree import comparable, key_nodes
from summarymixing.utils.errors import InputError
from summarymixing.utils.files import atomic_open

#: Keys of a run's YAML file whose objects are needed after training. Objects of other keys may create files.
_TRAINED = ("model", "modules", "decoding_function")
_NOTE = "# yamllint disable\n"


class RunFolder(os.PathLike):
    """The folder of a run: it knows the paths of all files, and is the only way to load a run.

    Creating and loading write nothing. Functions that take the path of a run folder also take a RunFolder.

    Parameters
    ----------
    path : str or os.PathLike
        The YAML key ``output_folder`` of the run; the folder need not exist.
    key : str, optional
        The YAML key that named the folder, for error messages; None if it was an argument.

    Attributes
    ----------
    path : pathlib.Path
        The folder.

    Examples
    --------
    >>> run = RunFolder("runs/conformer_mhsa/1234")
    >>> print(run.hyperparams)
    runs/conformer_mhsa/1234/hyperparams.yaml
    >>> print(run.transcripts("test-clean"))
    runs/conformer_mhsa/1234/transcripts_test-clean.csv
    """

    def __init__(self, path: str | os.PathLike, key: str | None = None):
        self.path = Path(path)
        self.key = key

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @staticmethod
    def find(folder: str | os.PathLike) -> list[RunFolder]:
        """Find the runs in and below a folder, which are the folders with a `record`, sorted by path.

        Parameters
        ----------
        folder : str or os.PathLike
            A run folder, or a folder of them.

        Returns
        -------
        list of RunFolder

        Examples
        --------
        >>> RunFolder.find("no/such/folder")
        []
        """
        return [RunFolder(file.parent) for file in sorted(Path(folder).rglob("run.json"))]

    @property
    def hyperparams(self) -> Path:
        """The complete HyperPyYAML file of the run, with the values of its command line."""
        return self.path / "hyperparams.yaml"

    @property
    def record(self) -> Path:
        """The record of the run: a `summarymixing.experiment.record.RunRecord`."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """The log."""
        return self.path / "log.txt"

    @property
    def train_log(self) -> Path:
        """SpeechBrain's train log, one line per epoch."""
        return self.path / "train_log.txt"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's events, if the YAML key ``tensorboard`` is true."""
        return self.path / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        """Folder of SpeechBrain's checkpoints, unless the YAML key ``save_folder`` names another."""
        return self.path / "save"

    @property
    def model(self) -> Path:
        """The averaged weights with which a finished run was tested."""
        return self.path / "model.ckpt"

    @property
    def encoder(self) -> Path:
        """The weights of an exported encoder, whose folder has no `model`."""
        return self.path / "encoder.safetensors"

    @property
    def card(self) -> Path:
        """The model card of an exported encoder."""
        return self.path / "README.md"

    @property
    def tokenizer(self) -> Path:
        """The sentencepiece model; a JSON file of the same name records what it was trained on."""
        return self.path / "tokenizer.ckpt"

    @property
    def manifests(self) -> Path:
        """Folder of the manifests."""
        return self.path / "manifests"

    def manifest(self, split: str) -> Path:
        """The manifest of a split."""
        return self.manifests / f"{split}.csv"

    def labels(self, target: str) -> Path:
        """The classes of a classification target, SpeechBrain's ``CategoricalEncoder``."""
        return self.path / f"labels_{target}.txt"

    def transcripts(self, split: str) -> Path:
        """References and hypotheses of a test set of speech recognition."""
        return self.path / f"transcripts_{split}.csv"

    def alignments(self, split: str) -> Path:
        """Word alignments of a test set of speech recognition, for people."""
        return self.path / f"wer_{split}.txt"

    def predictions(self, split: str) -> Path:
        """References and predictions of a test set of classification."""
        return self.path / f"predictions_{split}.csv"

    def slurp_predictions(self, split: str) -> Path:
        """Predictions of a test set of SLURP, for SLURP's evaluation tool."""
        return self.path / f"predictions_{split}.jsonl"

    def confusion(self, split: str, target: str) -> Path:
        """Counts of every pair of reference and prediction of a target in a test set."""
        return self.path / f"confusion_{split}_{target}.csv"

    @property
    def streaming(self) -> Path:
        """Error rates over chunk sizes, from tools/evaluate_streaming.py, which also writes a Markdown table."""
        return self.path / "streaming.json"

    @property
    def is_classification(self) -> bool:
        """Whether the run is a classification, which has `labels`.

        Examples
        --------
        >>> RunFolder("no/such/run").is_classification
        False
        """
        return any(self.path.glob(self.labels("*").name))

    @property
    def has_trained(self) -> bool:
        """Whether something was trained, so that data and settings must not change any more.

        Checkpoints in the recorded ``save_folder`` count too.

        Examples
        --------
        >>> import tempfile
        >>> run = RunFolder(tempfile.mkdtemp())
        >>> run.has_trained
        False
        >>> (run.checkpoints / "CKPT+2024-06-01+10-00-00+00").mkdir(parents=True)
        >>> run.has_trained
        True
        """
        if any(self.path.glob("*/CKPT*")) or self.model.is_file():
            return True
        if not self.hyperparams.is_file():
            return False
        elsewhere = self.values(moved=False).get("save_folder")
        return elsewhere is not None and any(Path(str(elsewhere)).glob("CKPT*"))

    def require(self, *files: Path) -> None:
        """Refuse a folder that lacks a file of a finished run.

        Parameters
        ----------
        *files : pathlib.Path
            Paths from this object.

        Raises
        ------
        InputError
            If one is missing; names the folder or the first missing file, and the cure.

        Examples
        --------
        >>> run = RunFolder("no/such/run")
        >>> run.require(run.model)
        Traceback (most recent call last):
        ...
        summarymixing.utils.errors.InputError: no/such/run: no such folder; give the folder of a finished run
        """
        if not self.path.is_dir():
            raise InputError(f"{self.path}: no such folder; {self._cure}")
        for file in files:
            if not file.is_file():
                raise InputError(
                    f"{file}: missing, so {self.path} holds no finished run; train it to the end, or {self._cure}"
                )

    @property
    def _cure(self) -> str:
        return f"{f'set the key {self.key} to' if self.key else 'give'} the folder of a finished run"

    def text(self) -> str:
        """The text of `hyperparams`, without following references.

        Raises
        ------
        InputError
            If it is missing or cannot be read.
        """
        self.require(self.hyperparams)
        try:
            return self.hyperparams.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.hyperparams}: cannot read this file: {error}; restore it, or choose another folder"
            ) from error

    def settings(self) -> dict:
        """Top-level keys of `hyperparams`, as `summarymixing.experiment.yaml_tree.comparable` gives them.

        Raises
        ------
        InputError
            If the file is missing or not YAML.
        """
        return comparable(self.text(), str(self.hyperparams))

    def values(self, moved: bool = True) -> dict:
        """Top-level keys of `hyperparams` with references followed, without building objects.

        Parameters
        ----------
        moved : bool
            Whether ``output_folder`` is the present path of the folder, or the path where it was trained.

        Returns
        -------
        dict
            As loaded by ruamel.yaml; an object is a tagged mapping.

        Raises
        ------
        InputError
            If the file is missing or not YAML.
        """
        return ruamel.yaml.YAML().load(self._resolved(moved))

    def _resolved(self, moved: bool = True) -> str:
        text = self.text()
        if not key_nodes(text, str(self.hyperparams)):  # which says what is wrong where it is no YAML
            raise InputError(f"{self.hyperparams}: is empty; restore it, or choose another folder")
        return resolve(text, str(self.hyperparams), {"output_folder": str(self.path)} if moved else None)

    def build(self, *keys: str) -> dict:
        """Build the objects of some keys only, because others, such as loggers, would create files.

        Parameters
        ----------
        *keys : str
            Top-level keys; keys that the file lacks are skipped.

        Returns
        -------
        dict
            These keys, and all keys with plain values: numbers, texts, lists of them.

        Raises
        ------
        InputError
            If the file cannot be read, or an object cannot be built.

        Examples
        --------
        >>> import tempfile
        >>> run = RunFolder(tempfile.mkdtemp())
        >>> run.write_text("width: 4\\nmodel: !new:torch.nn.Linear [!ref <width>, 2]\\nlog: !new:no.such.Logger\\n")
        >>> run.build("model")["model"]
        Linear(in_features=4, out_features=2, bias=True)
        """
        resolved = self._resolved()
        nodes = key_nodes(resolved, str(self.hyperparams))
        others = [key for key, node in nodes.items() if key not in keys and _builds(node)]
        return build(without_keys(resolved, others), str(self.hyperparams))

    def weights(self) -> dict[str, torch.Tensor]:
        """Load the weights in `model` to the CPU.

        Returns
        -------
        dict of str to torch.Tensor
            The state dict.

        Raises
        ------
        InputError
            If the file is missing or holds something else.
        """
        self.require(self.model)
        try:
            weights = torch.load(self.model, map_location="cpu", weights_only=True)
            weights.keys()
        except Exception as error:  # unpickling damaged bytes raises almost anything
            raise InputError(
                f"{self.model}: not the weights of a model ({type(error).__name__}); train that run again, or "
                f"{self._cure}"
            ) from error
        return weights

    def load(self, *needs: Path, device: str = "cpu") -> dict:
        """Load a finished run with its trained weights, on a device and in evaluation mode.

        Parameters
        ----------
        *needs : pathlib.Path
            Files that the folder must hold besides `hyperparams` and `model`.
        device : str
            Device of the model.

        Returns
        -------
        dict
            ``model``, ``modules``, ``decoding_function`` if there is one, and all plain values of the YAML file.

        Raises
        ------
        InputError
            If the folder holds no finished run.
        """
        self.require(self.hyperparams, self.model, *needs)
        check_device(device)
        hparams = self.build(*_TRAINED)
        for key in ("model", "modules"):
            if key not in hparams:
                raise InputError(f"{self.hyperparams}: has no key '{key}', so this run cannot be loaded; {self._cure}")
        weights = self.weights()
        try:
            hparams["model"].load_state_dict(weights)
        except RuntimeError as error:
            raise InputError(
                f"{self.model}: does not fit the model of {self.hyperparams}; the two files are from different runs; "
                f"restore them, or {self._cure}"
            ) from error
        for module in [hparams["model"], *hparams["modules"].values()]:
            module.to(device).eval()
        return hparams

    def write_text(self, text: str) -> None:
        """Write `hyperparams`, and create the folder if it does not exist."""
        with atomic_open(self.hyperparams) as file:
            file.write(_NOTE + text.removeprefix(_NOTE))

    def clear_failed_start(self) -> None:
        """Delete the files of a start that trained nothing, except manifests, which record their own settings."""
        for file in (self.record, self.tokenizer.with_suffix(".*"), self.labels("*")):
            for made in self.path.glob(file.name):
                made.unlink()


def _builds(node: ruamel.yaml.Node) -> bool:
    """Whether a value, or a part of it, is an object and not plain YAML."""
    if not node.tag.startswith("tag:yaml.org,"):
        return True
    parts = node.value if isinstance(node.value, list) else []
    return any(_builds(part) for pair in parts for part in (pair if isinstance(pair, tuple) else [pair]))

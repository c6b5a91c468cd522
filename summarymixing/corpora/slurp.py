"""SLURP: from its lines of JSON and folders of recordings to CSV manifests."""

import functools
import json
from pathlib import Path, PurePosixPath

from summarymixing.corpora.audio import inspect_audio
from summarymixing.corpora.preparation import prepare_split, stat_files
from summarymixing.corpora.semantic_frame import SemanticFrame
from summarymixing.utils.errors import InputError

FIELDS = [
    "ID",
    "duration",
    "wav",
    "spk_id",
    "wrd",
    "sentence",
    "scenario",
    "action",
    "intent",
    "entities",
    "slurp_id",
    "file",
]
TARGETS = ("semantics", "sentence")
MICROPHONES = ("all", "headset", "far-field")
# One analysis frame: shorter recordings give a recogniser no frame.
MIN_SECONDS = 0.025
# Increase it with every change of the manifest, so that older ones are made again.
_VERSION = 3
_SYNTHETIC_SPLIT = "train_synthetic"


def prepare(
    data_folder,
    manifest_folder,
    splits,
    max_bad_fraction=0.01,
    target="semantics",
    microphones="all",
    workers=None,
    progress=True,
):
    """Write one CSV manifest per split, with one row per recording, or reuse those of an earlier call.

    The layout is that of SLURP's repository: ``dataset/slurp/<split>.jsonl`` (train, devel, test, train_synthetic) and
    ``audio/slurp_real`` and ``audio/slurp_synth`` with the recordings; the latter two may also lie in `data_folder`.

    The columns: ID (the recording's path below the folder audio, with ``<slurp_id>-`` before its name:
    ``slurp_real/4489-audio-1434542201-headset.flac``),
    duration (seconds), wav (absolute path), spk_id, wrd (the target), sentence, scenario, action, intent, entities (as
    in SLURP's prediction files: a JSON list of ``{"type": ..., "filler": ...}``), slurp_id, and file (the recording as
    the lines name it). The intent is always ``<scenario>_<action>``: a few of SLURP's lines give the action alone. The
    lines name no speaker, but the file ``dataset/slurp/metadata.json`` does (``usrid``): spk_id is what it says, else
    "unknown", and "synthetic" in train_synthetic.

    As in SLURP's evaluation tool fillers are in lower case, the scenario and the action of a line are used and not its
    intent, and a recording that several lines name counts once, with the last of them.

    A line is left out if it is not JSON, lacks a field or has an entity outside its tokens, and a recording if it is
    missing, unreadable, truncated, empty or shorter than a frame; ``<split>.skipped.csv`` names them.

    Parameters
    ----------
    data_folder : str or pathlib.Path
        The folder that holds ``dataset/slurp``.
    manifest_folder : str or pathlib.Path
        Folder of the manifests; created if missing.
    splits : list of str
        Names of ``.jsonl`` files; several joined by ``+`` make one manifest: ``"train+train_synthetic"``.
    max_bad_fraction : float
        Largest tolerated fraction of lines and recordings left out of a split, 0 to 1.
    target : str
        What wrd holds: "sentence", or "semantics", the frame as
        :class:`~summarymixing.corpora.semantic_frame.SemanticFrame` writes it.
    microphones : str
        Which real recordings: "all", "headset", or "far-field" (the others). Synthetic speech has no microphone and is
        always taken.
    workers : int, optional
        Threads that inspect recordings; by default two per core.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict of str to pathlib.Path
        The CSV file of each entry of `splits`.

    Raises
    ------
    InputError
        If a folder or file is missing, a key has an unknown value, a split holds no recordings, or too many are
        unusable.

    Examples
    --------
    >>> import tempfile
    >>> import soundfile, torch
    >>> root = Path(tempfile.mkdtemp())
    >>> for folder in ("dataset/slurp", "audio/slurp_real"):
    ...     (root / folder).mkdir(parents=True)
    >>> soundfile.write(root / "audio/slurp_real/audio-1.flac", torch.rand(16000).numpy(), 16000)
    >>> line = {
    ...     "slurp_id": 7, "sentence": "wake me at five", "scenario": "alarm", "action": "set", "intent": "alarm_set",
    ...     "tokens": [{"surface": word} for word in "wake me at five".split()],
    ...     "entities": [{"span": [3], "type": "time"}], "recordings": [{"file": "audio-1.flac"}],
    ... }
    >>> _ = (root / "dataset/slurp/devel.jsonl").write_text(json.dumps(line))
    >>> manifests = prepare(root, root / "manifests", ["devel"], progress=False)
    >>> "unknown,alarm|set|time:five,wake me at five,alarm,set,alarm_set" in manifests["devel"].read_text()
    True
    """
    if isinstance(splits, str):
        raise InputError(f"splits: expected a list of split names, got the text {splits!r}")
    for key, value, known in (("target", target, TARGETS), ("microphones", microphones, MICROPHONES)):
        if value not in known:
            raise InputError(f"{key}: {value!r} is not one of {', '.join(known)}; correct that key")
    data_folder = Path(data_folder).absolute()
    if not (data_folder / "dataset" / "slurp").is_dir():
        raise InputError(
            f"{data_folder / 'dataset' / 'slurp'}: no such folder; set the key data_folder to the folder that holds "
            "SLURP's dataset/slurp and audio/slurp_real"
        )
    corpus = _Corpus(data_folder, microphones)
    manifests = {}
    for split in splits:
        records = corpus.records(split)
        settings = {"version": _VERSION, "data_folder": str(data_folder), "split": split}
        manifests[split] = prepare_split(
            split,
            manifest_folder,
            FIELDS,
            {**settings, "target": target, "microphones": microphones},
            corpus.files(split, records),
            functools.partial(_find_records, corpus, split, records, target),
            max_bad_fraction,
            workers,
            progress,
        )
    return manifests


def _find_records(corpus, split, records, target):
    """The IDs of a split, and the function that examines one of them."""
    if not any(recording for _, recording, _ in records.values()):
        raise InputError(
            f"{corpus.data_folder}: split {split!r} holds no recordings for microphones={corpus.microphones}; check "
            "its .jsonl file and the key microphones"
        )
    speakers = corpus.speakers
    return list(records), lambda record_id: _examine(*records[record_id], target, speakers)


class _Corpus:
    """SLURP's files: from lines to records, from names of recordings to paths."""

    def __init__(self, data_folder, microphones):
        self.data_folder = data_folder
        self.microphones = microphones

    def records(self, split):
        """Return {ID: (sentence, recording, reason)} of a split.

        Sentence is the fields of its line and recording a path; for a bad line the one is the path of the .jsonl file,
        the other None.
        """
        names = split.split("+")
        if len(set(names)) < len(names):
            raise InputError(f"splits: {split!r} names a split twice; name it once")
        records, latest = {}, {}
        for name in names:
            path = self._lines_file(name)
            folder = self._audio_folder(name)
            # Bytes, because one line in another encoding must not cost the others.
            for number, line in enumerate(path.read_bytes().splitlines(), start=1):
                if not line.strip():
                    continue
                sentence, reason = _read_line(line)
                if reason:
                    records[f"{path.name}:{number}"] = (path, None, reason)
                    continue
                for file in sentence["recordings"]:
                    if name != _SYNTHETIC_SPLIT and not self._wanted(file):
                        continue
                    named = PurePosixPath(folder.name, file)
                    record_id = str(named.with_name(f"{sentence['slurp_id']}-{named.name}"))
                    # As in SLURP's evaluation tool a recording counts once, with the last line that names it.
                    records.pop(latest.get(folder / file), None)
                    latest[folder / file] = record_id
                    records[record_id] = ({**sentence, "split": name, "file": file}, folder / file, None)
        return records

    def files(self, split, records):
        """The files on which a split's manifest depends: its lines, its recordings, and the metadata."""
        lines = [self._lines_file(name) for name in split.split("+")]
        recordings = [recording for _, recording, _ in records.values() if recording]
        return stat_files([*lines, self._metadata_file, *dict.fromkeys(recordings)])

    @property
    def speakers(self):
        """{(slurp_id, name of the recording): speaker} of metadata.json, as far as there is one."""
        if not self._metadata_file.is_file():
            return {}
        try:
            metadata = json.loads(self._metadata_file.read_bytes())
            return {
                (slurp_id, file): entry["usrid"]
                for slurp_id, sentence in metadata.items()
                for file, entry in sentence["recordings"].items()
                if entry.get("usrid")
            }
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError(
                f"{self._metadata_file}: not SLURP's metadata, which name the speakers; replace it by SLURP's, or "
                "remove it to go on without speakers"
            ) from None

    @property
    def _metadata_file(self):
        return self.data_folder / "dataset" / "slurp" / "metadata.json"

    def _lines_file(self, name):
        path = self.data_folder / "dataset" / "slurp" / f"{name}.jsonl"
        if not name or not path.is_file():
            present = ", ".join(sorted(file.stem for file in path.parent.glob("*.jsonl")))
            raise InputError(
                f"{path.parent} has no split {name!r}; splits there: {present or 'none'}; correct the split's name or "
                "the key data_folder"
            )
        return path

    def _audio_folder(self, name):
        folder = "slurp_synth" if name == _SYNTHETIC_SPLIT else "slurp_real"
        for path in (self.data_folder / "audio" / folder, self.data_folder / folder):
            if path.is_dir():
                return path
        raise InputError(
            f"{self.data_folder / 'audio' / folder}: no such folder, so the split {name} has no recordings; unpack "
            f"SLURP's {folder}.tar.gz there, or correct the key data_folder"
        )

    def _wanted(self, file):
        headset = Path(file).stem.endswith("-headset")
        return self.microphones == "all" or headset == (self.microphones == "headset")


def _read_line(line):
    """Return (sentence, reason): the fields of one line that a manifest needs; the reason is None for a good line."""
    try:
        content = json.loads(line)
    except ValueError:  # UnicodeDecodeError is one
        return None, "not JSON"
    if not isinstance(content, dict):
        return None, "not a JSON object"
    # The intent follows from scenario and action, and tokens are of use for entities only.
    missing = [
        key for key in ("slurp_id", "sentence", "scenario", "action", "entities", "recordings") if key not in content
    ]
    if missing:
        return None, f"no field {', '.join(missing)}"
    scenario, action = content["scenario"], content["action"]
    words = content["sentence"]
    if not all(isinstance(text, str) for text in (scenario, action, words)) or not words.strip():
        return None, "empty sentence, or one that is no text"
    scenario, action = _label(scenario), _label(action)
    try:
        entities = [_entity(content, entity) for entity in content["entities"]]
        # Nobody can say one without words.
        frame = SemanticFrame(scenario, action, tuple((kind, filler) for kind, filler in entities if filler))
        semantics = frame.to_text()
        recordings = [recording["file"] for recording in content["recordings"]]
    except (TypeError, KeyError, AttributeError):
        return None, "an entity, a token or a recording without its fields"
    except (ValueError, IndexError) as error:
        return None, str(error)
    entities = [{"type": kind, "filler": filler} for kind, filler in frame.entities]
    return {
        "slurp_id": str(content["slurp_id"]),
        "sentence": " ".join(words.split()),
        "semantics": semantics,
        "scenario": scenario,
        "action": action,
        "intent": frame.intent,
        "entities": json.dumps(entities, ensure_ascii=False),
        "recordings": recordings,
    }, None


def _entity(content, entity):
    """Type and filler of an entity: the words of its tokens, in lower case as SLURP's evaluation tool has them."""
    tokens, span = content.get("tokens", []), entity["span"]
    if not all(isinstance(index, int) and 0 <= index < len(tokens) for index in span):
        raise IndexError(f"the span {span} of an entity is outside the sentence's {len(tokens)} tokens")
    filler = " ".join(tokens[index]["surface"].lower() for index in span)
    return _label(entity["type"]), " ".join(filler.replace("|", " ").split())


def _label(text):
    """A scenario, action or type as a frame's text can hold it."""
    return " ".join(text.replace("|", " ").replace(":", " ").split())


def _examine(sentence, recording, reason, target, speakers):
    """Return (row, file, reason) of one record; the reason is None for a good one."""
    if reason:
        return None, recording or sentence, reason
    try:
        seconds = inspect_audio(recording, MIN_SECONDS)
    except InputError as error:
        return None, recording, str(error).removeprefix(f"{recording}: ")
    unnamed = "synthetic" if sentence["split"] == _SYNTHETIC_SPLIT else "unknown"
    row = {
        "duration": f"{seconds:.6f}",
        "wav": str(recording),
        "spk_id": speakers.get((sentence["slurp_id"], sentence["file"]), unnamed),
        "wrd": sentence[target],
    }
    copied = ("sentence", "scenario", "action", "intent", "entities", "slurp_id", "file")
    return {**row, **{key: sentence[key] for key in copied}}, recording, None

"""What all datasets share: a split is prepared once, and a preparation that was killed goes on where it was."""

import pytest

from summarymixing.corpora.preparation import prepare_split, stat_files
from summarymixing.utils.errors import InputError

IDS = [f"r{number:03d}" for number in range(250)]
FIELDS = ["ID", "wrd"]


class Split:
    """A split whose records are counted as they are examined; from record `stop_at` on it is interrupted."""

    def __init__(self, folder, bad=(), **settings):
        self.folder, self.bad, self.settings = folder, bad, settings
        self.examined, self.stop_at = [], None

    def find_records(self):
        return IDS, self.examine

    def examine(self, record_id):
        if self.stop_at is not None and record_id >= self.stop_at:
            raise KeyboardInterrupt
        self.examined.append(record_id)
        if record_id in self.bad:
            return None, f"{record_id}.wav", "empty recording"
        return {"wrd": record_id.upper()}, f"{record_id}.wav", None

    def prepare(self, stop_at=None, files=(), **options):
        self.examined, self.stop_at = [], stop_at
        arguments = (FIELDS, self.settings, list(files), self.find_records)
        return prepare_split("train", self.folder, *arguments, workers=1, progress=False, **options)


@pytest.fixture
def split(tmp_path):
    return Split(tmp_path, bad=["r007", "r240"], version=1)


EXPECTED = ["ID,wrd"] + [f"{name},{name.upper()}" for name in IDS if name not in ("r007", "r240")]


def test_a_killed_preparation_goes_on_where_it_was(split):
    with pytest.raises(KeyboardInterrupt):
        split.prepare(stop_at="r205")
    assert not (split.folder / "train.csv").exists()
    journal = split.folder / "train.journal"
    journal.write_text(journal.read_text() + '["r206", {"wr')  # what a kill may leave of a line
    manifest = split.prepare()
    assert manifest.read_text().splitlines() == EXPECTED
    assert (split.folder / "train.skipped.csv").read_text().splitlines()[1:] == [
        "r007,r007.wav,empty recording",
        "r240,r240.wav,empty recording",
    ]
    assert split.examined == IDS[205:]
    assert not journal.exists()


def test_with_other_settings_a_killed_preparation_starts_afresh(split):
    with pytest.raises(KeyboardInterrupt):
        split.prepare(stop_at="r205")
    split.settings = {"version": 2}
    assert split.prepare().read_text().splitlines() == EXPECTED
    assert split.examined == IDS


def test_too_many_bad_records_are_judged_again_without_being_examined_again(split):
    with pytest.raises(InputError, match="2 of 250 recordings are unusable.*r007: empty recording.*max_bad_fraction"):
        split.prepare(max_bad_fraction=0.001)
    assert split.prepare(max_bad_fraction=0.01).read_text().splitlines() == EXPECTED
    assert split.examined == []


def test_a_finished_split_is_reused_until_a_file_of_it_changes(split, tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("one")
    split.prepare(files=stat_files([file]))
    split.prepare(files=stat_files([file]))
    assert split.examined == []
    file.write_text("another")
    split.prepare(files=stat_files([file]))
    assert split.examined == IDS


def test_stat_files_names_missing_files_too(tmp_path):
    (tmp_path / "b").write_text("12345")
    found = stat_files([tmp_path / "b", tmp_path / "a"])
    assert [(path, size) for path, size, _ in found] == [(str(tmp_path / "a"), -1), (str(tmp_path / "b"), 5)]

"""summarymixing.utils.files: whole or not at all."""

import pytest

from summarymixing.utils.errors import InputError
from summarymixing.utils.files import atomic_open


@pytest.mark.parametrize(("mode", "content"), [("w", "one\r\ntwo"), ("wb", b"\x00\xff")])
def test_content_arrives_unchanged_and_replaces(tmp_path, mode, content):
    for _ in range(2):
        with atomic_open(tmp_path / "new" / "a", mode) as file:
            file.write(content)
    expected = content if isinstance(content, bytes) else content.encode()
    assert (tmp_path / "new" / "a").read_bytes() == expected
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]


def test_an_error_leaves_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic_open(tmp_path / "a") as file:
        file.write("half")
        raise RuntimeError
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_parent_that_is_a_file_is_named(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(InputError, match="a: cannot create this folder"), atomic_open(tmp_path / "a" / "b"):
        pass

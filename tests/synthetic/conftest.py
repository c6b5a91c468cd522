"""What the tests of all layouts share."""

import hashlib

import pytest


@pytest.fixture(scope="session")
def hashes():
    """A function that gives the SHA-256 of every file under a folder."""

    def of(root):
        return {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*")
            if path.is_file()
        }

    return of

"""Copies of originals on a node: bounded, those used last stay, and none is lost."""

import hashlib
import os
import time
from pathlib import Path

import pytest
from obstore.store import LocalStore

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.formats import Loader
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.original import DIGEST_BYTES, Original
from coverproxy.objects.shared import SharedObjects
from coverproxy.originals.files import OriginalFiles, object_key
from coverproxy.originals.local_copies import LocalCopies, Trimmed

DAY = 86_400
ISBNS = ["9780545010221", "9780306406157", "9783161484100", "9781861972712"]


@pytest.fixture
def objects(tmp_path: Path) -> SharedObjects:
    """A store in a folder."""
    (tmp_path / "store").mkdir()
    return SharedObjects(lambda: LocalStore(tmp_path / "store"), "store", 2.0)


def original(number: int) -> tuple[Original, bytes]:
    """An original of 1,000 bytes."""
    body = bytes([number]) * 1000
    digest = hashlib.sha256(body).digest()[:DIGEST_BYTES]
    return Original(Identifier(ISBN, ISBNS[number]), digest, Loader.JPEG, 9, 9, 1000, 1_217_808_000), body


def filled(tmp_path: Path, objects: SharedObjects | None) -> OriginalFiles:
    """Copies of four originals, used one, two, three and four days from now."""
    files = OriginalFiles(tmp_path / "originals", objects)
    files.open()
    for number in range(4):
        each, body = original(number)
        files.place(each, body, Path("unused"), "copy")
        os.utime(files.path(each), (time.time() + (number + 1) * DAY, each.date))
    return files


def test_those_used_last_stay(tmp_path: Path, objects: SharedObjects) -> None:
    """As many as needed go, the longest unused first; each is read again from the object store."""
    files = filled(tmp_path, objects)
    copies = LocalCopies(tmp_path / "originals", objects, 2500)
    assert copies.trim() == Trimmed(4, 4000, files=2, bytes=2000)
    assert [files.path(original(number)[0]).exists() for number in range(4)] == [False, False, True, True]
    assert copies.trim() == Trimmed(2, 2000)
    for number in range(4):
        each, body = original(number)
        assert files.has(each)
        assert files.read(each, 5000) == body


def test_what_only_the_node_has_is_written_first(tmp_path: Path, objects: SharedObjects) -> None:
    """Originals that came before the object store are in it before their copy goes."""
    filled(tmp_path, None)
    assert LocalCopies(tmp_path / "originals", objects, 1).trim().files == 4
    late = OriginalFiles(tmp_path / "originals", objects)
    for number in range(4):
        each, body = original(number)
        assert objects.get(object_key(each), 5000) == body
        assert late.read(each, 5000) == body


def test_nothing_goes_while_the_store_is_away(tmp_path: Path) -> None:
    """A store that cannot say that it has an original costs no copy."""
    (tmp_path / "store").mkdir()
    files = filled(tmp_path, None)
    away = SharedObjects(lambda: LocalStore(tmp_path / "not mounted"), "store", 2.0)
    with pytest.raises(StoreUnavailable):
        LocalCopies(tmp_path / "originals", away, 1).trim()
    assert all(files.path(original(number)[0]).exists() for number in range(4))

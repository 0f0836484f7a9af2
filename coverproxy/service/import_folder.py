"""A folder tree of pictures, gone through once whatever links lead where."""

import os
from collections.abc import Iterator
from pathlib import Path

from coverproxy.originals.examine import Candidate, Refusal
from coverproxy.service.import_steps import Sender


def tree(path: Path, sender: Sender) -> Iterator[Candidate | Refusal]:
    """Yield the files of a folder tree, and of linked folders, as pictures named by ISBN."""
    for each in files(path, sender.data):
        if isinstance(each, Refusal):
            yield each
        else:
            yield named_by_isbn(each, sender)


def named_by_isbn(path: Path, sender: Sender) -> Candidate:
    """Return a picture of which nothing but its name says whose it is."""
    stem = path.name.rpartition(".")[0] or path.name
    return Candidate(stem, path, sender.source, is_file_name=True, terms=sender.terms)


def files(path: Path, ours: Path | None) -> Iterator[Path | Refusal]:
    """Yield the files of a tree in order; what begins with a dot, and *ours*, is passed over.

    A folder is known by its device and inode, so a link that leads back, or a second one to the same place,
    adds nothing.
    """
    unread: list[Refusal] = []
    seen = {_place(ours)} if ours and not _is_within(path, ours) else set()
    for folder, folders, names in os.walk(
        path, onerror=lambda exc: unread.append(_unread(exc)), followlinks=True
    ):
        yield from unread
        unread.clear()
        place = _place(Path(folder))
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
    yield from unread


def _place(folder: Path) -> tuple[int, int] | None:
    """Return what names a folder whatever leads there; None where it is not there."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _unread(exc: OSError) -> Refusal:
    return Refusal(str(exc.filename), "", "unreadable", exc.strerror or str(exc))

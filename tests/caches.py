"""Caches as tests make them: revisions by size alone, and a cache of the former layout."""

import os
from collections.abc import Mapping
from pathlib import Path

from coverproxy.cache.layout import Layout
from coverproxy.domain import isbn
from coverproxy.domain.formats import Format


def layout(root: Path, revisions: Mapping[str, str]) -> Layout:
    """A layout in which all formats of a size have one revision."""
    return Layout(root, {(size, form): name for size, name in revisions.items() for form in Format})


def former_file(root: Path, size: str, revision: str, isbn13: str, ending: str) -> Path:
    """The place of a derivative in layout v1, as every version up to c60cc92 made it."""
    return root / "v1" / "img" / revision / size / isbn13[8:10] / isbn13[10:12] / f"{isbn13}.{ending}"


def lay_former(path: Path, body: bytes, mtime: int) -> None:
    """Write a derivative of layout v1, with its hard link under the ISBN-10."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    os.utime(path, (mtime, mtime))
    if ten := isbn.to_isbn10(path.stem):
        os.link(path, path.with_name(ten + path.suffix))

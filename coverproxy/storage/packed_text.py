"""Opens a file that may be compressed with gzip, recognised by content and bounded as it is unpacked."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

GZIP = b"\x1f\x8b"

MOST_BYTES = 2**32
"""Bytes that a compressed file may unpack to: a list of fifty million rows."""


class Damaged(OSError):
    """A compressed file that cannot be unpacked, or unpacks to more than is read."""


class Unpacked(io.RawIOBase):
    """What a compressed file holds, up to *most* bytes. Raises Damaged past them, and where it is cut off."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        super().__init__()
        self._file = file
        self._left = most

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: object) -> int:
        """See io.RawIOBase."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        try:
            chunk = self._file.read(len(view))
        except EOFError as exc:
            raise Damaged("it is compressed with gzip, and damaged: its end is missing") from exc
        except (zlib.error, gzip.BadGzipFile) as exc:
            why = "what it holds is not what was packed"
            raise Damaged(f"it is compressed with gzip, and damaged: {why}") from exc
        self._left -= len(chunk)
        if self._left < 0:
            raise Damaged("it is compressed with gzip, and unpacks to more than is read: unpack and split it")
        view[: len(chunk)] = chunk
        return len(chunk)


@contextmanager
def opened(path: Path, most: int = MOST_BYTES) -> Iterator[BinaryIO]:
    """Open *path* to read its bytes, unpacked if it is compressed. Blocks; raises OSError."""
    with path.open("rb") as file, unpacked(file, most) as read:
        yield read


@contextmanager
def unpacked(file: BinaryIO, most: int = MOST_BYTES) -> Iterator[BinaryIO]:
    """Give a file's bytes, unpacked if it is compressed. What it gives raises Damaged."""
    is_packed = file.read(len(GZIP)) == GZIP
    file.seek(0)
    if not is_packed:
        yield file
        return
    with gzip.open(file) as packed, io.BufferedReader(Unpacked(cast(BinaryIO, packed), most)) as read:
        yield cast(BinaryIO, read)

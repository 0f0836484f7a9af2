"""A folder of covers and a data folder, as tests of importing and of putting right use them."""

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import images
from decoders import processes
from stdnum import ean

from coverproxy.config import Config, load
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier, Spec
from coverproxy.originals.examine import Refusal
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.import_file import offered
from coverproxy.service.import_results import ImportReport
from coverproxy.service.import_steps import Sender
from coverproxy.service.importer import Importer
from coverproxy.stats.metrics import Metrics
from coverproxy.wiring.data_folder import DataFolder, open_shelf


def isbn_of(number: int) -> str:
    """The ISBN-13 whose nine digits after 978 are *number*."""
    bare = f"978{number:09d}"
    return bare + ean.calc_check_digit(bare)


def strangers(count: int) -> list[str]:
    """ISBNs of as many publishers."""
    return [isbn_of(10_000_000 * (1 + number) + number) for number in range(count)]


BOOK, *OTHERS = (isbn_of(14_143_951 + number) for number in range(20))


@contextmanager
def open_taker(
    config: Config, shelf: DataFolder, on_refusal: Callable[[Refusal], None]
) -> Iterator[Importer]:
    """Open what takes files in, as open_importer() does, with the render process that all tests share."""
    guard = DecodeGuard(Path(config.data.dir), processes(), shelf.catalogue, Metrics())
    guard.open()
    try:
        limits, rules = config.limits, config.imports
        yield Importer(shelf.catalogue, shelf.files, guard, shelf.invalidator, limits, rules, on_refusal)
    finally:
        guard.close()


class Library:
    """A folder of covers, a data folder, and imports from one into the other in this process."""

    def __init__(self, root: Path) -> None:
        self.covers = root / "covers"
        self.covers.mkdir()
        self.data = root / "data"
        self.refusals: list[Refusal] = []

    def config(self, **rules: Any) -> Config:
        return load(None, {}, {"data": {"dir": str(self.data)}, "import": rules})

    def put(self, name: str, body: bytes, date: int = 1_217_808_000) -> Path:
        path = self.covers / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (date, date))
        return path

    @contextmanager
    def shelf(self) -> Iterator[DataFolder]:
        with open_shelf(self.config()) as shelf:
            yield shelf

    def take_in(
        self, path: Path | None = None, source: str = "",
        on_refusal: Callable[[Refusal], None] = lambda refusal: None, **rules: Any,
    ) -> ImportReport:  # fmt: skip
        config = self.config(**rules)

        def note(refusal: Refusal) -> None:
            self.refusals.append(refusal)
            on_refusal(refusal)

        begins = path == self.data / "originals"  # as the command does
        with open_shelf(config, begins=begins) as shelf, open_taker(config, shelf, note) as importer:
            return importer.run(offered(path or self.covers, Sender(source)), lambda report: None)

    def originals(self, isbn: str = BOOK) -> list[Original]:
        with self.shelf() as shelf:
            return shelf.catalogue.find(Identifier(ISBN, isbn))

    def all_originals(self) -> list[Original]:
        """All that is in the catalogue, read beside the code."""
        connection = sqlite3.connect(self.data / "catalogue.db")
        values = [f"{row[0]:013d}" for row in connection.execute("SELECT DISTINCT value FROM original")]
        connection.close()
        with self.shelf() as shelf:
            return [one for value in values for one in shelf.catalogue.find(Identifier(ISBN, value))]

    def entered(self) -> int:
        """How many rows are committed, read beside the code; 0 before there is a catalogue."""
        with suppress(sqlite3.OperationalError):
            uri = f"file:{self.data / 'catalogue.db'}?mode=ro"
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                return int(connection.execute("SELECT count(*) FROM original").fetchone()[0])
        return 0

    def stored(self) -> set[Path]:
        """The files in the originals' folder."""
        return {path for path in (self.data / "originals").rglob("*") if path.is_file()}

    def is_consistent(self) -> bool:
        """Whether each row's file is there and has its bytes, and no other file lies about."""
        rows = self.all_originals()
        with self.shelf() as shelf:
            paths = [shelf.files.path(one) for one in rows]
        bodies = [path.read_bytes() for path in paths]
        digests = [hashlib.sha256(body).digest()[:16] for body in bodies]
        kept = {path for path, one in zip(paths, rows, strict=True) if one.path is None}
        return digests == [one.digest for one in rows] and self.stored() == kept

    def is_sound(self) -> bool:
        """Whether each row's bytes are there; files without a row may lie about after a kill."""
        rows = self.all_originals()
        with self.shelf() as shelf:
            return all(
                hashlib.sha256(shelf.files.read(one, 10**8)).digest()[:16] == one.digest for one in rows
            )

    def make_derivative(self, isbn: str = BOOK, form: Format = Format.JPEG) -> Callable[[], bool]:
        """Put a derivative of a book into the cache; the answer says whether it is there."""
        body = images.jpeg(images.cover(100, 150))
        spec = Spec(Identifier(ISBN, isbn), "small", form)
        with self.shelf() as shelf:
            shelf.cache.put(spec, Derivative(body, form, 1_217_808_000, (100, 150), (100, 150)))

        def is_there() -> bool:
            with self.shelf() as shelf:
                return any(shelf.cache.held(spec.identifier))

        assert is_there()
        return is_there

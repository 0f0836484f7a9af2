"""How many records of ONIX, and editions of Open Library's dump, are read a second?

    python -m bench feeds [--records 10000] [--editions 100000]

One ONIX 3.0 message without pictures (each record a front cover whose file is not there) is taken in by the
importer itself, and one packed dump of editions is joined: an ISBN, an OCLC number, a cover and a work each.
Both run twice over a new data folder; the better time counts. Memory is the process's largest in all.
"""

import gzip
import resource
import time
from pathlib import Path
from typing import Any

import click
import orjson

from bench import command, report, scratch
from bench.books import isbn
from bench.goals import at_least
from coverproxy.config import load
from coverproxy.originals.wanted_covers import SqliteWantedCovers
from coverproxy.service.import_file import offered
from coverproxy.service.import_steps import Sender
from coverproxy.service.openlibrary_join import DumpReader
from coverproxy.wiring.commands import open_importer
from coverproxy.wiring.data_folder import open_shelf

_ROUNDS = 2


@command.command(__name__, __doc__)
@click.option("--records", type=click.IntRange(100, 1_000_000), default=10_000, show_default=True)
@click.option("--editions", type=click.IntRange(100, 10_000_000), default=100_000, show_default=True)
@command.out
def main(records: int, editions: int, out: Path) -> None:
    """Measure and write the result."""
    with scratch.folder() as name:
        folder = Path(name)
        message, dump = _message(folder, records), _dump(folder, editions)
        onix = max(records / _onix(folder / f"onix{at}", message) for at in range(_ROUNDS))
        joined = max(editions / _join(folder / f"dump{at}", dump) for at in range(_ROUNDS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures: dict[str, Any] = {
        "ONIX records a second": round(onix), "editions a second": round(joined), "peak MiB": round(peak),
    }  # fmt: skip
    report.show(figures)
    held = [
        at_least("ONIX records a second, without pictures", onix, 1_000, ""),
        at_least("editions of a dump a second", joined, 5_000, ""),
    ]
    print(report.write("feeds", {"records": records, "editions": editions}, figures, out, held=held))


def _message(folder: Path, records: int) -> Path:
    """Write a message whose records have some 2 kB, as real ones do."""
    path = folder / "onix.xml"
    text = "<TextContent><TextType>03</TextType><Text>" + "invented words " * 100 + "</Text></TextContent>"
    with path.open("w", encoding="utf-8") as file:
        file.write('<ONIXMessage release="3.0" xmlns="http://ns.editeur.org/onix/3.0/reference">\n')
        for number in range(records):
            file.write(
                f"<Product><RecordReference>org.example.{number}</RecordReference><NotificationType>03"
                "</NotificationType><ProductIdentifier><ProductIDType>15</ProductIDType>"
                f"<IDValue>{isbn(number)}</IDValue></ProductIdentifier><CollateralDetail>{text}"
                "<SupportingResource><ResourceContentType>01</ResourceContentType><ContentAudience>00"
                "</ContentAudience><ResourceMode>03</ResourceMode><ResourceVersion><ResourceForm>02"
                f"</ResourceForm><ResourceLink>{number}.jpg</ResourceLink></ResourceVersion>"
                "</SupportingResource></CollateralDetail></Product>\n"
            )
        file.write("</ONIXMessage>\n")
    return path


def _onix(data: Path, message: Path) -> float:
    """Return how many seconds the importer takes for a message."""
    config = load(None, {}, {"data": {"dir": str(data)}})
    with open_shelf(config) as shelf, open_importer(config, shelf, lambda refusal: None) as importer:
        started = time.perf_counter()
        importer.run(offered(message, Sender("bench")), lambda report: None)
        return time.perf_counter() - started


def _dump(folder: Path, editions: int) -> Path:
    path = folder / "ol_dump_editions.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(editions):
            body = {
                "key": f"/books/OL{number + 1}M", "isbn_13": [isbn(number)],
                "oclc_numbers": [str(number + 1)],
                "covers": [12_000_000 + number], "works": [{"key": f"/works/OL{number // 3 + 1}W"}],
                "title": "An invented title", "publishers": ["Invented House"], "notes": "words " * 60,
            }  # fmt: skip
            head = f"/type/edition\t{body['key']}\t3\t2026-10-01T00:00:00\t".encode()
            file.write(head + orjson.dumps(body) + b"\n")
    return path


def _join(data: Path, dump: Path) -> float:
    """Return how many seconds the dump takes."""
    config = load(None, {}, {"data": {"dir": str(data)}})
    with open_shelf(config) as shelf, SqliteWantedCovers(data / "wanted.db").opened() as wanted:
        started = time.perf_counter()
        DumpReader(shelf.catalogue, wanted, lambda refusal: None).read(dump, lambda report: None)
        return time.perf_counter() - started

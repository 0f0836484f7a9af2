"""The books that benchmarks ask for: originals, ISBNs, a filled catalogue, a filled cache, a key."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from coverproxy.config import Config, load
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier, Spec

FIRST = 978_100_000_000
DATE = 1_217_808_000
"""The mtime of the first book's original, and so of its covers: any, as long as it is the same each time."""


def originals(covers: Path | None, drawn: Path) -> list[Path]:
    """Return the JPEG originals of *covers* that are tall enough to be one, or draw the project's own."""
    if covers is None:
        subprocess.run([sys.executable, "-m", "coverproxy.demo.draw", str(drawn)], check=True)
    files = sorted(path for path in (covers or drawn).iterdir() if path.is_file())
    return [path for path in files if sniff(_start(path)) is Loader.JPEG and _is_tall(path)]


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(32)


def _is_tall(path: Path) -> bool:
    from coverproxy.imaging import vips

    return bool(vips.library().Image.new_from_file(str(path)).height >= 400)


def isbn(number: int) -> str:
    """Return the ISBN-13 of the benchmark's book of that number."""
    digits = str(FIRST + number)
    check = -sum(int(digit) * (1, 3)[at % 2] for at, digit in enumerate(digits)) % 10
    return f"{digits}{check}"


def config_of(folder: Path) -> Config:
    """Return the defaults over that data folder."""
    return load(None, {}, {"data": {"dir": str(folder)}})


def fill(folder: Path, found: Sequence[Path], books: int) -> None:
    """Enter *books* books into a data folder, each with one of the originals *found* where it lies.

    Past the import, which would rightly take so many ISBNs with one picture for "no image" art.
    """
    from coverproxy.wiring.data_folder import open_shelf

    kinds = [(str(path.resolve()), sniff(_start(path)) or Loader.JPEG) for path in found]
    with open_shelf(config_of(folder)) as shelf, shelf.catalogue.writing() as tables:
        for number in range(books):
            path, loader = kinds[number % len(kinds)]
            identifier = Identifier(ISBN, isbn(number))
            digest = number.to_bytes(16)
            tables.add(Original(identifier, digest, loader, 1, 1, 1, DATE + number, path=path))


def store(folder: Path, found: Sequence[Path], numbers: Iterable[int], size: str = "medium") -> list[Path]:
    """Put JPEG covers of these books into the cache, each original rendered once; return their files.

    Through the product's own render() and cache, but without a request each: how they come there is not what
    hits are about, and the files are the same.
    """
    from coverproxy.wiring.data_folder import open_shelf

    config = config_of(folder)
    made = [_rendered(path, config, size) for path in found]
    files = []
    with open_shelf(config) as shelf:
        for number in numbers:
            body, pixels, original = made[number % len(made)]
            spec = Spec(Identifier(ISBN, isbn(number)), size, Format.JPEG)
            shelf.cache.put(spec, Derivative(body, Format.JPEG, DATE + number, pixels, original))
            files.append(shelf.layout.paths(spec)[0])
    return files


def _rendered(path: Path, config: Config, size: str) -> tuple[bytes, tuple[int, int], tuple[int, int]]:
    from coverproxy.imaging.render import render

    done = render(path.read_bytes(), config.sizes[size], Format.JPEG, config.limits)
    return done.body, done.size, done.original


def new_key(folder: Path) -> str:
    """Make a key without a limit that matters."""
    making = [sys.executable, "-m", "coverproxy", "key", "create", "--label", "bench", "--json"]
    limit = ["--daily-limit", "1000000000", "--data", str(folder)]
    made = subprocess.run([*making, *limit], check=True, capture_output=True)
    return str(orjson.loads(made.stdout)["key"])


def described(covers: Path | None, found: Sequence[Path]) -> dict[str, Any]:
    """Say in a result's settings which originals it was."""
    return {"covers": "real" if covers else "drawn", "originals": len(found)}

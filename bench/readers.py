"""Readers as they come: which book, how popular, how spelled, asked how, and when."""

import bisect
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import books
from bench.client import Ask
from coverproxy.domain import isbn

SHIFT, SLOPE = 62.0, 1.30
"""The n-th most popular book is asked for as 1 / (n + 62)**1.30: Zipf's law as Mandelbrot bent it at its top.

Fitted to the counts of ratings of some 10,300 books: the share of all requests that go to the n most popular
ones is nowhere more than 5 points off. Among 10,000 books the first hundred get a third.
"""

UNCOVERED, MESSY, HEAD, CONDITIONAL = 0.30, 0.05, 0.05, 0.10
SIZES, SIZE_WEIGHTS = ("small", "medium", "large"), (25, 70, 5)


def zipf(count: int) -> list[float]:
    """Return the summed weights of the *count* most popular books, by the curve above."""
    return list(itertools.accumulate((rank + SHIFT) ** -SLOPE for rank in range(1, count + 1)))


def counted(path: Path, count: int) -> list[float]:
    """Return the summed weights of at most *count* books, by a TSV of ISBN and count with a header line."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    counts = sorted((int(line.split("\t")[1]) for line in lines if line), reverse=True)
    return list(itertools.accumulate(count for count in counts[:count] if count))


def _hyphenated(name: str) -> str:
    return f"{name[:3]}-{name[3]}-{name[4:8]}-{name[8:12]}-{name[12]}"


MESSES: tuple[Callable[[str], str], ...] = (
    _hyphenated,
    lambda name: isbn.to_isbn10(name) or name,
    lambda name: f"ISBN%20{_hyphenated(name)}",
    lambda name: f"urn:isbn:{name}",
    lambda name: f"{name}%20(pbk.)",
    lambda name: f"{name}%20:",
    lambda name: f"{name[:3]}%20{name[3:]}",
    lambda name: f"{name}.jpg",
    lambda name: f"{name}%20%7C%20{isbn.to_isbn10(name) or name}",
)
"""Spellings that catalogues send; each names the same book."""


class Readers:
    """Draws requests for books 0 to len(*weights*), the most popular one first; the others have no cover.

    Which book is how popular does not follow the order of their ISBNs: neighbours would share a folder.
    """

    def __init__(self, prefix: str, weights: Sequence[float], chance: random.Random) -> None:
        self._prefix = prefix
        self._weights = weights
        self._chance = chance
        self.ranked = list(range(len(weights)))
        chance.shuffle(self.ranked)

    def ask(self, at: float) -> Ask:
        """Draw one request for the moment *at*."""
        chance = self._chance
        number = self.ranked[bisect.bisect(self._weights, chance.random() * self._weights[-1])]
        kind = "uncovered" if chance.random() < UNCOVERED else "covered"
        name = books.isbn(number + len(self._weights) if kind == "uncovered" else number)
        if chance.random() < MESSY:
            kind, name = f"{kind} messy", chance.choice(MESSES)(name)
        size = chance.choices(SIZES, SIZE_WEIGHTS)[0]
        method = "HEAD" if chance.random() < HEAD else "GET"
        is_conditional = method == "GET" and chance.random() < CONDITIONAL
        return Ask(at, f"{self._prefix}/{size}/isbn/{name}", kind, method, is_conditional)

    def come(self, rate: float, seconds: float) -> Iterator[Ask]:
        """Draw the requests of some seconds, *rate* a second on average, at random moments (Poisson)."""
        yield from map(self.ask, moments(rate, seconds, self._chance))


def moments(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    """Yield the moments of arrivals that know nothing of each other, in seconds from the start."""
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


def evenly(rate: float, seconds: float) -> Iterator[float]:
    """Yield even moments, in seconds from the start."""
    yield from (number / rate for number in range(int(rate * seconds)))


def settings(weights: Sequence[float], source: Path | None) -> dict[str, object]:
    """Say in a result's settings who asked."""
    curve = "a file of counts" if source else f"1 / (rank + {SHIFT:g}) ** {SLOPE:g}"
    return {
        "books_with_a_cover": len(weights), "popularity": curve, "without_cover": UNCOVERED, "messy": MESSY,
        "head": HEAD, "conditional": CONDITIONAL, "sizes": dict(zip(SIZES, SIZE_WEIGHTS, strict=True)),
    }  # fmt: skip

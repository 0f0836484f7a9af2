"""What is noted for people to read, beside the keys: ISBNs without a cover, refusals, and samples of use."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from coverproxy.domain.errors import Unavailable
from coverproxy.storage import sqlite_migrations

MOST_LACKING = 500
"""ISBNs kept per account: those asked for most."""

MOST_REFUSALS = 50
"""Refusals kept per account: the latest."""

LACKING_SECONDS = 90 * 86_400
"""An ISBN that nobody asked for in so long is forgotten."""

_SLACK = 1.2
"""An account may exceed its bound by so much, that it is not cut at every write."""

_LACK = """
INSERT INTO lacking (account, isbn, n, last) VALUES (?, ?, ?, ?)
ON CONFLICT (account, isbn) DO UPDATE SET n = n + excluded.n, last = excluded.last
"""

_CUT_LACKING = """
DELETE FROM lacking WHERE account = :account
AND (SELECT count(*) FROM lacking WHERE account = :account) > :slack
AND isbn NOT IN (SELECT isbn FROM lacking WHERE account = :account ORDER BY n DESC, last DESC LIMIT :most)
"""

_CUT_REFUSALS = """
DELETE FROM refusal WHERE account = :account
AND id <= (SELECT id FROM refusal WHERE account = :account ORDER BY id DESC LIMIT 1 OFFSET :most)
"""


@dataclass(frozen=True, slots=True)
class Lacking:
    """An ISBN that had no cover: how often it was asked for, and when last (seconds since 1970)."""

    isbn: str
    asked: int
    last: int


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A refusal: to which account, when (seconds since 1970), why, and of what."""

    account: str
    at: int
    label: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What was answered in a stretch of time.

    `at`: its first second, since 1970. `answers`: how many of each X-Cover-Status. `seconds`: how many took
    up to each bound of the histogram of answer times, the bounds as text, each counted once.
    """

    at: int
    answers: Mapping[str, int]
    seconds: Mapping[str, int]


class ActivityStore:
    """The notes in the state's file, which SqliteState opens first. Blocks; safe for threads and processes.

    Every method raises Unavailable where the file cannot be read or written. A connection a call: they are
    few (one a second, and one a page), and so need no thread of their own.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite_migrations.connect(self._path)) as connection:
                yield connection
        except sqlite3.Error as exc:
            raise Unavailable(f"notes: {exc}") from exc

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection

    def add(self, lacking: Mapping[tuple[str, str], int], refused: Sequence[RefusalRow], now: int) -> None:
        """Add up what came together since the last time: counts by (account, ISBN), and refusals in order."""
        with self._writing() as write:
            write.executemany(_LACK, ((*pair, count, now) for pair, count in lacking.items()))
            write.executemany(
                "INSERT INTO refusal (account, at, label, detail) VALUES (?, ?, ?, ?)",
                ((each.account, each.at, each.label, each.detail) for each in refused),
            )
            bounds = {"most": MOST_LACKING, "slack": int(MOST_LACKING * _SLACK)}
            accounts = {account for account, _ in lacking}
            write.executemany(_CUT_LACKING, ({"account": account, **bounds} for account in accounts))
            troubled = {each.account for each in refused}
            write.executemany(
                _CUT_REFUSALS, ({"account": account, "most": MOST_REFUSALS} for account in troubled)
            )

    def lacking(self, account: str, most: int = MOST_LACKING) -> list[Lacking]:
        """Return the ISBNs that had no cover, the most asked for first."""
        with self._connected() as read:
            rows = read.execute(
                "SELECT isbn, n, last FROM lacking WHERE account = ? ORDER BY n DESC, last DESC LIMIT ?",
                (account, min(most, MOST_LACKING)),
            )
            return [Lacking(*row) for row in rows]

    def refused(self, account: str) -> list[RefusalRow]:
        """Return the latest refusals, the latest first."""
        with self._connected() as read:
            rows = read.execute(
                "SELECT account, at, label, detail FROM refusal WHERE account = ? ORDER BY id DESC LIMIT ?",
                (account, MOST_REFUSALS),
            )
            return [RefusalRow(*row) for row in rows]

    def sample(self, steps: Iterable[tuple[int, int]], sample: Sample) -> None:
        """Add a sample to the sums of its *steps*: (seconds that one stands for, seconds that it is kept)."""
        with self._writing() as write:
            for step, kept in steps:
                at = sample.at - sample.at % step
                row = write.execute(
                    "SELECT answers, seconds FROM sample WHERE step = ? AND at = ?", (step, at)
                ).fetchone()
                before = [json.loads(text) for text in row] if row else [{}, {}]
                sums = [
                    json.dumps({name: old.get(name, 0) + new.get(name, 0) for name in {**old, **new}})
                    for old, new in zip(before, (sample.answers, sample.seconds), strict=True)
                ]
                write.execute("INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?)", (step, at, *sums))
                write.execute("DELETE FROM sample WHERE step = ? AND at < ?", (step, sample.at - kept))

    def samples(self, step: int, since: int) -> list[Sample]:
        """Return the samples of a *step* from the time *since* on, the oldest first."""
        with self._connected() as read:
            rows = read.execute(
                "SELECT at, answers, seconds FROM sample WHERE step = ? AND at >= ? ORDER BY at",
                (step, since),
            )
            return [Sample(at, json.loads(answers), json.loads(seconds)) for at, answers, seconds in rows]

    def sweep(self, now: int) -> None:
        """Forget ISBNs of long ago, and paces that hold nobody back any more."""
        with self._writing() as write:
            write.execute("DELETE FROM lacking WHERE last < ?", (now - LACKING_SECONDS,))
            write.execute("DELETE FROM pace WHERE due < ?", (now,))

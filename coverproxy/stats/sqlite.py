"""Activity and history, in the SQLite file that holds the keys."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from coverproxy.stats.base import (
    LACKING_SECONDS,
    MOST_LACKING,
    MOST_REFUSALS,
    REFUSAL_COUNT_DAYS,
    Lacking,
    RefusalRow,
    Sample,
)
from coverproxy.stats.downloads import DOWNLOAD_DAYS
from coverproxy.stats.sqlite_downloads import SqliteDownloads

_SLACK = 1.2
"""An account may exceed its limit by this factor, so that it is not trimmed at every write."""

_LACK = """
INSERT INTO lacking (account, isbn, n, last, title) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account, isbn) DO UPDATE SET n = n + excluded.n, last = excluded.last,
title = CASE excluded.title WHEN '' THEN title ELSE excluded.title END
"""

_COUNT_REFUSALS = """
INSERT INTO refusal_count (account, day, label, n) VALUES (?, ?, ?, ?)
ON CONFLICT (account, day, label) DO UPDATE SET n = n + excluded.n
"""

_DAY = 86_400

_CUT_LACKING = """
DELETE FROM lacking WHERE account = :account
AND (SELECT count(*) FROM lacking WHERE account = :account) > :slack
AND isbn NOT IN (SELECT isbn FROM lacking WHERE account = :account ORDER BY n DESC, last DESC LIMIT :most)
"""

_MOST_LACKING = """
SELECT isbn, sum(n) AS asked, max(last) AS latest, max(title) FROM lacking GROUP BY isbn
ORDER BY asked DESC, latest DESC, isbn LIMIT ?
"""

_CUT_REFUSALS = """
DELETE FROM refusal WHERE account = :account
AND id <= (SELECT id FROM refusal WHERE account = :account ORDER BY id DESC LIMIT 1 OFFSET :most)
"""


class SqliteActivity(SqliteDownloads):
    """An ActivityStore, a HistoryStore and a DownloadStore, in a file that SqliteState opens first.

    Opens a connection per call: calls are few (one a second, and one per page).
    """

    def add(
        self,
        lacking: Mapping[tuple[str, str], int],
        refused: Sequence[RefusalRow],
        now: int,
        counts: Mapping[tuple[str, str], int] | None = None,
        titles: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        """See ActivityStore."""
        if counts is None:
            counts = Counter((each.account, each.label) for each in refused)
        with self._writing() as write:
            named = titles or {}
            rows = ((*pair, count, now, named.get(pair, "")) for pair, count in lacking.items())
            write.executemany(_LACK, rows)
            write.executemany(
                "INSERT INTO refusal (account, at, label, detail) VALUES (?, ?, ?, ?)",
                ((each.account, each.at, each.label, each.detail) for each in refused),
            )
            write.executemany(
                _COUNT_REFUSALS,
                ((account, now // _DAY, label, count) for (account, label), count in counts.items()),
            )
            bounds = {"most": MOST_LACKING, "slack": int(MOST_LACKING * _SLACK)}
            accounts = {account for account, _ in lacking}
            write.executemany(_CUT_LACKING, ({"account": account, **bounds} for account in accounts))
            troubled = {each.account for each in refused}
            write.executemany(
                _CUT_REFUSALS, ({"account": account, "most": MOST_REFUSALS} for account in troubled)
            )

    def lacking(self, account: str, most: int = MOST_LACKING) -> list[Lacking]:
        """See ActivityStore."""
        with self._connected() as read:
            rows = read.execute(
                "SELECT isbn, n, last, title FROM lacking WHERE account = ?"
                " ORDER BY n DESC, last DESC LIMIT ?",
                (account, min(most, MOST_LACKING)),
            )
            return [Lacking(*row) for row in rows]

    def most_lacking(self, most: int = MOST_LACKING) -> list[Lacking]:
        """See ActivityStore."""
        with self._connected() as read:
            return [Lacking(*row) for row in read.execute(_MOST_LACKING, (min(most, MOST_LACKING),))]

    def refused(self, account: str) -> list[RefusalRow]:
        """See ActivityStore."""
        with self._connected() as read:
            rows = read.execute(
                "SELECT account, at, label, detail FROM refusal WHERE account = ? ORDER BY id DESC LIMIT ?",
                (account, MOST_REFUSALS),
            )
            return [RefusalRow(*row) for row in rows]

    def refusal_counts(self, account: str, since: int) -> dict[str, int]:
        """See ActivityStore."""
        with self._connected() as read:
            return dict(
                read.execute(
                    "SELECT label, sum(n) FROM refusal_count WHERE account = ? AND day >= ? GROUP BY label",
                    (account, since // _DAY),
                )
            )

    def sample(self, steps: Iterable[tuple[int, int]], sample: Sample) -> None:
        """See HistoryStore."""
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
        """See HistoryStore."""
        with self._connected() as read:
            rows = read.execute(
                "SELECT at, answers, seconds FROM sample WHERE step = ? AND at >= ? ORDER BY at",
                (step, since),
            )
            return [Sample(at, json.loads(answers), json.loads(seconds)) for at, answers, seconds in rows]

    def sweep(self, now: int) -> None:
        """See ActivityStore."""
        with self._writing() as write:
            write.execute("DELETE FROM lacking WHERE last < ?", (now - LACKING_SECONDS,))
            write.execute("DELETE FROM refusal_count WHERE day < ?", (now // _DAY - REFUSAL_COUNT_DAYS,))
            oldest = datetime.fromtimestamp(now - (DOWNLOAD_DAYS + 1) * _DAY, UTC).date()
            write.execute("DELETE FROM downloaded WHERE day < ?", (oldest.isoformat(),))
            write.execute("DELETE FROM hits_log WHERE at < ?", (now - LACKING_SECONDS,))

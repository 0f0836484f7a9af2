"""Activity and history, beside the keys; the statements are the same in SQLite and PostgreSQL."""

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from datetime import UTC, datetime
from typing import Any

from coverproxy.stats.base import (
    LACKING_SECONDS,
    MOST_LACKING,
    MOST_REFUSALS,
    MOST_WANTED,
    REFUSAL_COUNT_DAYS,
    Lacking,
    RefusalRow,
    Sample,
    of_all_accounts,
)
from coverproxy.stats.downloads import DOWNLOAD_DAYS
from coverproxy.stats.sql_downloads import SqlDownloads
from coverproxy.storage.statement import Run

_SLACK = 1.2
"""An account may exceed its limit by this factor, so that it is not trimmed at every write."""

_DAY = 86_400

_REFUSE = "INSERT INTO refusal (account, at, label, detail) VALUES (?, ?, ?, ?)"
_COUNT_REFUSALS = (
    "INSERT INTO refusal_count (account, day, label, n) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (account, day, label) DO UPDATE SET n = refusal_count.n + excluded.n"
)
_CUT_LACKING = (
    "DELETE FROM lacking WHERE account = ? AND (SELECT count(*) FROM lacking WHERE account = ?) > ?"
    " AND isbn NOT IN (SELECT isbn FROM lacking WHERE account = ? ORDER BY n DESC, last DESC LIMIT ?)"
)
_CUT_REFUSALS = (
    "DELETE FROM refusal WHERE account = ?"
    " AND id <= (SELECT id FROM refusal WHERE account = ? ORDER BY id DESC LIMIT 1 OFFSET ?)"
)
_LACKING = "SELECT isbn, n, last, title FROM lacking WHERE account = ? ORDER BY n DESC, last DESC LIMIT ?"
_MOST_WANTED = "SELECT isbn, n, last, title FROM wanted ORDER BY n DESC, last DESC, isbn LIMIT ?"
_CUT_WANTED = (
    "DELETE FROM wanted WHERE (SELECT count(*) FROM wanted) > ?"
    " AND isbn NOT IN (SELECT isbn FROM wanted ORDER BY n DESC, last DESC LIMIT ?)"
)
_TITLE = "SELECT title FROM wanted WHERE isbn = ?"
_REFUSED = "SELECT account, at, label, detail FROM refusal WHERE account = ? ORDER BY id DESC LIMIT ?"
_REFUSALS = "SELECT label, sum(n) FROM refusal_count WHERE account = ? AND day >= ? GROUP BY label"
_SAMPLE = (
    "INSERT INTO sample (step, at, answers, seconds) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (step, at) DO UPDATE SET answers = excluded.answers, seconds = excluded.seconds"
)


class SqlActivity(SqlDownloads):
    """An ActivityStore, a HistoryStore and a DownloadStore."""

    @abstractmethod
    def _sum_lacking(self, run: Run, rows: Sequence[tuple[str, str, int, int, str]]) -> None:
        """Add rows (account, isbn, count, last, title)."""

    @abstractmethod
    def _sum_wanted(self, run: Run, rows: Sequence[tuple[str, int, int, str]]) -> None:
        """Add rows (ISBN, count, last, title)."""

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
        named = titles or {}
        rows = [(*pair, count, now, named.get(pair, "")) for pair, count in lacking.items()]
        with self._writing() as run:
            if rows:
                self._sum_lacking(run, rows)
                self._sum_wanted(run, [astuple(each) for each in of_all_accounts(lacking, named, now)])
                run(_CUT_WANTED, (int(MOST_WANTED * _SLACK), MOST_WANTED))
            for account in sorted({account for account, _ in lacking}):
                most = MOST_LACKING
                run(_CUT_LACKING, (account, account, int(most * _SLACK), account, most))
            for (account, label), count in counts.items():
                run(_COUNT_REFUSALS, (account, now // _DAY, label, count))
            for each in refused:
                run(_REFUSE, (each.account, each.at, each.label, each.detail))
            for account in sorted({each.account for each in refused}):
                run(_CUT_REFUSALS, (account, account, MOST_REFUSALS))

    def lacking(self, account: str, most: int = MOST_LACKING) -> list[Lacking]:
        """See ActivityStore."""
        return [Lacking(*row) for row in self._read(_LACKING, (account, min(most, MOST_LACKING)))]

    def most_lacking(self, most: int = MOST_LACKING) -> list[Lacking]:
        """See ActivityStore."""
        return [Lacking(*row) for row in self._read(_MOST_WANTED, (min(most, MOST_WANTED),))]

    def title_of(self, isbn: str) -> str:
        """See ActivityStore."""
        rows = self._read(_TITLE, (isbn,))
        return str(rows[0][0]) if rows else ""

    def refused(self, account: str) -> list[RefusalRow]:
        """See ActivityStore."""
        return [RefusalRow(*row) for row in self._read(_REFUSED, (account, MOST_REFUSALS))]

    def refusal_counts(self, account: str, since: int) -> dict[str, int]:
        """See ActivityStore."""
        return {label: int(count) for label, count in self._read(_REFUSALS, (account, since // _DAY))}

    def sample(self, steps: Iterable[tuple[int, int]], sample: Sample) -> None:
        """See HistoryStore."""
        with self._writing() as run:
            for step, kept in steps:
                _add_sample(run, step, sample)
                run("DELETE FROM sample WHERE step = ? AND at < ?", (step, sample.at - kept))

    def samples(self, step: int, since: int) -> list[Sample]:
        """See HistoryStore."""
        sql = "SELECT at, answers, seconds FROM sample WHERE step = ? AND at >= ? ORDER BY at"
        rows = self._read(sql, (step, since))
        return [Sample(at, json.loads(answers), json.loads(seconds)) for at, answers, seconds in rows]

    def sweep(self, now: int) -> None:
        """See ActivityStore."""
        oldest = datetime.fromtimestamp(now - (DOWNLOAD_DAYS + 1) * _DAY, UTC).date()
        with self._writing() as run:
            run("DELETE FROM lacking WHERE last < ?", (now - LACKING_SECONDS,))
            run("DELETE FROM wanted WHERE last < ?", (now - LACKING_SECONDS,))
            run("DELETE FROM refusal_count WHERE day < ?", (now // _DAY - REFUSAL_COUNT_DAYS,))
            run("DELETE FROM downloaded WHERE day < ?", (oldest.isoformat(),))
            run("DELETE FROM hits_log WHERE at < ?", (now - LACKING_SECONDS,))


def _add_sample(run: Run, step: int, sample: Sample) -> None:
    at = sample.at - sample.at % step
    rows = run("SELECT answers, seconds FROM sample WHERE step = ? AND at = ?", (step, at))
    before: list[dict[str, Any]] = [json.loads(text) for text in rows[0]] if rows else [{}, {}]
    sums = [
        json.dumps({name: old.get(name, 0) + new.get(name, 0) for name in {**old, **new}})
        for old, new in zip(before, (sample.answers, sample.seconds), strict=True)
    ]
    run(_SAMPLE, (step, at, *sums))

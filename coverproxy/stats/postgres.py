"""Activity and history in PostgreSQL, summed up over all nodes."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

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
from coverproxy.stats.postgres_downloads import LOCKED_FOR_NOTES, PostgresDownloads
from coverproxy.storage.statement import Run

_SLACK = 1.2
"""An account may exceed its bound by so much, that it is not cut at every write."""

_LACK = """
INSERT INTO lacking (account, isbn, n, last, title)
SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])
ON CONFLICT (account, isbn) DO UPDATE SET n = lacking.n + excluded.n, last = excluded.last,
title = CASE excluded.title WHEN '' THEN lacking.title ELSE excluded.title END
"""

_CUT_LACKING = """
DELETE FROM lacking WHERE account = %(account)s
AND (SELECT count(*) FROM lacking WHERE account = %(account)s) > %(slack)s
AND isbn NOT IN (
    SELECT isbn FROM lacking WHERE account = %(account)s ORDER BY n DESC, last DESC LIMIT %(most)s
)
"""

_MOST_LACKING = """
SELECT isbn, sum(n) AS asked, max(last) AS latest, max(title) FROM lacking GROUP BY isbn
ORDER BY asked DESC, latest DESC, isbn LIMIT %s
"""

_CUT_REFUSALS = """
DELETE FROM refusal WHERE account = %(account)s AND id <= (
    SELECT id FROM refusal WHERE account = %(account)s ORDER BY id DESC LIMIT 1 OFFSET %(most)s
)
"""

_COUNT_REFUSALS = """
INSERT INTO refusal_count (account, day, label, n) VALUES (%s, %s, %s, %s)
ON CONFLICT (account, day, label) DO UPDATE SET n = refusal_count.n + excluded.n
"""

_DAY = 86_400


class PostgresActivity(PostgresDownloads):
    """An ActivityStore, a HistoryStore and a DownloadStore, in tables that PostgresState opens first."""

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
        with self._pool.transaction(LOCKED_FOR_NOTES) as run:
            if lacking:
                accounts, isbns = zip(*lacking, strict=True)
                asked = list(lacking.values())
                named = [(titles or {}).get(pair, "") for pair in lacking]
                run(_LACK, (list(accounts), list(isbns), asked, [now] * len(asked), named))
                _cut(run, _CUT_LACKING, set(accounts), MOST_LACKING)
            for (account, label), count in counts.items():
                run(_COUNT_REFUSALS, (account, now // _DAY, label, count))
            for each in refused:
                run(
                    "INSERT INTO refusal (account, at, label, detail) VALUES (%s, %s, %s, %s)",
                    (each.account, each.at, each.label, each.detail),
                )
            _cut(run, _CUT_REFUSALS, {each.account for each in refused}, MOST_REFUSALS)

    def lacking(self, account: str, most: int = MOST_LACKING) -> list[Lacking]:
        """See ActivityStore."""
        rows = self._pool.read(
            "SELECT isbn, n, last, title FROM lacking WHERE account = %s ORDER BY n DESC, last DESC LIMIT %s",
            (account, min(most, MOST_LACKING)),
        )
        return [Lacking(*row) for row in rows]

    def most_lacking(self, most: int = MOST_LACKING) -> list[Lacking]:
        """See ActivityStore."""
        rows = self._pool.read(_MOST_LACKING, (min(most, MOST_LACKING),))
        return [Lacking(isbn, int(asked), last, title) for isbn, asked, last, title in rows]

    def refused(self, account: str) -> list[RefusalRow]:
        """See ActivityStore."""
        rows = self._pool.read(
            "SELECT account, at, label, detail FROM refusal WHERE account = %s ORDER BY id DESC LIMIT %s",
            (account, MOST_REFUSALS),
        )
        return [RefusalRow(*row) for row in rows]

    def refusal_counts(self, account: str, since: int) -> dict[str, int]:
        """See ActivityStore."""
        rows = self._pool.read(
            "SELECT label, sum(n) FROM refusal_count WHERE account = %s AND day >= %s GROUP BY label",
            (account, since // _DAY),
        )
        return {label: int(count) for label, count in rows}

    def sample(self, steps: Iterable[tuple[int, int]], sample: Sample) -> None:
        """See HistoryStore."""
        with self._pool.transaction(LOCKED_FOR_NOTES) as run:
            for step, kept in steps:
                _add_sample(run, step, sample)
                run("DELETE FROM sample WHERE step = %s AND at < %s", (step, sample.at - kept))

    def samples(self, step: int, since: int) -> list[Sample]:
        """See HistoryStore."""
        rows = self._pool.read(
            "SELECT at, answers, seconds FROM sample WHERE step = %s AND at >= %s ORDER BY at", (step, since)
        )
        return [Sample(at, json.loads(answers), json.loads(seconds)) for at, answers, seconds in rows]

    def sweep(self, now: int) -> None:
        """See ActivityStore."""
        self._pool.write("DELETE FROM lacking WHERE last < %s", (now - LACKING_SECONDS,))
        self._pool.write("DELETE FROM refusal_count WHERE day < %s", (now // _DAY - REFUSAL_COUNT_DAYS,))
        oldest = datetime.fromtimestamp(now - (DOWNLOAD_DAYS + 1) * _DAY, UTC).date()
        self._pool.write("DELETE FROM downloaded WHERE day < %s", (oldest.isoformat(),))
        self._pool.write("DELETE FROM hits_log WHERE at < %s", (now - LACKING_SECONDS,))


def _cut(run: Run, sql: str, accounts: set[str], most: int) -> None:
    for account in sorted(accounts):
        run(sql, {"account": account, "most": most, "slack": int(most * _SLACK)})


def _add_sample(run: Run, step: int, sample: Sample) -> None:
    at = sample.at - sample.at % step
    rows = run("SELECT answers, seconds FROM sample WHERE step = %s AND at = %s", (step, at))
    before: list[dict[str, Any]] = [json.loads(text) for text in rows[0]] if rows else [{}, {}]
    sums = [
        json.dumps({name: old.get(name, 0) + new.get(name, 0) for name in {**old, **new}})
        for old, new in zip(before, (sample.answers, sample.seconds), strict=True)
    ]
    sql = (
        "INSERT INTO sample VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (step, at) DO UPDATE SET answers = excluded.answers, seconds = excluded.seconds"
    )
    run(sql, (step, at, *sums))

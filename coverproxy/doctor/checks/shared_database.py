"""The database that nodes share: reached, of a known version, quick, heard, and of the same time as here."""

import time
from collections.abc import Callable, Iterator

import psycopg

from coverproxy.accounts.postgres import schema_steps as state_steps
from coverproxy.config import Config
from coverproxy.doctor.checks.finding import Finding, fine, problem, warning
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.postgres import schema_steps as catalogue_steps
from coverproxy.sources.postgres import schema_steps as source_steps
from coverproxy.storage import postgres_migrations
from coverproxy.storage.postgres_news import CHANNEL
from coverproxy.storage.postgres_pool import BoundedConnection, PostgresPool, parameters, place, told

LEAST_VERSION = 140_000
SKEW_SECONDS, MOST_SKEW_SECONDS = 0.5, 5.0
SLOW_SECONDS = 0.005

_ASKS = 20
_PARTS: dict[str, Callable[[], list[str]]] = {
    "state": state_steps,
    "catalogue": catalogue_steps,
    "sources": source_steps,
}
_CHECK = "database"


def look(config: Config) -> Iterator[Finding]:
    """Ask the database. Changes nothing."""
    pool = PostgresPool(config.store.url, StoreUnavailable, config.store.connections)
    try:
        yield from _server(pool)
        yield from _schema(pool)
        yield from _clock(pool)
        yield from _room(pool, config)
    except StoreUnavailable as exc:
        yield problem(_CHECK, f"cannot be asked: {exc}", "is it up, and may this machine reach it? Try psql")
    finally:
        pool.close()
    yield _hearing(config)


def _server(pool: PostgresPool) -> Iterator[Finding]:
    number, name = pool.read("SELECT current_setting('server_version_num')::int, version()")[0]
    if number < LEAST_VERSION:
        yield problem(_CHECK, f"{pool.place} is too old: {name}", "upgrade it to PostgreSQL 14 or later")
    started = time.perf_counter()
    for _ in range(_ASKS):
        pool.read("SELECT 1")
    each = (time.perf_counter() - started) / _ASKS
    text = f"{pool.place} answers in {each * 1000:.2f} ms ({' '.join(name.split()[:2])})"
    if each > SLOW_SECONDS:
        yield warning(_CHECK, text, "every new cover asks several times: have it nearer to the nodes")
    else:
        yield fine(_CHECK, text)


def _schema(pool: PostgresPool) -> Iterator[Finding]:
    for part, steps in _PARTS.items():
        version, known = postgres_migrations.version_of(pool, part), len(steps())
        if version > known:
            told_so = f"its tables for {part} are of version {version}, made by a newer node; here: {known}"
            yield warning(_CHECK, told_so, "it works; finish the upgrade on this machine")
        elif version < known:
            told_so = f"its tables for {part} are of version {version}; expected {known}"
            yield warning(
                _CHECK, told_so, "start the service on one node: it takes the steps that are lacking"
            )


def _clock(pool: PostgresPool) -> Iterator[Finding]:
    before = time.time()
    there = float(pool.read("SELECT extract(epoch FROM clock_timestamp())")[0][0])
    skew = there - (before + time.time()) / 2
    text = f"its clock and this machine's are {abs(skew):.2f} s apart"
    advice = (
        "quotas end and rates count by each node's clock: run chrony or systemd-timesyncd on all machines"
    )
    if abs(skew) > MOST_SKEW_SECONDS:
        yield problem(_CHECK, text, advice)
    elif abs(skew) > SKEW_SECONDS:
        yield warning(_CHECK, text, advice)
    else:
        yield fine(_CHECK, text)


def _room(pool: PostgresPool, config: Config) -> Iterator[Finding]:
    """Look whether the server has connections for this node's workers, beside those in use now."""
    most, used = pool.read(
        "SELECT current_setting('max_connections')::int, (SELECT count(*) FROM pg_stat_activity)"
    )[0]
    needed = config.server.workers * (config.store.connections + 1)
    if needed > most - used:
        text = f"this node may need {needed} connections, and the server has {most - used} of {most} left"
        yield warning(_CHECK, text, "raise max_connections, or put PgBouncer between")


def _hearing(config: Config) -> Finding:
    """Send a notification that no node acts on, and wait for it."""
    advice = "store.listen_url must lead to the server itself, not to PgBouncer"
    try:
        with BoundedConnection.connect(**parameters(config.store.listening), autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            connection.execute(f"NOTIFY {CHANNEL}, 'doctor'")  # type: ignore[arg-type, unused-ignore]
            heard = any(each.payload == "doctor" for each in connection.notifies(timeout=2.0, stop_after=1))
    except psycopg.Error as exc:
        return problem(_CHECK, f"what other nodes change is not heard: {told(exc)}", advice)
    if not heard:
        return problem(_CHECK, "what other nodes change is not heard: a notice did not come", advice)
    return fine(_CHECK, f"notices of {place(config.store.listening)} are heard")

"""The connections of a process leave a server alone that is away, and take it up again."""

import pytest
from cut_proxy import CutProxy
from postgres_server import Cluster, database, postgres

from coverproxy.domain.errors import StoreUnavailable
from coverproxy.storage.postgres_pool import PostgresPool
from coverproxy.wiring.postgres import opened_database

__all__ = ["database", "postgres"]


def test_it_is_used_as_soon_as_another_way_finds_it(postgres: Cluster, database: str) -> None:
    """Within the second in which everybody is refused at once, renew() lets the next statement through."""
    with CutProxy(postgres.port) as way:
        pool = PostgresPool(database.replace(f":{postgres.port}", f":{way.port}"), StoreUnavailable)
        assert pool.read("SELECT 1") == [(1,)]
        way.refuse()
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                pool.read("SELECT 1")
        way.heal()
        with pytest.raises(StoreUnavailable):  # left alone: not even tried
            pool.read("SELECT 1")
        pool.renew()
        assert pool.read("SELECT 2") == [(2,)]
        assert pool.away == ""
        pool.close()


def test_an_answer_of_before_says_nothing(postgres: Cluster, database: str) -> None:
    """A statement that fails after renew(), but was begun before, does not make the server count as away."""
    pool = PostgresPool(database, StoreUnavailable)
    with pool.lent() as connection:
        number = connection.info.backend_pid
    with pytest.raises(StoreUnavailable):
        end_after_renewal(pool, number)
    assert pool.read("SELECT 1") == [(1,)]
    pool.close()


def end_after_renewal(pool: PostgresPool, number: int) -> None:
    """Have the server end the connection that is lent, once the pool was told that the server is back."""
    with pool.lent() as connection:
        assert connection.info.backend_pid == number
        pool.renew()
        connection.execute("SELECT pg_terminate_backend(%s)", (number,))


def test_a_database_without_a_locale_keeps_every_text(postgres: Cluster) -> None:
    """SQL_ASCII, as initdb makes without a locale, takes the schema and keeps texts; others are refused."""
    ascii_only, latin = (postgres.new_database(encoding) for encoding in ("SQL_ASCII", "LATIN1"))
    with opened_database(ascii_only):
        pool = PostgresPool(ascii_only, StoreUnavailable)
    text = "Straße … 书"
    pool.write("INSERT INTO title VALUES (1, '9780141439518', %s, '')", (text,))
    assert pool.read("SELECT title FROM title WHERE title = %s", (text,)) == [(text,)]
    pool.close()

    with pytest.raises(StoreUnavailable, match="encoding is LATIN1; expected UTF8"), opened_database(latin):
        pass

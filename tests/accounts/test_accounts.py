"""Who asks: keys known in memory, revoked and made elsewhere, and covers charged and given back."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.charge import Charge
from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.accounts.sqlite import SqliteState
from coverproxy.accounts.visitor import Visitor
from coverproxy.config import Automated, Quota
from coverproxy.domain.api_key import Key, new_name
from coverproxy.domain.errors import KeyNotForSite, QuotaUsedUp, TooFast, Unavailable, UnknownKey


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        """Say what time it is."""
        return self.now


Open = Callable[..., "AsyncIterator[Accounts]"]


@pytest.fixture
def clock() -> Clock:
    """Noon of a day, UTC."""
    return Clock()


Another = Callable[..., Awaitable[Accounts]]


@pytest.fixture
async def another(tmp_path: Path, clock: Clock) -> AsyncIterator[Another]:
    """A function that opens accounts over one folder, as another process would."""
    async with AsyncExitStack() as stack:

        async def opening(zone: str = "UTC", burst: int = 60, **values: Any) -> Accounts:
            state = SqliteState(tmp_path / "state.db")
            await state.open()
            stack.push_async_callback(state.close)
            links = KeyLinks(tmp_path / "by-key")
            accounts = Accounts(
                state,
                state,
                state.rates,
                links,
                Quota(time_zone=zone),
                Automated(burst=burst),
                clock,
                **values,
            )
            await accounts.open()
            return accounts

        yield opening


@pytest.fixture
async def accounts(another: Another) -> Accounts:
    """Accounts over an empty folder."""
    return await another()


def person(key: Key) -> Visitor:
    """Somebody with a browser."""
    return Visitor(key, is_automated=False)


async def made(accounts: Accounts, visitor: Visitor) -> None:
    """Make one cover."""
    async with accounts.charged(visitor) as charge:
        await taken(charge)


async def failed(accounts: Accounts, visitor: Visitor) -> None:
    """Fail to make a cover that is counted already."""
    async with accounts.charged(visitor) as charge:
        await taken(charge)
        assert charge.count
        raise ZeroDivisionError


async def taken(charge: Charge) -> None:
    """Count a cover as the service does: in a thread, or on the event loop where others keep the store."""
    try:
        await asyncio.to_thread(charge.take_now)
    except Unavailable:
        await charge.settle()


async def test_a_key_made_elsewhere_works_at_once(accounts: Accounts, another: Another) -> None:
    """A key that another process made a moment ago is found by its first request."""
    key = Key(new_name(), "new", 5)
    await (await another()).save(key)

    assert await accounts.authorize(key.name, None) == key


async def test_a_key_revoked_elsewhere_stops_with_the_next_look(accounts: Accounts, another: Another) -> None:
    """Revoking in another process ends the key here as soon as the keys are looked at again."""
    key = Key(new_name(), "old", 5)
    await accounts.save(key)
    await (await another()).save(replace(key, revoked_at=1))
    await accounts.refresh()

    with pytest.raises(UnknownKey):
        await accounts.authorize(key.name, None)


async def test_a_key_ends_when_it_expires(accounts: Accounts, clock: Clock, tmp_path: Path) -> None:
    """A key that expires is refused from that second on, and its link goes with the next look."""
    key = Key(new_name(), "a course", 5, expires_at=int(clock.now) + 60)
    await accounts.save(key)
    link = tmp_path / "by-key" / key.name
    await accounts.look_after()
    assert link.is_symlink()
    assert await accounts.authorize(key.name, None) == key

    clock.now += 60
    await accounts.look_after()

    assert not link.is_symlink()
    with pytest.raises(UnknownKey):
        await accounts.authorize(key.name, None)


async def test_links_follow_a_key_that_changed_elsewhere(
    accounts: Accounts, another: Another, tmp_path: Path
) -> None:
    """A link that a process with older keys put back goes as soon as it sees the newer ones."""
    key = Key(new_name(), "old", 5)
    await accounts.save(key)
    await (await another()).save(replace(key, revoked_at=1))
    link = tmp_path / "by-key" / key.name
    link.symlink_to("../live")

    await accounts.look_after()

    assert not link.is_symlink()


@pytest.mark.parametrize("name", ["", "x", "../../etc", "A" * 26, "a" * 65, "é" * 26])
async def test_what_is_no_key_is_refused(accounts: Accounts, name: str) -> None:
    """Anything that no key is called is an unknown key."""
    with pytest.raises(UnknownKey):
        await accounts.authorize(name, None)


async def test_a_bound_key_is_for_its_sites(accounts: Accounts) -> None:
    """A bound key is refused elsewhere, and where the request names no site."""
    key = Key(new_name(), "bound", 5, sites=("opac.example.org",))
    await accounts.save(key)

    assert await accounts.authorize(key.name, "opac.example.org") == key
    for host in (None, "example.org", "x.opac.example.org"):
        with pytest.raises(KeyNotForSite):
            await accounts.authorize(key.name, host)


async def test_made_is_counted_and_failed_is_given_back(accounts: Accounts) -> None:
    """A cover made stays counted; one that raises, or is cancelled, is not."""
    key = Key(new_name(), "k", 5)
    await accounts.save(key)
    await made(accounts, person(key))
    with pytest.raises(ZeroDivisionError):
        await failed(accounts, person(key))

    assert accounts.allowance(key).made == 1
    assert list((await accounts.usage(key)).values())[-1] == 1


async def test_the_limit_is_the_limit(accounts: Accounts) -> None:
    """The cover after the last is refused until the day ends, and says how long that is."""
    key = Key(new_name(), "k", 2)
    await accounts.save(key)
    for _ in range(2):
        await made(accounts, person(key))
    with pytest.raises(QuotaUsedUp) as refused:
        await made(accounts, person(key))

    assert refused.value.retry_after == 12 * 3600
    assert (accounts.allowance(key).made, accounts.allowance(key).left) == (2, 0)


async def test_what_is_waived_is_not_paid(accounts: Accounts) -> None:
    """A cover that was made and not stored, and one that fails before it is counted, cost nothing."""
    key = Key(new_name(), "k", 5)
    await accounts.save(key)
    async with accounts.charged(person(key)) as charge:
        await taken(charge)
        await taken(charge)  # once more counts nothing
        charge.is_waived = True
    with pytest.raises(ZeroDivisionError):
        async with accounts.charged(person(key)):
            raise ZeroDivisionError

    assert list((await accounts.usage(key)).values())[-1] == 0


async def test_a_new_day_starts_at_midnight_of_the_quotas_time_zone(another: Another, clock: Clock) -> None:
    """The day is the zone's: in Auckland it ends at 11:00 UTC, and the count starts anew."""
    accounts = await another(zone="Pacific/Auckland")
    key = Key(new_name(), "k", 1)
    await accounts.save(key)
    await made(accounts, person(key))
    resets = accounts.allowance(key).resets_at

    assert accounts.today() == date(2026, 11, 24)
    assert resets == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    clock.now = resets.timestamp()
    await made(accounts, person(key))
    assert accounts.allowance(key).made == 1


async def test_counts_of_other_processes_show(accounts: Accounts, another: Another) -> None:
    """What other processes made for a key is in its headers after the next look."""
    key = Key(new_name(), "k", 5)
    await accounts.save(key)
    await accounts.authorize(key.name, None)
    other = await another()
    for _ in range(3):
        await made(other, person(key))
    await accounts.refresh()

    assert accounts.allowance(key).left == 2


async def test_automated_clients_share_one_pace_between_processes(
    accounts: Accounts, another: Another
) -> None:
    """The burst of a key is one for all processes; what got nothing gives its place back."""
    second = await another(burst=60)
    key = Key(new_name(), "k", 1000)
    await accounts.save(key)
    program = Visitor(key, is_automated=True)
    for each in (accounts, second) * 29:
        await made(each, program)
    with pytest.raises(ZeroDivisionError):
        await failed(accounts, program)
    for each in (accounts, second):
        await made(each, program)

    for each in (accounts, second):
        with pytest.raises(TooFast):
            await made(each, program)
    stored = await accounts.counts.made([key.name], accounts.today())
    assert stored == {key.name: 60}  # all that the burst lets through, by both; not what got nothing


async def test_an_automated_client_over_its_quota_keeps_its_pace(another: Another) -> None:
    """A refusal by quota gives the place in the burst back."""
    accounts = await another(burst=1)
    key = Key(new_name(), "k", 0)
    await accounts.save(key)
    for _ in range(3):
        with pytest.raises(QuotaUsedUp):
            await made(accounts, Visitor(key, is_automated=True))


async def test_a_repair_leaves_the_link_of_a_key_that_is_just_made(
    accounts: Accounts, clock: Clock, tmp_path: Path
) -> None:
    """Links repaired while a key is made are those of all keys: the new one is a hit's at once."""
    for _ in range(40):
        key = Key(new_name(), "library", 10)
        clock.now += 60  # a repair is due
        await asyncio.gather(accounts.look_after(), accounts.save(key))
        assert (tmp_path / "by-key" / key.name).is_symlink()


async def test_links_follow_the_keys_and_are_repaired(
    accounts: Accounts, another: Another, tmp_path: Path
) -> None:
    """Saving a key makes or removes its link, and opening mends what is wrong."""
    key = Key(new_name(), "k", 1)
    await accounts.save(key)
    link = tmp_path / "by-key" / key.name
    assert link.is_symlink()
    link.unlink()
    await another()
    assert link.is_symlink()
    await accounts.save(replace(key, revoked_at=1))
    assert not link.is_symlink()


@contextmanager
def write_locked(tmp_path: Path) -> Iterator[None]:
    """Hold the write lock of the store, as another process may."""
    other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


async def test_a_store_that_is_locked_holds_up_nobody(another: Another, tmp_path: Path) -> None:
    """Known and new keys are let in at once while the store cannot be written; what they make is owed."""
    first, second = await another(), await another()
    key = Key(new_name(), "k", 9)
    await first.save(key)
    with write_locked(tmp_path):
        took = []
        for _ in range(3):  # the machine may be busy in two of them
            started = time.monotonic()
            assert await second.authorize(key.name, None) == key
            with pytest.raises(UnknownKey):
                await second.authorize(new_name(), None)
            took.append(time.monotonic() - started)
        assert min(took) < 0.8
        async with asyncio.timeout(9):  # a change of a key would wait for 10 s
            await made(second, person(key))
        assert second.allowance(key).made == 1
    await second.refresh()
    await first.usage(key)

    assert (first.allowance(key).made, second.allowance(key).made) == (1, 1)


async def test_workers_share_what_is_left_while_nothing_is_counted(another: Another, tmp_path: Path) -> None:
    """With a store that cannot be written, four processes together make no more than a key has left."""
    workers = [await another(workers=4) for _ in range(4)]
    key = Key(new_name(), "k", 21)
    await workers[0].save(key)
    await made(workers[0], person(key))
    for worker in workers:
        await worker.refresh()
        await worker.authorize(key.name, None)
    with write_locked(tmp_path):
        making = [made(worker, person(key)) for _ in range(20) for worker in workers]
        results = await asyncio.gather(*making, return_exceptions=True)
    for worker in workers:
        await worker.refresh()
    await workers[0].usage(key)

    assert results.count(None) == 20
    assert workers[0].allowance(key).made == 21


async def test_a_count_that_cannot_be_read_keeps_no_key_out(another: Another) -> None:
    """A key known in memory is let in although the store fails; its count is said to be unknown."""
    accounts = await another()
    key = Key(new_name(), "k", 5)
    await accounts.save(key)
    await accounts.refresh()
    await accounts.store.close()  # type: ignore[attr-defined] # SQLite's

    class Silent:
        """A store that never answers."""

        asked = 0

        async def made(self, keys: Any, day: date) -> dict[str, int]:
            self.asked += 1
            await asyncio.sleep(60)
            return {}

    silent = Silent()
    accounts.counts = silent  # type: ignore[assignment] # all it is asked
    accounts._answer_within = 0.2
    async with asyncio.timeout(30):
        for _ in range(5):
            assert await accounts.authorize(key.name, None) == key
    assert silent.asked < 5, "it is left alone for a moment"
    assert not accounts.counted_today(key)


async def test_a_lost_store_takes_no_link_away(another: Another, tmp_path: Path) -> None:
    """Where the store has no key but the web server has links, they stay, and the fault is named."""
    first = await another()
    key = Key(new_name(), "k", 5)
    await first.save(key)
    assert await first.check() == ""
    await first.store.close()  # type: ignore[attr-defined] # SQLite's
    for file in tmp_path.glob("state.db*"):
        file.unlink()
    lost = await another()

    assert (tmp_path / "by-key" / key.name).is_symlink()
    assert "1 link of a key is left" in await lost.check()
    with pytest.raises(Unavailable, match="the keys are lost"):
        await lost.authorize(key.name, None)
    with pytest.raises(Unavailable, match="the keys are lost"):  # it would take the others' links away
        await lost.save(Key(new_name(), "another", 5))
    await lost.store.save(key)  # restored
    await lost.look_after()
    assert await lost.check() == ""
    assert await lost.authorize(key.name, None) == key


async def test_a_store_that_loses_its_keys_takes_none_away(another: Another, tmp_path: Path) -> None:
    """Keys that were known stay in use; once their links are deleted, the store is begun anew."""
    accounts, key = await another(), Key(new_name(), "k", 5)
    await accounts.save(key)
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        connection.execute("DELETE FROM key")
    await accounts.look_after()

    assert await accounts.authorize(key.name, None) == key
    assert "1 link of a key is left" in await accounts.check()
    (tmp_path / "by-key" / key.name).unlink()
    await accounts.look_after()
    assert await accounts.check() == ""
    with pytest.raises(UnknownKey):
        await accounts.authorize(key.name, None)


async def test_a_store_that_cannot_be_read_is_a_fault(accounts: Accounts, tmp_path: Path) -> None:
    """What the health check says of the store names its file."""
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("ALTER TABLE key_version RENAME TO gone")
    connection.close()
    assert "state.db" in await accounts.check()

"""What is remembered as missing: how long, how many, and that a cover that comes in is never overlooked."""

import asyncio
from pathlib import Path

from conftest import COVERED, UNCOVERED, Running, take_in
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.cache.negative import NegativeCache


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Say what time it is."""
        return self.now


def test_a_name_is_remembered_for_its_time() -> None:
    """A missing name is known until its time is up, and then no more."""
    clock = Clock()
    absent = NegativeCache(10, 5.0, clock)
    absent.add("a", 1)

    clock.now = 4.9
    assert absent.has("a", lambda: 1)
    clock.now = 5.0
    assert not absent.has("a", lambda: 1)
    assert len(absent) == 0


def test_any_change_forgets_all() -> None:
    """Once anything may have come in nothing counts as missing, and what was found before it is not added."""
    absent = NegativeCache(10, 5.0, Clock())
    absent.add("a", 1)
    absent.add("b", 1)

    assert not absent.has("a", lambda: 2)
    assert len(absent) == 0
    absent.add("c", 2)
    assert absent.has("c", lambda: 2)


@given(st.lists(st.integers(0, 50)), st.integers(1, 10))
def test_memory_is_bounded_and_the_latest_are_known(names: list[int], most: int) -> None:
    """However many names are asked for, only the latest *most* are kept."""
    absent = NegativeCache(most, 5.0, Clock())
    for name in names:
        absent.add(str(name), 1)
    latest = list(dict.fromkeys(reversed(names)))

    assert len(absent) == min(len(latest), most)
    assert all(absent.has(str(name), lambda: 1) for name in latest[:most])
    assert not any(absent.has(str(name), lambda: 1) for name in latest[most:])


async def test_a_missing_cover_is_asked_for_once(server: Running) -> None:
    """The second request for a missing cover takes no place in the render queue and no lookup."""
    assert (await server.get(server.path(UNCOVERED))).cover == "missing"
    server.service.renders.taken = 10_000
    try:
        assert (await server.get(server.path(UNCOVERED))).cover == "missing"
        assert (await server.get(server.path())).cover == "pending"
    finally:
        server.service.renders.taken = 0


async def test_a_cover_that_comes_in_is_there_at_once(server: Running, tmp_path: Path, drawn: Path) -> None:
    """A remembered ISBN has its cover with the first request after another process took it in."""
    for _ in range(3):
        assert (await server.get(server.path(UNCOVERED))).cover == "missing"
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / f"{UNCOVERED}.jpg").write_bytes((drawn / "9780141439556.jpg").read_bytes())
    await asyncio.to_thread(take_in, server.config, folder)

    assert (await server.get(server.path(UNCOVERED))).cover == "made"


async def test_what_could_not_be_asked_is_not_remembered(server: Running) -> None:
    """An original that cannot be read is "unavailable", is not remembered, and works once it is back."""
    (original,) = server.originals.rglob(f"{COVERED}-*")
    original.rename(original.with_name("away"))
    assert (await server.get(server.path())).cover == "unavailable"
    assert len(server.service.absent) == 0
    original.with_name("away").rename(original)
    assert (await server.get(server.path())).cover == "made"

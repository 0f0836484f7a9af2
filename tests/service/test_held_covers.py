"""What a look found holds until the catalogue or the disk changes: then somebody looks again."""

import pytest
from conftest import COVERED, UNCOVERED, Running

from coverproxy.cache.memory import Memory
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.originals.changes import quarantine
from coverproxy.service.held_covers import HeldCovers

SPEC = Spec(Identifier("isbn", COVERED), "medium", Format.JPEG)


@pytest.fixture
def held(server: Running) -> HeldCovers:
    """Covers of a running server, looked for as it does."""
    folder = server.folder
    return HeldCovers(Memory(1_000_000, 60, folder.cache.purges), folder.cache, folder.catalogue)


async def test_originals_need_no_second_look_while_nothing_changed(server: Running, held: HeldCovers) -> None:
    """A look at a cold cover tells what to make it from, and that stays true under the lock."""
    seen = held.look([SPEC], server.folder.catalogue.change())

    assert seen.derivative is None
    assert [each.identifier for each in seen.originals] == [SPEC.identifier]
    assert held.still(seen) == list(seen.originals)


async def test_a_changed_catalogue_is_read_again(server: Running, held: HeldCovers) -> None:
    """Whatever is written to the catalogue after the look makes what it found void."""
    catalogue = server.folder.catalogue
    seen = held.look([SPEC], catalogue.change())
    quarantine(catalogue, seen.originals[0].digest, "killed its decoder", 1_700_000_000)

    assert held.still(seen) is None
    assert not held.is_news_free(seen)


async def test_a_cover_that_others_made_meanwhile_is_found(server: Running, held: HeldCovers) -> None:
    """A cover that appeared after the look is served, not made and counted once more."""
    seen = held.look([SPEC], server.folder.catalogue.change())
    made = await server.get(server.path())

    found = held.still(seen)
    assert isinstance(found, Derivative)
    assert found.body == made.body


async def test_a_look_at_what_has_no_cover_promises_nothing(server: Running, held: HeldCovers) -> None:
    """An item without originals is looked at again, by a thread: a source may have brought one."""
    spec = Spec(Identifier("isbn", UNCOVERED), "medium", Format.JPEG)
    seen = held.look([spec], server.folder.catalogue.change())

    assert seen.originals == ()
    assert held.still(seen) is None

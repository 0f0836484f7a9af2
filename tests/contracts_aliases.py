"""What every store of links between identifiers must keep: a backend supplies the `catalogue` fixture."""

from dataclasses import replace

import pytest
from contracts_catalogue import BOOK, OTHER, THIRD, original
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.domain import schemes
from coverproxy.domain.errors import TooMany
from coverproxy.domain.spec import Identifier
from coverproxy.originals.aliases import MOST_NAMES
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import changing
from coverproxy.originals.linking import link, unlink

OCLC, LCCN, OWN = (
    Identifier("oclc", "52517734"),
    Identifier("lccn", "n78890351"),
    Identifier("local:koha", "b/1"),
)
NAMES = [BOOK, OTHER, OCLC, LCCN, OWN, *(Identifier("oclc", str(number)) for number in range(1, 4))]


def linked(catalogue: Catalogue, *names: Identifier) -> Identifier:
    with changing(catalogue, 2_000_000_000) as changes:
        return link(changes, names)


def parted(catalogue: Catalogue, name: Identifier) -> tuple[Identifier, ...]:
    with changing(catalogue, 2_000_000_000) as changes:
        return unlink(changes, name)


class AliasContract:
    """Subclass per backend; the subclass owns an open, empty `catalogue`."""

    def test_an_identifier_names_itself(self, catalogue: Catalogue) -> None:
        """What nothing links is its own item, and has no number until it is asked for one."""
        for each in NAMES:
            assert catalogue.aliases.item(each) == each
            assert catalogue.aliases.names(each) == (each,)
        assert catalogue.aliases.linked(NAMES) == {}
        assert (catalogue.aliases.after(None, 9), catalogue.aliases.count()) == ([], 0)
        assert catalogue.aliases.numbered(1) is None

    def test_links_lead_straight_to_the_item(self, catalogue: Catalogue) -> None:
        """Of linked identifiers the ISBN is the item, whatever came first; links of links are one item."""
        assert linked(catalogue, OCLC, LCCN) == OCLC
        assert linked(catalogue, OWN, LCCN) == OCLC
        assert linked(catalogue, LCCN, BOOK) == BOOK
        assert linked(catalogue, BOOK, OWN) == BOOK
        for each in (BOOK, OCLC, LCCN, OWN):
            assert catalogue.aliases.item(each) == BOOK
            assert catalogue.aliases.names(each) == (BOOK, OCLC, LCCN, OWN)
        assert catalogue.aliases.linked([OTHER, OWN, BOOK]) == dict.fromkeys(
            (OWN, BOOK), (BOOK, OCLC, LCCN, OWN)
        )
        assert catalogue.aliases.count() == 3
        first = catalogue.aliases.after(None, 1)
        assert [*first, *catalogue.aliases.after(first[0][0], 9)] == [(OCLC, BOOK), (LCCN, BOOK), (OWN, BOOK)]

    def test_a_link_is_taken_back(self, catalogue: Catalogue) -> None:
        """A name that is taken out names itself; the others stay together, also where it was their item."""
        linked(catalogue, BOOK, OCLC, LCCN)
        assert parted(catalogue, BOOK) == (OCLC, LCCN)
        assert parted(catalogue, BOOK) == ()
        assert catalogue.aliases.names(LCCN) == (OCLC, LCCN)
        assert parted(catalogue, LCCN) == (OCLC,)
        assert catalogue.aliases.count() == 0

    def test_an_item_has_what_came_for_any_name(self, catalogue: Catalogue) -> None:
        """The best original of all names is shown for each; a link that is taken back gives all back."""
        small, large = original(1, identifier=OCLC), original(2, identifier=BOOK, width=900, height=1400)
        for each in (small, large, original(3, identifier=OTHER)):
            catalogue.add(each)
        assert catalogue.covered([LCCN, OCLC, THIRD]) == {OCLC}
        linked(catalogue, BOOK, OCLC, LCCN)

        for name in (BOOK, OCLC, LCCN):
            assert [found.digest for found in catalogue.of_item(name)] == [large.digest, small.digest]
        assert catalogue.find(LCCN) == []
        assert catalogue.covered([LCCN, OCLC, BOOK, OTHER, THIRD]) == {LCCN, OCLC, BOOK, OTHER}
        parted(catalogue, OCLC)
        assert [each.digest for each in catalogue.of_item(OCLC)] == [small.digest]
        assert [each.digest for each in catalogue.of_item(LCCN)] == [large.digest]

    def test_what_is_alone_is_found_by_one_query(self, catalogue: Catalogue) -> None:
        """Of an identifier that nothing links, alone() says what of_item() does; of a linked one, nothing."""
        assert catalogue.alone(BOOK) == []
        for number, width in ((1, 400), (2, 900), (3, 600)):
            catalogue.add(original(number, identifier=BOOK, width=width, height=width * 3 // 2))
        catalogue.add(original(4, identifier=OCLC))
        catalogue.purged.note([BOOK], 1)
        assert catalogue.alone(BOOK) == catalogue.of_item(BOOK)
        assert [each.width for each in catalogue.alone(BOOK)] == [900, 600, 400]
        assert catalogue.alone(OCLC) == catalogue.of_item(OCLC)
        linked(catalogue, BOOK, OCLC)
        assert (catalogue.alone(BOOK), catalogue.alone(OCLC)) == ([], [])
        parted(catalogue, OCLC)
        assert catalogue.alone(BOOK) == catalogue.of_item(BOOK)

    def test_what_is_shown_is_dated_and_stale(self, catalogue: Catalogue) -> None:
        """A name that shows another picture by a link gets a later date, and its derivatives are to go."""
        small = original(1, identifier=OCLC, date=1_700_000_000)
        large = original(2, identifier=BOOK, width=900, height=1400, date=1_600_000_000)
        for each in (small, large):
            catalogue.add(each)
        linked(catalogue, BOOK, OCLC)
        assert {BOOK, OCLC} <= set(catalogue.stale(9))
        assert catalogue.of_item(OCLC)[0].mtime > small.mtime
        catalogue.unmark_stale([BOOK, OCLC])
        with changing(catalogue, 2_000_000_100) as changes:
            changes.watch(OCLC)
            changes.tables.add(replace(original(3), identifier=OCLC, width=2000, height=3000))
        assert set(catalogue.stale(9)) == {OCLC}
        assert catalogue.of_item(BOOK)[0].mtime >= 2_000_000_100

    def test_an_item_has_so_many_names(self, catalogue: Catalogue) -> None:
        """Beyond the bound nothing is linked: whatever concerns an item is done for each name."""
        many = [Identifier("oclc", str(number)) for number in range(1, MOST_NAMES + 1)]
        linked(catalogue, *many)
        with pytest.raises(TooMany, match="101 names"):
            linked(catalogue, BOOK, many[7])
        assert catalogue.aliases.names(BOOK) == (BOOK,)

    def test_an_item_has_one_number(self, catalogue: Catalogue) -> None:
        """A number is given once, is small, and leads back; another item gets another one."""
        first, again = catalogue.aliases.number(OCLC), catalogue.aliases.number(OCLC)
        other = catalogue.aliases.number(OWN)
        assert first == again != other
        assert 0 < max(first, other) < 10**12
        assert [catalogue.aliases.numbered(each) for each in (first, other)] == [OCLC, OWN]

    def test_links_are_a_partition(self, catalogue: Catalogue) -> None:
        """However links are made and taken back, each name has one item, and that is no name of another."""

        @given(steps=st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), max_size=6))
        @settings(max_examples=15)
        def holds(steps: list[list[Identifier]]) -> None:
            for step in steps:
                if len(step) == 1:
                    parted(catalogue, step[0])
                else:
                    linked(catalogue, *step)
                    assert len({catalogue.aliases.item(each) for each in step}) == 1
            for each in NAMES:
                names_of_one_item(catalogue, each)
            for each in NAMES:
                parted(catalogue, each)
            assert catalogue.aliases.count() == 0

        holds()  # made anew for each store: hypothesis refuses one that several suites inherit


def names_of_one_item(catalogue: Catalogue, name: Identifier) -> None:
    """A name's item is the item of itself, and goes by the first scheme of its names."""
    item = catalogue.aliases.item(name)
    assert catalogue.aliases.item(item) == item
    assert name in catalogue.aliases.names(item)
    order = [*schemes.ALL, OWN.scheme]
    assert item.scheme == min((each.scheme for each in catalogue.aliases.names(item)), key=order.index)

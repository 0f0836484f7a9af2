"""What every catalogue must keep of the changes that programs read; subclass per backend."""

from dataclasses import replace

import pytest
from contracts_catalogue import BOOK, OTHER, digest, original

from coverproxy.domain.original import OriginalState
from coverproxy.domain.shown_change import ChangeKind, ShownChange
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import changing


def noted(catalogue: Catalogue, *changes: ShownChange) -> None:
    """Note changes as callers do."""
    with catalogue.writing() as tables:
        for each in changes:
            tables.changed.note(each)


def _cut_off(catalogue: Catalogue) -> None:
    """Hide an original in a transaction that does not come to its end."""
    with changing(catalogue, 300) as changes:
        changes.watch(BOOK)
        changes.tables.decide(original(2), OriginalState.HIDDEN, is_pinned=False)
        1 / 0  # noqa: B018 - as if the process had died


class ChangeFeedContract:
    """Changes of what is shown, by their numbers."""

    def test_changes_are_read_on_from_a_number(self, catalogue: Catalogue) -> None:
        """In order, each once, whatever the limit; the ends are known."""
        assert catalogue.changed.ends() == (0, 0)
        made = [ShownChange(at, BOOK if at % 2 else OTHER, ChangeKind.CHOSEN, digest(at)) for at in range(7)]
        noted(catalogue, *made, ShownChange(9, BOOK, ChangeKind.PURGED, None))
        found: list[ShownChange] = []
        while some := catalogue.changed.since(found[-1].number if found else 0, most=3):
            found += some
        assert [replace(each, number=0) for each in found[:-1]] == made
        assert (found[-1].digest, found[-1].kind) == (None, ChangeKind.PURGED)
        assert catalogue.changed.ends() == (found[0].number, found[-1].number)

    def test_a_moment_becomes_a_number(self, catalogue: Catalogue) -> None:
        """All changes since then come after it; after the last one, none do."""
        noted(catalogue, *(ShownChange(at, BOOK, ChangeKind.HIDDEN, None) for at in (10, 20, 30)))
        changed = catalogue.changed
        for at, expected in ((0, [10, 20, 30]), (20, [20, 30]), (21, [30]), (31, [])):
            assert [each.at for each in changed.since(changed.before(at), most=9)] == expected

    def test_the_list_is_bounded(self, catalogue: Catalogue) -> None:
        """Only the latest are kept, and numbers go on rising."""
        with catalogue.writing() as tables:
            for at in range(5):
                tables.changed.note(ShownChange(at, BOOK, ChangeKind.HIDDEN, None), keep=3)
        assert [each.at for each in catalogue.changed.since(0, most=9)] == [2, 3, 4]

    def test_a_cursor_stays(self, catalogue: Catalogue) -> None:
        """By name; none before it is moved."""
        assert catalogue.changed.cursor("cdn") is None
        for number in (5, 7):
            catalogue.changed.move_cursor("cdn", number)
        assert (catalogue.changed.cursor("cdn"), catalogue.changed.cursor("other")) == (7, None)

    def test_one_at_a_time_tells_a_receiver(self, catalogue: Catalogue) -> None:
        """A new one begins with the next change; who holds it keeps it for a time; failures are counted."""
        changed, change = catalogue.changed, ShownChange(1, BOOK, ChangeKind.HIDDEN, None)
        noted(catalogue, change)
        assert changed.claim("cdn", 100, 140) is None
        begins = changed.ends()[1]
        noted(catalogue, change)
        assert changed.claim("cdn", 100, 140) == (begins, 0)
        assert changed.claim("cdn", 139, 200) is None
        assert changed.claim("cdn", 140, 180) == (begins, 0)
        changed.postpone("cdn", 300)
        assert changed.claim("cdn", 299, 400) is None
        assert changed.claim("cdn", 300, 400) == (begins, 1)
        changed.move_cursor("cdn", changed.ends()[1])
        assert changed.claim("cdn", 301, 400) is None
        noted(catalogue, change)
        assert changed.claim("cdn", 301, 400) == (begins + 1, 0)

    def test_what_is_shown_is_noted_with_the_change(self, catalogue: Catalogue) -> None:
        """A first cover is no change; another one is: in the same transaction, or not at all."""
        for number, side in ((1, 200), (2, 400)):
            with changing(catalogue, 100 * number) as changes:
                changes.watch(BOOK)
                changes.tables.add(original(number, width=side, height=side * 3 // 2))
        (replaced,) = catalogue.changed.since(0, most=9)
        assert (replaced.kind, replaced.identifier, replaced.digest, replaced.at) == (
            ChangeKind.REPLACED, BOOK, digest(2), 200,
        )  # fmt: skip
        with pytest.raises(ZeroDivisionError):
            _cut_off(catalogue)
        assert catalogue.changed.since(0, most=9) == [replaced]
        for number in (2, 1):
            with changing(catalogue, 400) as changes:
                changes.watch(BOOK)
                changes.tables.remove(original(number))
        with changing(catalogue, 500) as changes:
            changes.watch(BOOK)
            changes.tables.add(original(1))
        kinds = [each.kind.value for each in catalogue.changed.since(replaced.number, most=9)]
        assert kinds == ["replaced", "removed", "restored"]

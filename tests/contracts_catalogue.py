"""What every catalogue must keep: a backend supplies the `catalogue` fixture and inherits the rest."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import pytest
from counting import counted

from coverproxy.domain import schemes
from coverproxy.domain.decisions import Act, Decision, Deed, SameBytes
from coverproxy.domain.formats import Loader
from coverproxy.domain.original import GONE, QUARANTINED, Original, OriginalState, Terms
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging.preview import Preview
from coverproxy.originals.base import Catalogue
from coverproxy.originals.provenance import Provenance

T = TypeVar("T")

BOOK = Identifier(ISBN, "9780141439518")
OTHER = Identifier(ISBN, "9798992242508")
THIRD = Identifier(ISBN, "9780140449136")
PRIORITY = {"publisher": 10, "scans": -1}
"""What the `catalogue` fixture is made with."""


def original(number: int = 1, **values: object) -> Original:
    """An original whose digest is *number*."""
    plain = Original(BOOK, number.to_bytes(16), Loader.JPEG, 200, 300, 20_000, 1_217_808_000)
    return replace(plain, **values)  # type: ignore[arg-type]


def digest(number: int) -> bytes:
    return number.to_bytes(16)


def in_thread(call: Callable[[], T]) -> T:
    """Call something in a thread of its own; return what it returned."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def settled(catalogue: Catalogue) -> int:
    """Wait until change() stays the same, in this thread and in another one; return it."""
    until = time.monotonic() + 10
    while (here := catalogue.change()) != in_thread(catalogue.change) or here != catalogue.change():
        assert time.monotonic() < until, "the number never stays"
    return here


class CatalogueContract:
    """Subclass per backend; the subclass owns an open, empty `catalogue` with PRIORITY."""

    def test_a_book_has_its_originals_best_first(self, catalogue: Catalogue) -> None:
        """Of several originals the largest comes first, then by the configured source and the date."""
        largest = original(5, width=1000, height=1500, source="scans", date=0)
        publisher = original(4, source="publisher", date=0)
        later = original(3, date=1_700_000_000)
        plain, twin = original(1), original(2)
        scans = original(0, source="scans", date=1_800_000_000)
        for each in (scans, twin, plain, later, publisher, largest):
            catalogue.add(each)
        assert catalogue.find(BOOK) == [largest, publisher, later, plain, twin, scans]
        assert catalogue.find(OTHER) == []

    def test_a_sharp_picture_comes_before_a_larger_blurred_one(self, catalogue: Catalogue) -> None:
        """The detail that pixels show counts; an original measured later moves to its place then."""
        blurred, sharp = original(1, width=2000, height=3000), original(2, width=800, height=1200, detail=0.9)
        for each in (blurred, sharp, original(1, identifier=OTHER, width=2000, height=3000)):
            catalogue.add(each)
        assert catalogue.find(BOOK) == [blurred, sharp]
        catalogue.keep_measure(digest(1), 0.3, 0.95)
        assert catalogue.find(BOOK) == [sharp, replace(blurred, detail=0.3, content=0.95)]
        assert catalogue.find(OTHER)[0].detail == 0.3

    def test_what_is_to_be_measured_is_remembered(self, catalogue: Catalogue) -> None:
        """Each item is returned once, at most as many as wanted, until it is measured."""
        for each in (BOOK, BOOK, OTHER, THIRD):
            catalogue.mark_unmeasured(each)
        assert len(catalogue.unmeasured(2)) == 2
        catalogue.unmark_unmeasured(OTHER)
        assert set(catalogue.unmeasured(9)) == {BOOK, THIRD}

    def test_every_value_survives(self, catalogue: Catalogue) -> None:
        """Any loader, a referenced path with odd letters, a long source: nothing is changed."""
        for number, loader in enumerate(Loader):
            odd = original(
                number, loader=loader, path="/covers/ü \u201c.jpg", source="ж" * 300, fault="x", added=7,
                origin="/incoming/ü.jpg", who="anna", role="back", state=OriginalState.HIDDEN, is_pinned=True,
                since=1_800_000_000, detail=0.5, terms=Terms("CC BY 4.0", 1_900_000_000, no_crop=True),
                content=0.25,
            )  # fmt: skip
            catalogue.add(odd)
            assert odd in catalogue.find(BOOK)

    def test_the_same_bytes_again_replace_what_was_known(self, catalogue: Catalogue) -> None:
        """One book has given bytes once; entering them again renews date, source, path and fault."""
        catalogue.add(original(fault="decode: cut"))
        catalogue.add(original(source="publisher", date=5))
        assert catalogue.find(BOOK) == [original(source="publisher", date=5)]

    def test_what_is_known_is_told_of_many_at_once(self, catalogue: Catalogue) -> None:
        """Anything known of an item, by any name, or of the bytes tells an original from a new one."""
        items = [Identifier(ISBN, isbn) for isbn in ("9780140449136", "9780141439563", "9780141439600")]
        items += [Identifier("oclc", str(number)) for number in range(1, 6)] + [Identifier("local:a", "b:c")]
        new = original(90, identifier=items[-1])
        with catalogue.writing() as tables:
            tables.add(original(1, identifier=items[0]))
            tables.aliases.put(items[3], items[1])
            tables.note_last_shown(items[2], digest(2), 5)
            tables.decisions.hide(items[4], None, Decision("anna", 5))
            tables.decisions.hide(items[5], digest(80), Decision("anna", 5))
            tables.decisions.hide(None, digest(3), Decision("anna", 5))
            tables.refuse(digest(4), SameBytes("art", 3, 3))
            tables.quarantine(digest(5), "crash", 1)
        known = [original(70 + number, identifier=each) for number, each in enumerate(items[:6])]
        known += [original(number, identifier=items[6]) for number in (1, 3, 4, 5)]

        assert catalogue.unknown([*known, new]) == [new]
        assert catalogue.unknown([]) == []
        assert catalogue.kept([digest(number) for number in range(9)]) == {digest(1)}
        assert catalogue.kept([]) == set()

    def test_many_new_ones_are_entered_at_once(self, catalogue: Catalogue) -> None:
        """They are as if added one by one, in one transaction with what else it writes; others hear of it."""
        odd = original(
            2, identifier=OTHER, path="/covers/ü \u201c\t\n\\.jpg", source="x" * 300, added=7, origin="",
            role="back", state=OriginalState.PENDING, is_pinned=True, since=5, detail=0.5,
            terms=Terms("CC BY 4.0", 1_900_000_000, no_crop=True), begins=3, content=0.25,
        )  # fmt: skip
        before = settled(catalogue)
        with catalogue.writing() as tables:
            assert tables.add_new([original(1), odd]) == 2
            tables.mark_stale(BOOK)
        assert catalogue.find(BOOK) == [original(1)]
        assert catalogue.find(OTHER) == [odd]
        assert catalogue.totals() == counted(catalogue) == (2, 2)
        assert dict(catalogue.sources()) == {"": 1, "x" * 300: 1}
        assert catalogue.change() != before
        assert catalogue.add_new([original(3, identifier=THIRD, source="a\0b")]) == 1
        assert len(catalogue.find(THIRD)) == 1

    def test_removing_takes_one_original(self, catalogue: Catalogue) -> None:
        """What is removed is gone for that book alone; removing it twice is not an error."""
        for each in (original(1), original(2), original(1, identifier=OTHER)):
            catalogue.add(each)
        for _ in range(2):
            catalogue.remove(original(1))
        assert catalogue.find(BOOK) == [original(2)]
        assert catalogue.find(OTHER) == [original(1, identifier=OTHER)]

    def test_a_fault_is_remembered_of_one_original(self, catalogue: Catalogue) -> None:
        """A faulty original is marked, stays in its place, and its twin under another book is not touched."""
        catalogue.add(original(1))
        catalogue.add(original(1, identifier=OTHER))
        catalogue.mark_faulty(original(1), "decode: cut")
        assert catalogue.find(BOOK) == [original(1, fault="decode: cut")]
        assert catalogue.find(OTHER) == [original(1, identifier=OTHER)]

    def test_faults_that_an_earlier_decoder_found_are_told(self, catalogue: Catalogue) -> None:
        """A fault is listed until a decoder of the wanted revision confirms it; a deleted file never is."""
        catalogue.add(original(1))
        catalogue.mark_faulty(original(1), "decode: cut")
        catalogue.add(original(2))
        catalogue.mark_faulty(original(2), f"{GONE}: its file was deleted", 0)
        catalogue.add(original(3))
        catalogue.mark_faulty(original(3), "decode: cut")
        catalogue.quarantine(digest(3), "crashed", 5)
        assert [each.digest for each in catalogue.misjudged(1, 9)] == [digest(1)]
        catalogue.mark_faulty(original(1), "decode: cut", 1)
        assert catalogue.misjudged(1, 9) == []
        assert [each.digest for each in catalogue.misjudged(2, 9)] == [digest(1)]
        catalogue.clear_fault(original(1))
        assert catalogue.misjudged(2, 9) == []

    def test_a_fault_of_what_is_gone_is_nothing(self, catalogue: Catalogue) -> None:
        """An original that was replaced while it was rendered is not brought back by its fault."""
        catalogue.mark_faulty(original(1), "decode: cut")
        assert catalogue.find(BOOK) == []

    def test_refused_bytes_are_remembered_with_their_reason(self, catalogue: Catalogue) -> None:
        """Refused bytes are distinguished from others, and the last reason counts."""
        assert catalogue.refusal(digest(1)) is None
        catalogue.refuse(digest(1), SameBytes("came for 5 ISBNs", 5, 1))
        catalogue.refuse(digest(1), SameBytes("came for 6 ISBNs", 6, 2))
        assert catalogue.refusal(digest(1)) == SameBytes("came for 6 ISBNs", 6, 2)
        assert catalogue.refusal(digest(2)) is None

    def test_the_same_bytes_are_found_under_every_book(self, catalogue: Catalogue) -> None:
        """All books that have a picture are found by its digest, at most as many as are asked for."""
        known = [original(7, identifier=book) for book in (BOOK, OTHER, THIRD)]
        for each in (*known, original(8)):
            catalogue.add(each)
        found = catalogue.with_digest(digest(7), most=10)
        assert {each.identifier: each for each in found} == {each.identifier: each for each in known}
        assert len(catalogue.with_digest(digest(7), most=2)) == 2

    def test_a_list_is_looked_up_at_once(self, catalogue: Catalogue) -> None:
        """Of many ISBNs, those with an original that can be shown are named, no faulty or unknown ones."""
        catalogue.add(original(1))
        catalogue.add(original(2))
        catalogue.add(original(3, identifier=THIRD, fault="decode: cut"))
        catalogue.add(original(4, identifier=OTHER))
        many = [Identifier("isbn", f"978{number:010d}") for number in range(8000)]

        assert catalogue.covered([BOOK, THIRD, OTHER, *many]) == {BOOK, OTHER}
        assert catalogue.covered([]) == set()

    def test_every_scheme_has_its_items(self, catalogue: Catalogue) -> None:
        """One value under several schemes and agencies is as many items; each comes back as it went in."""
        named = [Identifier(scheme.name, scheme.example) for scheme in schemes.ALL.values()]
        named += [Identifier(scheme, "03785955") for scheme in ("local:a", "local:b", "oclc", "ppn")]
        named += [Identifier("local:a", "b:c/d e\u00e4")]
        for number, identifier in enumerate(named):
            catalogue.add(original(number, identifier=identifier))
            catalogue.mark_stale(identifier)

        assert catalogue.covered(named) == set(named)
        assert [catalogue.find(each)[0].identifier for each in named] == named
        assert set(catalogue.stale(most=100)) == set(named)
        assert catalogue.totals()[1] == len(set(named))

    def test_a_look_is_of_the_bytes(self, catalogue: Catalogue) -> None:
        """How bytes look is remembered by their digest, once for all books that have them."""
        look = Preview(0x00FF7F, b"hash")
        assert catalogue.look(digest(1)) is None
        catalogue.keep_look(digest(1), look)
        catalogue.keep_look(digest(1), look)
        assert catalogue.look(digest(1)) == look
        assert catalogue.look(digest(2)) is None

    def test_quarantine_holds_the_bytes_wherever_they_come(self, catalogue: Catalogue) -> None:
        """Quarantined bytes are held under every book, also under one that gets them later."""
        catalogue.add(original(1))
        assert catalogue.quarantined_for(digest(1)) is None
        catalogue.quarantine(digest(1), "crash", 10)
        catalogue.quarantine(digest(2), "hang", 20)
        catalogue.add(original(1, identifier=OTHER))
        catalogue.add(original(1, fault="decode: cut"))

        held = QUARANTINED + "crash"
        assert catalogue.quarantined_for(digest(1)) == "crash"
        assert [catalogue.find(book)[0].fault for book in (BOOK, OTHER)] == [held, held]
        told = catalogue.quarantined()
        assert [(each.digest, each.reason, each.at) for each in told] == [
            (digest(2), "hang", 20),
            (digest(1), "crash", 10),
        ]
        assert {each.identifier for each in told[1].originals} == {BOOK, OTHER}

    def test_released_bytes_are_free_and_their_books_stale(self, catalogue: Catalogue) -> None:
        """A release frees quarantined and slow originals, keeps other faults, and marks their books once."""
        for book, fault in ((BOOK, None), (OTHER, "slow: 10 s"), (THIRD, "decode: cut")):
            catalogue.add(original(1, identifier=book, fault=fault))
        assert [each.identifier for each in catalogue.release(digest(1))] == [OTHER]
        catalogue.quarantine(digest(1), "crash", 10)
        assert {each.identifier for each in catalogue.release(digest(1))} == {BOOK, OTHER, THIRD}
        assert catalogue.quarantined() == []
        assert [catalogue.find(book)[0].fault for book in (BOOK, OTHER, THIRD)] == [None] * 3
        assert set(catalogue.stale(most=10)) == {BOOK, OTHER, THIRD}

    def test_stale_books_are_worked_off(self, catalogue: Catalogue) -> None:
        """A book is marked once, given in portions, and gone when its derivatives are."""
        for book in (BOOK, OTHER, THIRD, BOOK):
            catalogue.mark_stale(book)
        assert len(catalogue.stale(most=2)) == 2
        catalogue.unmark_stale([BOOK, THIRD])
        assert catalogue.stale(most=10) == [OTHER]
        catalogue.unmark_stale([])

    def test_totals_are_what_counting_gives(self, catalogue: Catalogue) -> None:
        """After any adding, replacing and removing the totals are those that counting every row gives."""
        chance = random.Random(7)  # noqa: S311 - the same every time
        held: dict[tuple[int, Identifier], str] = {}
        for _ in range(200):
            number, book = chance.randint(1, 3), chance.choice([BOOK, OTHER, THIRD])
            source = chance.choice(["shop", "scans"])
            if chance.random() < 0.6:
                catalogue.add(original(number, identifier=book, source=source))
                held[number, book] = source
            else:
                catalogue.remove(original(number, identifier=book))
                held.pop((number, book), None)
            assert catalogue.totals() == counted(catalogue) == (len(held), len({b for _, b in held}))
            assert dict(catalogue.sources()) == dict(Counter(held.values()))

    def test_a_sample_is_even_and_bounded(self, catalogue: Catalogue) -> None:
        """A sample has at most so many originals, from all over the digests, and all where there are few."""
        assert catalogue.sample(20) == []
        numbers = [step << 120 for step in range(256)]
        with catalogue.writing() as tables:
            for number in numbers[:5]:
                tables.add(original(number))
        assert len(catalogue.sample(20)) == 5
        with catalogue.writing() as tables:
            for number in numbers:
                tables.add(original(number))
        found = catalogue.sample(20)
        assert len(found) == 20
        assert max(each.digest for each in found)[0] > 200
        others = [{each.digest for each in catalogue.sample(20, turn)} for turn in range(3)]
        assert [len(each) for each in others] == [20] * 3
        assert len(set.union(*others)) > 40, "another turn samples others"

    def test_what_fails_in_the_middle_leaves_nothing(self, catalogue: Catalogue) -> None:
        """Writes that belong together are there together or not at all, and the next ones go well."""

        def half_of_it() -> None:
            with catalogue.writing() as tables:
                tables.add(original(1))
                tables.refuse(digest(2), SameBytes("art", 3, 3))
                tables.provenance.put(Provenance(BOOK, "shop", digest(1)))
                tables.quarantine(digest(3), "crash", 1)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            half_of_it()
        assert catalogue.find(BOOK) == []
        assert catalogue.refusal(digest(2)) is None
        assert catalogue.provenance.of(BOOK, "shop") is None
        assert catalogue.quarantined() == []
        with catalogue.writing() as tables:
            tables.add(original(1))
        assert catalogue.find(BOOK) == [original(1)]

    def test_a_transaction_sees_itself_and_nobody_else_does(self, catalogue: Catalogue) -> None:
        """What is written within a transaction is read within it, and outside it once it ends."""
        seen: list[list[Original]] = []

        def read() -> None:
            reader = threading.Thread(target=lambda: seen.append(catalogue.find(BOOK)))
            reader.start()
            reader.join()

        with catalogue.writing() as tables:
            tables.add(original(1))
            assert tables.find(BOOK) == [original(1)]
            assert catalogue.find(BOOK) == []
            read()
            tables.add(original(2))
        read()
        assert seen == [[], [original(1), original(2)]]

    def test_threads_write_side_by_side(self, catalogue: Catalogue) -> None:
        """Writers wait for each other: nothing is lost, and no write is refused."""

        def write(first: int) -> None:
            for number in range(first, first + 25):
                with catalogue.writing() as tables:
                    tables.add(original(number))

        writers = [threading.Thread(target=write, args=(100 * thread,)) for thread in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len(catalogue.find(BOOK)) == 100

    def test_a_change_is_seen_from_any_thread(self, catalogue: Catalogue) -> None:
        """The number stays while nothing is written, and differs after each write, whichever thread asks.

        A database that nodes share tells of each write once more, a moment later: the number may rise twice.
        """
        numbers = [settled(catalogue)]
        for write in (
            lambda: catalogue.add(original(1)),
            lambda: catalogue.mark_faulty(original(1), "decode: cut"),
            lambda: catalogue.provenance.put(Provenance(BOOK, "shop", digest(1))),
            lambda: catalogue.remove(original(1)),
        ):
            in_thread(write)
            assert catalogue.change() != numbers[-1]
            numbers.append(settled(catalogue))
        assert len(set(numbers)) == 5

    def test_it_can_be_closed_and_opened_again(self, catalogue: Catalogue) -> None:
        """What was written is there after closing and opening; opening twice changes nothing."""
        catalogue.add(original(1))
        catalogue.close()
        for _ in range(2):
            catalogue.open()
        catalogue.ping()
        assert catalogue.find(BOOK) == [original(1)]


class ProvenanceContract:
    """Subclass per backend; the subclass owns an open, empty `catalogue`."""

    ROW = Provenance(BOOK, "shop", digest(1), '"tag"', "Tue, 14 Nov 2023 22:13:20 GMT", 100, 500)

    def test_one_row_per_book_and_source(self, catalogue: Catalogue) -> None:
        """A row comes back whole; another of the same book and source takes its place."""
        rows = catalogue.provenance
        for row in (self.ROW, replace(self.ROW, source="scans"), replace(self.ROW, identifier=OTHER)):
            rows.put(row)
        changed = replace(self.ROW, digest=digest(2), etag=None, modified=None, due=None, keep_until=None)
        rows.put(changed)

        assert rows.of(BOOK, "shop") == changed
        assert rows.of(BOOK, "scans") == replace(self.ROW, source="scans")
        assert rows.of(THIRD, "shop") is None

    def test_the_same_bytes_are_found_of_one_source(self, catalogue: Catalogue) -> None:
        """Books for which a source gave the same bytes are found, another source's are not."""
        rows = catalogue.provenance
        for row in (self.ROW, replace(self.ROW, identifier=OTHER), replace(self.ROW, source="scans")):
            rows.put(row)
        assert {row.identifier for row in rows.with_digest(digest(1), "shop", 10)} == {BOOK, OTHER}
        assert len(rows.with_digest(digest(1), "shop", 1)) == 1

    def test_what_is_due_is_claimed_once(self, catalogue: Catalogue) -> None:
        """Due rows are given the oldest first and once each, also to threads that claim at the same time."""
        rows = catalogue.provenance
        books = [Identifier(ISBN, f"978{number:010d}") for number in range(40)]
        for number, book in enumerate(books):
            rows.put(replace(self.ROW, identifier=book, due=number))
        rows.put(replace(self.ROW, identifier=BOOK, due=None))
        rows.put(replace(self.ROW, identifier=OTHER, due=2000))
        first = rows.claim(1000, 1600, 5)
        assert {row.identifier for row in first} == set(books[:5])
        assert {row.due for row in first} == {1600}
        claimed: list[Identifier] = []

        def claim() -> None:
            while got := rows.claim(1000, 1600, 3):
                claimed.extend(row.identifier for row in got)

        threads = [threading.Thread(target=claim) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(each.value for each in claimed) == [book.value for book in books[5:]]
        assert rows.claim(1000, 1600, 5) == []

    def test_what_outstayed_is_let_go(self, catalogue: Catalogue) -> None:
        """An original past its time is named until it is let go; a newer one is not let go with it."""
        rows = catalogue.provenance
        other = replace(self.ROW, identifier=OTHER)
        for row in (self.ROW, other, replace(self.ROW, identifier=THIRD, keep_until=None)):
            rows.put(row)
        assert rows.outstayed(499, 10) == []
        assert {row.identifier for row in rows.outstayed(500, 10)} == {BOOK, OTHER}
        rows.put(replace(other, digest=digest(9), keep_until=400))
        rows.let_go(self.ROW)
        rows.let_go(other)
        assert [row.identifier for row in rows.outstayed(500, 10)] == [OTHER]
        assert rows.of(BOOK, "shop") == replace(self.ROW, keep_until=None)

    def test_removing_takes_one_row(self, catalogue: Catalogue) -> None:
        """One row goes, the same book's of another source stays."""
        rows = catalogue.provenance
        rows.put(self.ROW)
        rows.put(replace(self.ROW, source="scans"))
        for _ in range(2):
            rows.remove(self.ROW)
        assert rows.of(BOOK, "shop") is None
        assert rows.of(BOOK, "scans") is not None


class DecisionContract:
    """What every catalogue must keep of people's decisions; subclass per backend as CatalogueContract."""

    anna = Decision("anna", 1_800_000_000, "wrong edition")
    bob = Decision("bob", 1_800_000_001)

    def test_bytes_are_hidden_of_one_book(self, catalogue: Catalogue) -> None:
        """Hidden bytes of a book are hidden of no other book, until that is taken back."""
        decisions = catalogue.decisions
        decisions.hide(BOOK, digest(1), self.anna)
        assert decisions.hidden(BOOK, digest(1)) == self.anna
        assert decisions.hidden(BOOK, digest(2)) is decisions.hidden(OTHER, digest(1)) is None
        assert decisions.hidden_digests(BOOK) == {digest(1): self.anna}
        decisions.unhide(BOOK, digest(1))
        assert decisions.hidden(BOOK, digest(1)) is None

    def test_a_whole_book_is_hidden(self, catalogue: Catalogue) -> None:
        """All bytes of a hidden book are hidden, those that never came too."""
        decisions = catalogue.decisions
        decisions.hide(BOOK, None, self.anna)
        assert decisions.hidden(BOOK, digest(9)) == decisions.hidden_book(BOOK) == self.anna
        assert decisions.hidden_book(OTHER) is None
        assert decisions.hidden_digests(BOOK) == {}
        decisions.unhide(BOOK, None)
        assert decisions.hidden_book(BOOK) is None

    def test_bytes_are_hidden_of_every_book(self, catalogue: Catalogue) -> None:
        """Bytes can be hidden whatever book they come for."""
        decisions = catalogue.decisions
        decisions.hide(None, digest(1), self.bob)
        assert decisions.hidden(BOOK, digest(1)) == decisions.hidden(OTHER, digest(1)) == self.bob
        decisions.unhide(None, digest(1))
        assert decisions.hidden(BOOK, digest(1)) is None

    def test_bytes_are_admitted(self, catalogue: Catalogue) -> None:
        """Letting bytes in takes back that they were refused."""
        catalogue.refuse(digest(1), SameBytes("art", 5, 1))
        with catalogue.writing() as tables:
            tables.decisions.admit(digest(1), self.anna)
        assert catalogue.decisions.is_admitted(digest(1))
        assert not catalogue.decisions.is_admitted(digest(2))
        assert catalogue.refusal(digest(1)) is None

    def test_a_book_has_a_history(self, catalogue: Catalogue) -> None:
        """Lines come back as they were written, the latest first, each under its number."""
        decisions = catalogue.decisions
        first = Deed(5, "anna", Act.HIDE, BOOK, digest(1), "shop", "/a.jpg", "wrong", "{}")
        second = Deed(4, "bob", Act.RESTORE, BOOK)
        for deed in (first, second, Deed(6, "bob", Act.PIN, OTHER)):
            decisions.log(deed)
        found = decisions.history(BOOK, most=10)
        assert [replace(each, number=0) for each in found] == [second, first]
        assert decisions.history(BOOK, most=1) == found[:1]
        assert [decisions.deed(each.number) for each in found] == found
        assert decisions.deed(10**9) is None

    def test_what_was_shown_last_is_remembered(self, catalogue: Catalogue) -> None:
        """Of each book one picture, the last that was noted."""
        catalogue.note_last_shown(BOOK, digest(1), 5)
        catalogue.note_last_shown(BOOK, digest(2), 7)
        assert catalogue.last_shown(BOOK) == (digest(2), 7)
        assert catalogue.last_shown(OTHER) is None

    def test_an_original_is_dated(self, catalogue: Catalogue) -> None:
        """Since when an original is shown is kept, and a fault can be taken back."""
        catalogue.add(original(fault="gone: its file was deleted"))
        catalogue.set_since(original(), 1_800_000_000)
        catalogue.clear_fault(original())
        assert catalogue.find(BOOK) == [original(since=1_800_000_000)]
        assert catalogue.find(BOOK)[0].mtime == 1_800_000_000

    def test_a_hidden_original_covers_no_book(self, catalogue: Catalogue) -> None:
        """Lists of covered books pass over what may not be shown."""
        catalogue.add(original(state=OriginalState.HIDDEN))
        assert catalogue.covered([BOOK]) == set()

    def test_what_waits_for_a_review_is_found(self, catalogue: Catalogue) -> None:
        """Those that wait for longest come first, and nothing else."""
        later = original(1, state=OriginalState.PENDING, added=9)
        earlier = original(2, state=OriginalState.PENDING, added=5, identifier=OTHER)
        for each in (later, earlier, original(3), original(4, state=OriginalState.HIDDEN)):
            catalogue.add(each)
        assert catalogue.pending(most=10) == [earlier, later]
        assert catalogue.pending(most=1) == [earlier]
        assert catalogue.count_pending() == 2

    def test_what_may_no_longer_be_shown_is_found(self, catalogue: Catalogue) -> None:
        """Terms that end at a moment have ended at that moment; what is hidden already is not found again."""
        ended = original(1, terms=Terms(until=100))
        for each in (ended, original(2, terms=Terms(until=101)), original(3)):
            catalogue.add(each)
        catalogue.add(original(4, terms=Terms(until=50), state=OriginalState.EXPIRED))
        assert catalogue.outdated(100, most=10) == [ended]
        assert catalogue.outdated(99, most=10) == []

    def test_an_upload_is_answered_once(self, catalogue: Catalogue) -> None:
        """An answer is remembered for a day under the upload's own key."""
        decisions = catalogue.decisions
        decisions.note_answer("k", 1000, digest(1), "{}")
        assert decisions.answered("k") == (digest(1), "{}")
        assert decisions.answered("other") is None
        decisions.note_answer("other", 1000 + 86_401, digest(2), "[]")
        assert decisions.answered("k") is None

"""What every catalogue must remember of feeds and editions; subclass per backend as CatalogueContract."""

from dataclasses import replace

import pytest
from contracts_catalogue import BOOK, OTHER, THIRD, digest, original

from coverproxy.domain.editions import EditionLink, Relation, closest_first
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import QUARANTINED
from coverproxy.originals.base import Catalogue
from coverproxy.originals.feed_store import FeedFile, FeedRecord

RECORD = FeedRecord("bowker", "com.example.1", BOOK, digest(1), "https://example.org/1.jpg", 1_000)
FILE = FeedFile("bowker", "full.xml", "120:5", started=1_000, done=256, added=200, refused=6)


class FeedContract:
    """Records and files of feeds."""

    def test_a_record_has_its_last_picture(self, catalogue: Catalogue) -> None:
        """A record is known under its sender and its own name, and a later one replaces it."""
        feeds = catalogue.feeds
        feeds.put(RECORD)
        feeds.put(replace(RECORD, source="ingram"))
        later = replace(RECORD, identifier=Identifier("issn", "03785955"), digest=digest(2), seen=2_000)
        feeds.put(later)
        assert feeds.of("bowker", RECORD.reference) == later
        assert feeds.of("ingram", RECORD.reference) == replace(RECORD, source="ingram")
        assert feeds.of("bowker", "another") is None
        assert (feeds.count("bowker"), feeds.count("nobody")) == (1, 0)
        feeds.remove("bowker", RECORD.reference)
        feeds.remove("bowker", RECORD.reference)
        assert feeds.of("bowker", RECORD.reference) is None

    def test_what_a_full_load_does_not_name_is_found(self, catalogue: Catalogue) -> None:
        """Records that were last named before a moment are found, of one sender, bounded."""
        for number in range(5):
            catalogue.feeds.put(replace(RECORD, reference=str(number), seen=number))
        catalogue.feeds.put(replace(RECORD, source="ingram", seen=0))
        assert [each.seen for each in catalogue.feeds.unseen("bowker", 3, most=10)] == [0, 1, 2]
        assert len(catalogue.feeds.unseen("bowker", 3, most=2)) == 2

    def test_a_file_goes_on_where_it_was(self, catalogue: Catalogue) -> None:
        """How far a file is read stays; those that were begun last come first."""
        feeds = catalogue.feeds
        feeds.note_file(FILE)
        assert feeds.file("bowker", "full.xml") == FILE
        assert feeds.file("ingram", "full.xml") is None
        ended = replace(FILE, done=300, ended=2, again=9, note="line 7: cut")
        feeds.note_file(ended)
        delta = replace(FILE, name="delta.xml", started=2_000)
        feeds.note_file(delta)
        assert feeds.files("bowker", most=10) == [delta, ended]
        assert feeds.files("bowker", most=1) == [delta]

    @pytest.mark.parametrize(
        ("changed", "is_read"),
        [
            ({}, False),
            ({"ended": 5}, True),
            ({"ended": 5, "again": 11}, True),
            ({"ended": 5, "again": 10}, False),
        ],
    )
    def test_a_file_is_read_until_it_has_to_be_again(self, changed: dict[str, int], is_read: bool) -> None:
        """A file that ended is read; another of its name is not, nor one whose pictures are due."""
        file = replace(FILE, **changed)  # type: ignore[arg-type]
        assert file.is_read("120:5", now=10) is is_read
        assert not file.is_read("121:5", now=10)

    def test_a_part_of_an_archive_is_an_original(self, catalogue: Catalogue) -> None:
        """Where its bytes begin is kept, 0 too."""
        for number, begins in enumerate((None, 0, 2**40)):
            catalogue.add(original(number, path="/covers/covers_0012_34.zip", begins=begins))
        assert {each.begins for each in catalogue.find(BOOK)} == {None, 0, 2**40}


class CorruptContract:
    """The list of originals that cannot be rendered."""

    def test_what_is_corrupt_is_listed(self, catalogue: Catalogue) -> None:
        """The latest first and bounded; what is sound, or quarantined, is not on it."""
        for number, fault in enumerate(("decode: cut", None, f"{QUARANTINED}crash", "gone: deleted")):
            catalogue.add(original(number, fault=fault, added=number))
        assert [each.fault for each in catalogue.corrupt(most=10)] == ["gone: deleted", "decode: cut"]
        assert len(catalogue.corrupt(most=1)) == 1


class EditionContract:
    """Links between items."""

    def test_a_pair_is_known_from_both_sides(self, catalogue: Catalogue) -> None:
        """A declared pair is found from either item and changes when said anew; no item links to itself."""
        link = EditionLink(BOOK, OTHER, Relation.EDITION, "csv")
        catalogue.editions.link([link, EditionLink(BOOK, BOOK, Relation.FORMAT, "csv")])
        assert catalogue.editions.of(BOOK, most=10) == [link]
        assert catalogue.editions.of(OTHER, most=10) == [link.reverse]
        closer = replace(link, relation=Relation.FORMAT, linked_by="marc-776")
        catalogue.editions.link([closer.reverse])
        assert catalogue.editions.of(BOOK, most=10) == [closer]

    def test_items_of_a_work_are_editions(self, catalogue: Catalogue) -> None:
        """All items of a work are linked by who named the work; what was declared of a pair comes instead."""
        catalogue.editions.join("openlibrary:OL1W", [BOOK, OTHER, THIRD, BOOK])
        catalogue.editions.join("openlibrary:OL2W", [BOOK])
        catalogue.editions.link([EditionLink(BOOK, OTHER, Relation.TRANSLATION, "marc-765")])
        found = {each.other: (each.relation, each.linked_by) for each in catalogue.editions.of(BOOK, most=10)}
        assert found == {
            OTHER: (Relation.TRANSLATION, "marc-765"), THIRD: (Relation.EDITION, "openlibrary"),
        }  # fmt: skip

    def test_links_are_bounded(self, catalogue: Catalogue) -> None:
        """A work of a thousand editions answers with as many as are asked for."""
        catalogue.editions.join("csv:w", [Identifier("oclc", str(number)) for number in range(1, 100)])
        assert len(catalogue.editions.of(Identifier("oclc", "5"), most=7)) == 7

    def test_the_closest_come_first(self) -> None:
        """Forms before editions before translations, and none that is farther than asked for."""
        links = [
            EditionLink(BOOK, other, relation, "csv")
            for other, relation in zip((OTHER, THIRD, BOOK), reversed(Relation), strict=True)
        ]
        ordered = [each.relation for each in closest_first(links, Relation.TRANSLATION)]
        assert ordered == [Relation.FORMAT, Relation.EDITION, Relation.TRANSLATION]
        assert [each.relation for each in closest_first(links, Relation.FORMAT)] == [Relation.FORMAT]

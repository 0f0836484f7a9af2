"""What every catalogue must keep of the purges of the object store; subclass per backend."""

from contracts_catalogue import BOOK, OTHER, original

from coverproxy.originals.base import Catalogue
from coverproxy.originals.purge_store import AGAIN_SECONDS, PASSES, Purge


class PurgeContract:
    """Purges, counted by name, until they are carried out."""

    def test_an_original_says_how_often_its_name_was_purged(self, catalogue: Catalogue) -> None:
        """None, one, two; another name's purges do not count."""
        with catalogue.writing() as tables:
            tables.add(original(1))
        for count in range(3):
            assert [each.purges for each in catalogue.find(BOOK)] == [count]
            assert [each.purges for each in catalogue.of_item(BOOK)] == [count]
            catalogue.purged.note([BOOK, OTHER][: 2 if count else 1], at=100)

    def test_the_count_outlives_the_original(self, catalogue: Catalogue) -> None:
        """A picture that is removed and comes back does not find what was made before the purge."""
        for _ in range(2):
            with catalogue.writing() as tables:
                tables.add(original(1))
            catalogue.purged.note([BOOK], at=100)
            with catalogue.writing() as tables:
                tables.remove(original(1))
        with catalogue.writing() as tables:
            tables.add(original(1))
        assert catalogue.find(BOOK)[0].purges == 2

    def test_each_is_carried_out_twice(self, catalogue: Catalogue) -> None:
        """At once and a while later, the earliest first; then never again."""
        catalogue.purged.note([OTHER], at=200)
        catalogue.purged.note([BOOK], at=100)
        assert catalogue.purged.due(99, most=9) == []
        first, second = catalogue.purged.due(200, most=9)
        assert (first, second) == (Purge(BOOK, 1, PASSES), Purge(OTHER, 1, PASSES))
        assert catalogue.purged.due(200, most=1) == [first]
        catalogue.purged.done(first, now=200)
        assert catalogue.purged.due(200, most=9) == [second]
        (again, _) = sorted(catalogue.purged.due(200 + AGAIN_SECONDS, most=9), key=lambda each: each.passes)
        assert again == Purge(BOOK, 1, PASSES - 1)
        catalogue.purged.done(again, now=300)
        assert catalogue.purged.due(10_000, most=9) == [second]

    def test_a_later_purge_is_not_taken_for_done(self, catalogue: Catalogue) -> None:
        """Who carried out the one before, or another node that did the same, ends nothing."""
        catalogue.purged.note([BOOK], at=100)
        (first,) = catalogue.purged.due(100, most=9)
        catalogue.purged.done(first, now=100)
        catalogue.purged.done(first, now=100)
        assert catalogue.purged.due(100 + AGAIN_SECONDS, most=9) == [Purge(BOOK, 1, PASSES - 1)]
        catalogue.purged.note([BOOK], at=300)
        catalogue.purged.done(first, now=300)
        assert catalogue.purged.due(300, most=9) == [Purge(BOOK, 2, PASSES)]

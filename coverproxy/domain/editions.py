"""Other editions of an item: which there are, how they are related, and which is the closest."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from coverproxy.domain.identifier import Identifier


class Relation(StrEnum):
    """How two items are related, the closest first."""

    FORMAT = "format"
    """The same text in another form: hardback, paperback, e-book."""
    EDITION = "edition"
    """Another edition of the same work in the same language, as far as is known."""
    TRANSLATION = "translation"
    """The original of a translation, or the reverse."""


RANKS = {relation: rank for rank, relation in enumerate(Relation)}


@dataclass(frozen=True, slots=True)
class EditionLink:
    """`other` is related to `identifier`; `linked_by` says who says so, as "marc-776", "csv"."""

    identifier: Identifier
    other: Identifier
    relation: Relation
    linked_by: str

    @property
    def reverse(self) -> "EditionLink":
        """The same from the other side."""
        return EditionLink(self.other, self.identifier, self.relation, self.linked_by)


def closest_first(links: Iterable[EditionLink], farthest: Relation) -> list[EditionLink]:
    """Order links by how close they are, up to *farthest*; the identifier settles what is equal."""
    near = [each for each in links if RANKS[each.relation] <= RANKS[farthest]]
    return sorted(near, key=lambda each: (RANKS[each.relation], each.other.scheme, each.other.value))

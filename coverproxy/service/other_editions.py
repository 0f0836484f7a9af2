"""Which other edition stands in for an item without a cover: the closest that has one, at one hop."""

from coverproxy.domain.editions import EditionLink, Relation, closest_first
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import OriginalState
from coverproxy.originals.base import Catalogue

MOST_LINKS = 500
"""Links of an item that are looked at: the largest works have some thousand editions."""


def nearest(catalogue: Catalogue, identifier: Identifier, farthest: Relation) -> EditionLink | None:
    """Return the closest edition that has a cover, up to *farthest*; None for an item that a person hid.

    Links of links are not followed. Blocks; raises StoreUnavailable.
    """
    names = catalogue.aliases.names(identifier)
    if _is_hidden(catalogue, identifier, names):
        return None
    links = [link for name in names for link in catalogue.editions.of(name, MOST_LINKS)]
    near = [each for each in closest_first(links, farthest) if each.other not in names]
    covered = catalogue.covered({each.other for each in near})
    return next((each for each in near if each.other in covered), None)


def _is_hidden(catalogue: Catalogue, identifier: Identifier, names: tuple[Identifier, ...]) -> bool:
    """Whether a person hid the item, or a picture of it: another one is not to stand in for that."""
    if any(catalogue.decisions.hidden_book(name) for name in names):
        return True
    return any(each.state is OriginalState.HIDDEN for each in catalogue.of_item(identifier))

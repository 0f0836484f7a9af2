"""Identifiers linked to one item, and taken apart again: what each shows is settled with it."""

from collections.abc import Sequence

from coverproxy.domain.errors import TooMany
from coverproxy.domain.spec import Identifier
from coverproxy.originals.aliases import MOST_NAMES, chosen
from coverproxy.originals.changes import Changes


def link(changes: Changes, identifiers: Sequence[Identifier]) -> Identifier:
    """Have identifiers name one item, with all that they are linked to already; return that item.

    Nothing is copied: what came for a name stays under it, so that unlink() gives it back. Raises TooMany
    past MOST_NAMES; then nothing is written.
    """
    aliases = changes.tables.aliases
    items = list(dict.fromkeys(aliases.item(each) for each in identifiers))
    item = chosen(items)
    if len(items) == 1:
        return item
    names = dict.fromkeys(name for each in items for name in aliases.names(each))
    if len(names) > MOST_NAMES:
        raise TooMany(f"{item} would have {len(names)} names; expected at most {MOST_NAMES}")
    for each in items:
        changes.watch(each)
    for name in names:
        if name == item:
            aliases.remove(name)
        else:
            aliases.put(name, item)
    for each in items:
        changes.tables.mark_stale(each)  # its links on disk lead to what it showed alone
    return item


def unlink(changes: Changes, name: Identifier) -> tuple[Identifier, ...]:
    """Have an identifier name nothing but itself; return what it was linked to: none where it was not.

    Where it is the item of others, these stay together under the best of them.
    """
    aliases = changes.tables.aliases
    names = aliases.names(name)
    if len(names) == 1:
        return ()
    for each in names:
        changes.watch(each)
    others = tuple(each for each in names if each != name)
    for each in names:
        aliases.remove(each)
    item = chosen(others)
    for each in others:
        if each != item:
            aliases.put(each, item)
    for each in (name, item):
        changes.tables.mark_stale(each)
    return others

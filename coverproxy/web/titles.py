"""What items are called: by a request, for cards and lists; and by imports, where no request says it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from coverproxy.domain import schemes
from coverproxy.domain.item_title import tidy
from coverproxy.service.covers import Covers
from coverproxy.stats.base import Lacking

_MOST = 100


def named(query: Mapping[str, str]) -> str:
    """Return the title of `?title=`, with the author if one is named; "" without a title.

    Comes from clients, so it is cut, put on one line, and always shown as text.
    """
    title, author = (tidy(query.get(name, "")[: 4 * _MOST])[:_MOST] for name in ("title", "author"))
    return f"{title}, {author}" if title and author else title


async def with_titles(covers: Covers, lacking: Sequence[Lacking]) -> list[Lacking]:
    """Fill in what imports call the items that no request named. Raises Unavailable."""
    items = {each.isbn: item for each in lacking if not each.title and (item := schemes.sure(each.isbn))}
    known = await covers.titles(items.values()) if items else {}
    return [
        replace(each, title=str(known[items[each.isbn]])) if items.get(each.isbn) in known else each
        for each in lacking
    ]

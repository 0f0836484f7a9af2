"""What a request calls the item: for cards, and for the list of what has no cover."""

from collections.abc import Mapping

from coverproxy.domain.item_title import tidy

_MOST = 100


def named(query: Mapping[str, str]) -> str:
    """Return the title of `?title=`, with the author if one is named; "" without a title.

    Comes from clients, so it is cut, put on one line, and always shown as text.
    """
    title, author = (tidy(query.get(name, "")[: 4 * _MOST])[:_MOST] for name in ("title", "author"))
    return f"{title}, {author}" if title and author else title

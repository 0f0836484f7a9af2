"""What senders call an item: its title and its author, each on one line and of bounded length."""

import unicodedata
from dataclasses import dataclass

MOST_TITLE = 200
MOST_AUTHOR = 100
"""Most characters; the rest is cut at a word."""

ISBD_ENDS = " /:;,="
"""Marks that cataloguers write at the end of a title or a name, for what follows it."""


@dataclass(frozen=True, slots=True)
class ItemTitle:
    """A title and its author; the author may be unknown (""). See item_title()."""

    title: str
    author: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The title and the author, each on its own line."""
        return tuple(filter(None, (self.title, self.author)))

    def __str__(self) -> str:
        return ", ".join(self.lines)


def item_title(title: str, author: str = "") -> ItemTitle | None:
    """Make a title of what a sender wrote; None if it is empty."""
    short = _cut(_bare(title), MOST_TITLE)
    return ItemTitle(short, _cut(_bare(author), MOST_AUTHOR)) if short else None


def forename_first(name: str) -> str:
    """Turn "Austen, Jane" into "Jane Austen"; a name with no comma, or with several, stays as it is."""
    family, _, given = _bare(name).partition(",")
    return f"{given.strip()} {family}" if given.strip() and "," not in given else _bare(name)


def tidy(text: str) -> str:
    """Return a person's input on one line, without control characters and bidirectional overrides."""
    shown = (" " if char.isspace() else char for char in text if unicodedata.category(char) != "Cf")
    return " ".join("".join(char for char in shown if unicodedata.category(char)[0] != "C").split())


def _bare(text: str) -> str:
    return tidy(text[: 8 * MOST_TITLE]).rstrip(ISBD_ENDS)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    short = text[: most - 1]
    return (short.rpartition(" ")[0] or short).rstrip(ISBD_ENDS) + "…"

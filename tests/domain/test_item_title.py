"""Titles as senders write them: one line each, bounded, without cataloguers' punctuation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain.item_title import MOST_AUTHOR, MOST_TITLE, forename_first, item_title


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_title_is_bounded_and_on_one_line(title: str, author: str) -> None:
    """Whatever is sent, a title has printable characters of one line, and at most so many."""
    found = item_title(title, author)
    if found is not None:
        assert 0 < len(found.title) <= MOST_TITLE
        assert len(found.author) <= MOST_AUTHOR
        assert all(each.isprintable() and each == each.strip() for each in found.lines)


def test_a_long_title_is_cut_at_a_word() -> None:
    """An ellipsis says that more was there."""
    found = item_title("word " * 100)
    assert found
    assert found.title == "word " * 38 + "word…"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Austen, Jane", "Jane Austen"),
        ("Austen, Jane,", "Jane Austen"),
        ("Jane Austen", "Jane Austen"),
        ("Homer", "Homer"),
        ("Dumas, Alexandre, père", "Dumas, Alexandre, père"),
        ("", ""),
    ],
)
def test_names_as_they_are_spoken(written: str, shown: str) -> None:
    """A catalogue's name is turned round where that is certain."""
    assert forename_first(written) == shown


def test_nothing_is_no_title() -> None:
    """An author alone, or mere punctuation, makes no title."""
    assert item_title(" / ", "Jane Austen") is None
    assert str(item_title("Emma /", "Jane Austen,")) == "Emma, Jane Austen"

"""Lists with titles: what stands beside an identifier is its title, in plain text and in tables."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.domain.errors import TooMany
from coverproxy.domain.titled_list import MOST_TITLE, MOST_TITLE_LINES, read, written

PRIDE = "9780141439518"
EMMA = "9780141439587"


def titles(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each item's name and title."""
    return [(each.reading.identifiers[0].listed, each.title) for each in read(text, 100).entries]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (PRIDE, [(PRIDE, ())]),
        (f"{PRIDE} Pride / Austen, Jane", [(PRIDE, ("Pride / Austen, Jane",))]),
        ("0-14-143951-3 1984 / Orwell", [(PRIDE, ("1984 / Orwell",))]),
        ("978 0 14 143951 8 A tale of 2 cities", [(PRIDE, ("A tale of 2 cities",))]),
        (f"ISBN-13: {PRIDE} – Stolz", [(PRIDE, ("Stolz",))]),
        ("oclc:12345 Some title", [("oclc:12345", ("Some title",))]),
        (f"{PRIDE},Pride,Austen\n{EMMA},Emma,", [(PRIDE, ("Pride", "Austen")), (EMMA, ("Emma",))]),
        (f"{PRIDE}\n{EMMA}\tEmma\tAusten", [(PRIDE, ()), (EMMA, ("Emma", "Austen"))]),
        (f'Author,Title,Note,ISBN\nX,"Foo, bar",n,{PRIDE}', [(PRIDE, ("X", "Foo, bar"))]),
        (f"isbn;oclc;what\n{PRIDE};123;1984\n;123;World", [(PRIDE, ("1984",)), ("oclc:123", ("World",))]),
        (f"what;isbn\nEmma;{EMMA}", [(EMMA, ("Emma",))]),
    ],
)
def test_a_title_is_found_beside_its_identifier(text: str, found: list[tuple[str, tuple[str, ...]]]) -> None:
    """Behind the identifier, in columns named so, or before it where nothing is behind."""
    assert titles(text) == found


def test_each_line_counts_for_itself() -> None:
    """An item counts once; a line without an identifier is told with its number and why."""
    listed = read(f"# a note\n\n{PRIDE} first\n{EMMA[:-1]}8\n0141439513 again\n", 3)

    assert [(each.number, each.title) for each in listed.entries] == [(3, ("first",))]
    assert [each.number for each in listed.unread] == [4]
    assert "check digit" in listed.unread[0].why


def test_too_long_a_list_is_refused() -> None:
    """Only lines that are to be read count."""
    assert len(read(f"# a note\n{PRIDE}\n", 1).entries) == 1
    with pytest.raises(TooMany):
        read(f"{PRIDE}\n{EMMA}\n", 1)


@settings(max_examples=60)
@given(st.lists(st.text(max_size=200), max_size=4), st.text(max_size=300))
def test_what_was_read_can_be_written_and_read_again(title: list[str], line: str) -> None:
    """Any text is read without an error, within its bounds; what written() writes reads as the same."""
    for text in (line, f"{PRIDE} {line}", f"{PRIDE}\t" + "\t".join(title)):
        found = titles(text)
        assert all(len(lines) <= MOST_TITLE_LINES for _, lines in found)
        assert all(len(each) <= MOST_TITLE for _, lines in found for each in lines)
        assert titles(written(found)) == found

"""Templates of sources: what they put in, for whom they have no place, and what is no template."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import EASY, THIRTEENS
from stdnum import isbn as stdnum_isbn

from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.domain.url_template import FIELDS, Template

MATILDA = Identifier(ISBN, "9780140328721")
ONLY_13 = Identifier(ISBN, "9791090636071")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{isbn13}.jpg", "9780140328721.jpg"),
        ("{isbn10}", "0140328726"),
        ("{isbn13_hyphens}", "978-0-14-032872-1"),
        ("{isbn10_hyphens}", "0-14-032872-6"),
        ("{isbn13:0:4}/{isbn13:8:10}/{isbn13}.jpg", "9780/28/9780140328721.jpg"),
        ("{isbn10:9:10}/{isbn10}", "6/0140328726"),
        ("{isbn13:0:7}/{isbn13:7:12}", "9780140/32872"),
        ("https://covers.example/b/isbn/{isbn13}-L.jpg?a=%7B", "https://covers.example/b/isbn/9780140328721-L.jpg?a=%7B"),
    ],
)  # fmt: skip
def test_a_template_is_filled(text: str, filled: str) -> None:
    """Each placeholder gives its form of the number, or the digits cut from it; all else stays."""
    assert Template(text).fill(MATILDA) == filled


@pytest.mark.parametrize("text", ["{isbn10}", "{isbn10_hyphens}", "{isbn13}/{isbn10:0:1}"])
def test_a_979_has_no_place_where_an_isbn10_is_needed(text: str) -> None:
    """An ISBN-13 of 979 has no ISBN-10: a template that needs one has no place for it."""
    assert Template(text).fill(ONLY_13) is None
    assert Template(text).fill(MATILDA) is not None


def test_a_979_is_filled_where_no_isbn10_is_needed() -> None:
    """An ISBN-13 of 979 has its place in every other template."""
    assert Template("{isbn13:0:3}/{isbn13_hyphens}").fill(ONLY_13) == "979/979-10-90636-07-1"


def test_printed_music_is_filled_as_a_book() -> None:
    """Sources by ISBN-13 are asked for an ISMN too, which has no ISBN-10."""
    music = Identifier("ismn", "9790260000438")

    assert Template("https://x.test/{isbn13}.jpg").fill(music) == "https://x.test/9790260000438.jpg"
    assert Template("https://x.test/{isbn10}.jpg").fill(music) is None


def test_another_scheme_has_no_place() -> None:
    """An identifier of another scheme has no form of an ISBN."""
    assert Template("{isbn13}").fill(Identifier("upc", "9780140328721")) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{isbn14}.jpg", "{isbn14}"),
        ("{isbn13}/{}", "{}"),
        ("{isbn13}/{isbn13!r}", "{isbn13!r}"),
        ("{isbn13}/{isbn13.__class__}", "{isbn13.__class__}"),
        ("{isbn13[:3]}/{isbn13}", "{isbn13[:3]}"),
        ("{isbn13:3}/{isbn13}", "{isbn13:3}"),
        ("{isbn13:-4:-1}/{isbn13}", "{isbn13:-4:-1}"),
        ("{isbn13:4:4}/{isbn13}", "{isbn13:4:4}"),
        ("{isbn13:0:14}/{isbn13}", "{isbn13:0:14}"),
        ("{isbn10:0:11}/{isbn13}", "{isbn10:0:11}"),
        ("{isbn13_hyphens:0:4}/{isbn13}", "{isbn13_hyphens:0:4}"),
        ("{ISBN13}", "{ISBN13}"),
        ("{isbn13:\u0661:4}/{isbn13}", "{isbn13:\u0661:4}"),
    ],
)  # fmt: skip
def test_a_wrong_placeholder_is_named(text: str, named: str) -> None:
    """The error names the placeholder that is wrong, so that a long URL need not be searched."""
    with pytest.raises(ValueError, match=r"placeholder|slice") as raised:
        Template(text)
    assert str(raised.value).startswith(named)


@pytest.mark.parametrize("text", ["{isbn13}}", "{{isbn13}}", "{isbn13", "a}{isbn13}", "{isbn13}{"])
def test_a_brace_alone_is_refused(text: str) -> None:
    """No brace stands for itself: it is more often a slip than meant."""
    with pytest.raises(ValueError, match="brace"):
        Template(text)


@pytest.mark.parametrize(
    "text",
    ["", "cover.jpg", "{isbn13:0:4}", "{isbn13:0:4}/{isbn13:8:12}", "{isbn13:1:13}", "{isbn10:1:10}"],
)
def test_a_template_names_one_book(text: str) -> None:
    """A template that leaves out digits would give one picture to many books: it is refused."""
    with pytest.raises(ValueError, match="does not name one book"):
        Template(text)


@EASY
@given(
    st.lists(
        st.sampled_from([f"{{{name}}}" for name in FIELDS])
        | st.tuples(st.integers(0, 12), st.integers(1, 13))
        .filter(lambda ends: ends[0] < ends[1])
        .map(lambda ends: f"{{isbn13:{ends[0]}:{ends[1]}}}")
        | st.text(st.characters(exclude_characters="{}"), max_size=5),
        max_size=6,
    ),
    THIRTEENS,
    THIRTEENS,
)
def test_two_books_never_share_a_place(pieces: list[str], one: str, other: str) -> None:
    """Whatever a template is made of: it is refused, or two ISBNs fill it differently, or have no place."""
    try:
        template = Template("".join(pieces))
    except ValueError:
        return
    places = [template.fill(Identifier(ISBN, value)) for value in (one, other)]
    assert one == other or None in places or places[0] != places[1]


@EASY
@given(THIRTEENS, st.sampled_from(FIELDS))
def test_hyphens_change_no_digit(value: str, name: str) -> None:
    """Every form is the same number: digits, hyphens between them, at the end perhaps an X."""
    filled = Template(f"{{{name}}}").fill(Identifier(ISBN, value))
    if filled is None:
        assert value.startswith("979")
        return
    assert set(filled) <= set("0123456789X-")
    assert filled == filled.strip("-")
    assert stdnum_isbn.to_isbn13(filled.replace("-", "")) == value


@EASY
@given(st.text(st.sampled_from("{}isbn13_hyphens0:9[]!.%/\u0660 ")))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Any text is a template or a ValueError, nothing else; and no brace is left in what is filled."""
    try:
        filled = Template(text).fill(MATILDA)
    except ValueError:
        return
    assert filled is not None
    assert not set(filled) & set("{}")

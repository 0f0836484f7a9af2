"""What the last two parts of a cover's path name, and how a derivative is spelled."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.domain import schemes
from coverproxy.domain.errors import MalformedPath, NotAnIsbn
from coverproxy.domain.formats import Format
from coverproxy.domain.isbn import to_isbn10
from coverproxy.domain.spec import ISBN, Identifier, Reading, Spec, Wanted, parse

ALL = frozenset(Format)
ONLY_JPEG = frozenset({Format.JPEG})
POTTER = Identifier(ISBN, "9780545010221")
LOWRY = Identifier(ISBN, "9780804429573")


def thirteen(nine: str, prefix: str = "978") -> str:
    """The ISBN-13 with these nine digits in its middle."""
    twelve = prefix + nine
    return twelve + str(-sum(int(digit) * (1, 3)[at % 2] for at, digit in enumerate(twelve)) % 10)


NINES = st.text("0123456789", min_size=9, max_size=9)
FORMATS = st.sets(st.sampled_from([Format.WEBP, Format.AVIF])).map(lambda on: ONLY_JPEG | on)


@pytest.mark.parametrize(
    ("text", "forced"),
    [
        ("0545010225", None),
        ("9780545010221", None),
        ("9780545010221.jpg", Format.JPEG),
        ("9780545010221.JPG", Format.JPEG),
        ("0545010225.jpeg", Format.JPEG),
        ("0-545-01022-5.webp", Format.WEBP),
        ("9780545010221.Avif", Format.AVIF),
        ("9780545010221/", None),
        ("9780545010221.webp/", Format.WEBP),
        ("9780545010221.png", None),
        ("9780545010221.gif", None),
        ("0545010225 (pbk.)", None),
    ],
)
def test_an_ending_forces_its_format(text: str, forced: Format | None) -> None:
    """The ending of a format that we write demands it, in any case; another picture's is passed over."""
    assert parse("medium", text, ALL) == Wanted("medium", Reading((POTTER,)), forced)


@pytest.mark.parametrize("ending", ["webp", "AVIF"])
def test_the_ending_of_a_format_that_is_off_is_refused(ending: str) -> None:
    """A format that is not switched on has no address, whatever stands before its ending."""
    with pytest.raises(MalformedPath, match=ending.lower()):
        parse("medium", f"9780545010221.{ending}", ONLY_JPEG)


@pytest.mark.parametrize("text", ["", "/", ".jpg", "0545010226", "0545010226.jpg", "9780545010222.webp"])
def test_what_is_no_isbn_is_refused(text: str) -> None:
    """A path without a right ISBN is refused as such, with or without an ending."""
    with pytest.raises(NotAnIsbn):
        parse("medium", text, ALL)


def test_every_reading_is_kept() -> None:
    """A list becomes identifiers in its order."""
    wanted = parse("large", "9780804429573 | 0545010225", ALL)

    assert wanted == Wanted("large", Reading((LOWRY, POTTER)), forced=None)
    assert wanted.identifiers == (LOWRY, POTTER)


def test_contradicting_readings_are_marked() -> None:
    """Nine digits with two meanings keep both identifiers, and the mark that only one may have a cover."""
    wanted = parse("small", "470525452.jpg", ALL)

    assert [identifier.value for identifier in wanted.identifiers] == ["9780470525456", "9784705254524"]
    assert wanted.reading.only_one
    assert wanted.forced is Format.JPEG


@pytest.mark.parametrize(
    ("spec", "spelling"),
    [
        (Spec(POTTER, "medium", Format.JPEG), "medium/isbn/9780545010221.jpg"),
        (Spec(LOWRY, "small", Format.WEBP), "small/isbn/9780804429573.webp"),
        (Spec(Identifier("oclc", "45643"), "xl", Format.AVIF), "xl/oclc/45643.avif"),
    ],
    ids=["jpeg", "webp", "other scheme"],
)
def test_a_spec_has_one_spelling(spec: Spec, spelling: str) -> None:
    """`str()` of a spec is the text that names it everywhere."""
    assert str(spec) == spelling


def test_an_identifier_is_told_with_its_scheme() -> None:
    """An identifier's text has its scheme, so that no two schemes share a name."""
    assert str(POTTER) == "isbn:9780545010221"


def test_only_978_has_a_second_spelling() -> None:
    """A 978 number is found under both spellings, the canonical one first; all else under one."""
    assert schemes.stems(POTTER) == ("9780545010221", "0545010225")
    assert schemes.stems(Identifier(ISBN, "9791026900948")) == ("9791026900948",)
    assert schemes.stems(Identifier("oclc", "9780545010221")) == ("9780545010221",)


@settings(deadline=None)
@given(NINES)
def test_both_spellings_tell_the_shard(nine: str) -> None:
    """The shard is digits 9-12 of the ISBN-13: the four before the check digit of either spelling."""
    isbn = thirteen(nine)
    first, second = schemes.shard(Identifier(ISBN, isbn))

    assert (first, second) == (isbn[8:10], isbn[10:12])
    assert {spelling[-5:-1] for spelling in schemes.stems(Identifier(ISBN, isbn))} == {first + second}


@settings(deadline=None)
@given(NINES.filter(lambda nine: len(set(nine)) > 1), FORMATS, st.sampled_from([*Format]))
def test_both_spellings_name_the_same_derivative(nine: str, formats: frozenset[Format], form: Format) -> None:
    """ISBN-10 and ISBN-13 lead to equal specs, spelled alike."""
    isbn = thirteen(nine)
    ten = to_isbn10(isbn)
    assert ten

    both = [parse("medium", text, formats).identifiers for text in (isbn, ten)]

    assert [str(Spec(each, "medium", form)) for (each,) in both] == [f"medium/isbn/{isbn}.{form.value}"] * 2


@settings(deadline=None)
@given(NINES, FORMATS, st.sampled_from(["jpg", "jpeg", "webp", "avif", "png", "tif"]))
def test_no_ending_forces_what_is_off(nine: str, formats: frozenset[Format], ending: str) -> None:
    """A forced format is always one that is switched on; every other ending is refused or passed over."""
    try:
        forced = parse("medium", f"{thirteen(nine, '979')}.{ending}", formats).forced
    except MalformedPath:
        assert ending in {form.value for form in ALL - formats}
    else:
        assert forced is None or forced in formats

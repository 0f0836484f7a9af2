"""Preconditions and ranges: what RFC 9110 §13 and §14 make of every form of their headers."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.web.conditional import NOTHING, has_failed, is_unchanged, part

ETAG = '"491cb3a1-4c2f"'
MTIME = 1_226_617_761  # 2008-11-13
DATE, BEFORE, AFTER = (formatdate(MTIME + shift, usegmt=True) for shift in (0, -1, 1))
LENGTH = 100

MATCHES = {
    "the tag": (ETAG, True),
    "the tag, weak": (f"W/{ETAG}", True),
    "any": ("*", True),
    "any, with spaces": (" * ", True),
    "in a list": (f'"a", {ETAG} ,"b"', True),
    "in a list, weak": (f'W/"a",W/{ETAG}', True),
    "in a list without spaces": (f'"a",{ETAG}', True),
    "another": ('"491cb3a1-4c30"', False),
    "without quotes": (ETAG.strip('"'), False),
    "half a quote": (ETAG[:-1], False),
    "part of another": (f'"x{ETAG[1:-1]}x"', False),
    "in a comma within another": (f'"a,{ETAG[1:-1]},b"', False),
    "an empty tag": ('""', False),
    "nothing": ("", False),
    "junk": ("§§§", False),
}


@pytest.mark.parametrize(("tags", "is_same"), MATCHES.values(), ids=MATCHES.keys())
def test_if_none_match(tags: str, is_same: bool) -> None:
    """A client that names our tag, alone, weak or in a list, or any tag, has the cover already."""
    assert is_unchanged({"If-None-Match": tags}, ETAG, MTIME) is is_same


@pytest.mark.parametrize(
    ("tags", "is_kept"),
    [
        (ETAG, True), ("*", True), (f'"a", {ETAG}', True),
        (f"W/{ETAG}", False), ('"other"', False), ("", False), ("junk", False),
    ],
)  # fmt: skip
def test_if_match(tags: str, is_kept: bool) -> None:
    """If-Match holds for our tag or any; a weak one never matches (§13.1.1)."""
    assert has_failed({"If-Match": tags}, ETAG, MTIME) is not is_kept


@pytest.mark.parametrize(
    ("date", "is_same"),
    [(DATE, True), (AFTER, True), (BEFORE, False), ("", False), ("yesterday", False), ("0", False)],
)
def test_if_modified_since(date: str, is_same: bool) -> None:
    """A cover no newer than the client's date is unchanged; a date that is none is passed over."""
    assert is_unchanged({"If-Modified-Since": date}, ETAG, MTIME) is is_same


@pytest.mark.parametrize(
    ("date", "is_kept"), [(DATE, True), (AFTER, True), (BEFORE, False), ("", True), ("yesterday", True)]
)
def test_if_unmodified_since(date: str, is_kept: bool) -> None:
    """A cover newer than the date fails the precondition; a date that is none is passed over."""
    assert has_failed({"If-Unmodified-Since": date}, ETAG, MTIME) is not is_kept


def test_tags_decide_alone() -> None:
    """Where tags are sent, dates are not looked at: a tag says more (§13.2.2)."""
    assert not is_unchanged({"If-None-Match": '"other"', "If-Modified-Since": AFTER}, ETAG, MTIME)
    assert is_unchanged({"If-None-Match": ETAG, "If-Modified-Since": BEFORE}, ETAG, MTIME)
    assert not has_failed({"If-Match": ETAG, "If-Unmodified-Since": BEFORE}, ETAG, MTIME)
    assert has_failed({"If-Match": '"other"', "If-Unmodified-Since": AFTER}, ETAG, MTIME)


def test_without_headers_nothing_is_assumed() -> None:
    """A client that sends no precondition gets the cover, whole."""
    assert not is_unchanged({}, ETAG, MTIME)
    assert not has_failed({}, ETAG, MTIME)
    assert part({}, ETAG, MTIME, LENGTH) is None


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def _zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own time zone: it must not matter."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_zone")
@pytest.mark.parametrize(
    "date",
    [
        "Thu, 13 Nov 2008 23:09:21 GMT",
        "Thursday, 13-Nov-08 23:09:21 GMT",
        "Thu Nov 13 23:09:21 2008",
        "Thu, 13 Nov 2008 23:09:21 -0000",
        "Thu, 13 Nov 2008 23:09:21",
    ],
    ids=["IMF-fixdate", "RFC 850", "asctime", "minus zero", "no zone"],
)
def test_every_form_of_a_date_is_universal_time(date: str) -> None:
    """All three forms of an HTTP date (§5.6.7), and those without a zone, mean UTC wherever the server is."""
    assert is_unchanged({"If-Modified-Since": date}, ETAG, MTIME)
    assert not is_unchanged({"If-Modified-Since": date}, ETAG, MTIME + 1)


WHOLE = None

RANGES: dict[str, tuple[str, slice | None]] = {
    "the first byte": ("bytes=0-0", slice(0, 1)),
    "the last byte": ("bytes=99-99", slice(99, 100)),
    "some": ("bytes=10-19", slice(10, 20)),
    "all, said": ("bytes=0-99", slice(0, 100)),
    "from the start on": ("bytes=0-", slice(0, 100)),
    "from the last byte on": ("bytes=99-", slice(99, 100)),
    "a suffix": ("bytes=-1", slice(99, 100)),
    "a longer suffix": ("bytes=-30", slice(70, 100)),
    "a suffix longer than all": ("bytes=-500", slice(0, 100)),
    "an end beyond": ("bytes=90-500", slice(90, 100)),
    "an end far beyond": ("bytes=90-999999999999999", slice(90, 100)),
    "beyond": ("bytes=100-", NOTHING),
    "beyond, with an end": ("bytes=100-100", NOTHING),
    "a suffix of nothing": ("bytes=-0", NOTHING),
    "leading zeros": ("bytes=000-009", slice(0, 10)),
    "capital unit": ("Bytes=0-9", slice(0, 10)),
    "spaces around": ("bytes= 0-9 ", slice(0, 10)),
    "reversed": ("bytes=9-0", WHOLE),
    "reversed, beyond": ("bytes=200-150", WHOLE),
    "several": ("bytes=0-0,5-9", WHOLE),
    "several, all suffixes": ("bytes=-1,-2", WHOLE),
    "no numbers": ("bytes=-", WHOLE),
    "nothing said": ("bytes=", WHOLE),
    "no unit": ("0-9", WHOLE),
    "another unit": ("lines=0-9", WHOLE),
    "negative": ("bytes=--1", WHOLE),
    "three numbers": ("bytes=1-2-3", WHOLE),
    "hex": ("bytes=0x0-0x9", WHOLE),
    "words": ("bytes=a-b", WHOLE),
    "other scripts' digits": ("bytes=٠-٩", WHOLE),
    "a number without end": ("bytes=" + "9" * 5000 + "-", WHOLE),
    "empty": ("", WHOLE),
}


@pytest.mark.parametrize(("header", "wanted"), RANGES.values(), ids=RANGES.keys())
def test_ranges(header: str, wanted: slice | None) -> None:
    """One range of bytes is a part, one behind the end is none, and every other form gets all of it."""
    assert part({"Range": header}, ETAG, MTIME, LENGTH) == wanted


@pytest.mark.parametrize(
    ("validator", "is_part"),
    [
        (ETAG, True), (DATE, True),
        (f"W/{ETAG}", False), ('"other"', False), (BEFORE, False), (AFTER, False), ("*", False),
        ("junk", False), ("", False),
    ],
)  # fmt: skip
def test_if_range(validator: str, is_part: bool) -> None:
    """A part is sent only of the very cover that the client has begun: the same tag, or the same date."""
    wanted = part({"Range": "bytes=0-9", "If-Range": validator}, ETAG, MTIME, LENGTH)

    assert wanted == (slice(0, 10) if is_part else None)


BODY = bytes(range(200))
NUMBERS = st.integers(0, 250)


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.integers(1, 200))
def test_a_part_is_what_slicing_means(first: int, last: int, length: int) -> None:
    """first-last holds both ends, as body[first:last + 1]; a part never lies outside the body."""
    wanted = part({"Range": f"bytes={first}-{last}"}, ETAG, MTIME, length)
    expected = BODY[:length][first : last + 1]
    if last < first:
        assert wanted is None
    elif not expected:
        assert wanted == NOTHING
    else:
        assert wanted is not None
        assert BODY[:length][wanted] == expected
        assert 0 <= wanted.start < wanted.stop <= length


@settings(deadline=None)
@given(NUMBERS, st.integers(1, 200))
def test_open_ends_are_what_slicing_means(number: int, length: int) -> None:
    """first- is body[first:], and -count the last count bytes."""
    body = BODY[:length]
    onward = part({"Range": f"bytes={number}-"}, ETAG, MTIME, length)
    suffix = part({"Range": f"bytes=-{number}"}, ETAG, MTIME, length)

    assert onward is not None
    assert suffix is not None
    assert body[onward] == body[number:]
    assert body[suffix] == (body[-number:] if number else b"")


TEXTS = st.text(max_size=60) | st.text('0123456789-bytes=,; :GMTWJanuFr/"*', max_size=60)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_any_headers_are_judged(one: str, two: str) -> None:
    """Whatever the headers hold, there is an answer and no exception; a part always lies in the body."""
    headers = {"Range": one, "If-Range": two, "If-Modified-Since": one, "If-Unmodified-Since": two}
    tags = {"If-None-Match": one, "If-Match": two}

    assert is_unchanged(headers, ETAG, MTIME) in (True, False)
    assert has_failed(headers, ETAG, MTIME) in (True, False)
    assert is_unchanged(tags, ETAG, MTIME) in (True, False)
    assert has_failed(tags, ETAG, MTIME) in (True, False)
    for asked in (headers, {"Range": one}):
        wanted = part(asked, ETAG, MTIME, LENGTH)
        assert wanted is None or 0 <= wanted.start <= wanted.stop <= LENGTH

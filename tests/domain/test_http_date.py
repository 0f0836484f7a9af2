"""HTTP dates mean the same wherever the machine stands."""

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from link_host import link_host

from coverproxy.config.base import networks
from coverproxy.domain.http_date import seconds, seconds_to_wait, written
from coverproxy.sources.http import FetchBounds, Manner
from coverproxy.sources.links import LinkFetcher
from coverproxy.sources.rules import date

MOMENT = 784_111_777


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 -0000", "Sun, 06 Nov 1994 09:49:37 +0100",
    ],
)  # fmt: skip
def test_dates_are_utc(monkeypatch: pytest.MonkeyPatch, zone: str, text: str) -> None:
    """Every form, also those without a zone, is one moment in every time zone, for tags and for waits."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert seconds(text) == date(text) == MOMENT
        assert seconds_to_wait(text, MOMENT - 60) == 60
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("text", ["Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:37 -0000"])
def test_dates_of_links_are_utc(monkeypatch: pytest.MonkeyPatch, zone: str, text: str) -> None:
    """What a feed or an upload links to has its host's time, also where the date names no zone."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert linked_date(text) == MOMENT
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "text", ["soon", "Sun, 06 Nov 99999999999999999999 08:49:37 GMT", "Sun, 06 Nov 1994 08:49", ""]
)
def test_an_odd_date_of_a_link_says_nothing(text: str) -> None:
    """The picture is taken all the same."""
    assert linked_date(text) in (None, MOMENT - 37)


def linked_date(text: str) -> int | None:
    """The time of a picture that a host gives with this Last-Modified."""
    bounds = FetchBounds(10.0, 5.0, 1, 1000)
    manner = Manner("tests", {}, networks(("127.0.0.1",)))
    with link_host({"/a.jpg": b"picture"}) as host:
        host.headers["Last-Modified"] = text
        with LinkFetcher([host.name], bounds, manner, 1000).running() as links:
            return links.get(f"{host.url}/a.jpg", 1000)[1]


@pytest.mark.parametrize("text", ["", None, "soon", "0", "Sun, 99 Nov 1994 08:49:37 GMT", "\x00"])
def test_what_is_no_date_says_nothing(text: str | None) -> None:
    """Anything else is None, never an error."""
    assert seconds(text) is None


@given(st.integers(0, 253_402_300_799))
def test_dates_are_written_as_the_standard_library_writes_them(moment: int) -> None:
    """Every second before the year 10000 is written as email.utils writes it, and is read again."""
    text = written(moment)

    assert text == formatdate(moment, usegmt=True)
    assert seconds(text) == moment

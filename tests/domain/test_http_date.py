"""HTTP dates mean the same wherever the machine stands."""

import time

import pytest

from coverproxy.domain.http_date import seconds, seconds_to_wait
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


@pytest.mark.parametrize("text", ["", None, "soon", "0", "Sun, 99 Nov 1994 08:49:37 GMT", "\x00"])
def test_what_is_no_date_says_nothing(text: str | None) -> None:
    """Anything else is None, never an error."""
    assert seconds(text) is None

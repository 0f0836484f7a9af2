"""What an answer over HTTP means: whatever a server sends, it is one of three answers."""

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain.http_date import seconds_to_wait
from coverproxy.domain.original import LATEST_DATE
from coverproxy.sources.base import Fetched, NotThere, SourceUnavailable, Unchanged
from coverproxy.sources.rules import Missing, date, judged_by_body, judged_by_head

NOW = 1_795_400_000.0

texts = st.text(max_size=40)
headers = st.dictionaries(
    st.sampled_from(["Content-Type", "Content-Encoding", "Retry-After", "ETag", "Last-Modified"]), texts
)


@given(status=st.integers(100, 999), headers=headers, is_conditional=st.booleans())
def test_every_head_means_something(status: int, headers: dict[str, str], is_conditional: bool) -> None:
    """Only a 200 has its body read; only what was asked conditionally is unchanged; all else is told."""
    answer: object
    try:
        answer = judged_by_head(status, headers, Missing(), NOW, is_conditional=is_conditional)
    except SourceUnavailable as exc:
        answer = exc
    if isinstance(answer, SourceUnavailable):
        assert status not in (404, 410)
        assert answer.retry_after is None or (answer.retry_after >= 0 and status in (429, 503))
    assert answer is not None or status == 200
    assert not isinstance(answer, Unchanged) or (status == 304 and is_conditional)
    assert not isinstance(answer, Fetched)


@given(body=st.binary(max_size=50), headers=headers, least=st.integers(0, 40))
def test_every_body_means_something(body: bytes, headers: dict[str, str], least: int) -> None:
    """A body is taken whole or is none; what is kept of its headers can be stored and sent back."""
    answer = judged_by_body(body, headers, Missing(under_bytes=least))

    if len(body) < max(least, 1):
        assert isinstance(answer, NotThere)
        return
    assert isinstance(answer, Fetched)
    assert answer.body == body
    for said in (answer.validators.etag, answer.validators.modified):
        assert said is None or (said.isascii() and said.isprintable())
    assert answer.date is None or 0 <= answer.date < LATEST_DATE


@given(text=texts)
def test_no_text_is_too_odd_for_a_wish(text: str) -> None:
    """Any Retry-After is read as seconds, or as none."""
    wait = seconds_to_wait(text, NOW)

    assert wait is None or wait >= 0


@given(moment=st.integers(0, LATEST_DATE - 1))
def test_dates_are_read_as_they_are_written(moment: int) -> None:
    """An HTTP date gives its seconds; as a Retry-After, the seconds until then."""
    text = formatdate(moment, usegmt=True)

    assert date(text) == moment
    assert seconds_to_wait(text, NOW) == max(moment - NOW, 0.0)


@pytest.mark.parametrize(
    "text", [None, "", "yesterday", "Mon, 04 Aug 1908 12:00:00 GMT", "Mon, 04 Aug 2999 12:00:00 GMT", "0"]
)
def test_what_no_file_can_have_is_no_date(text: str | None) -> None:
    """Dates before 1970 or after 2400, and what is none, are not known."""
    assert date(text) is None


def test_a_status_of_none_wins_over_all_else() -> None:
    """A source that says "none" by 429, or by 200 with a type, is believed."""
    odd = Missing(statuses=frozenset({429}), types=frozenset({"image/gif"}))

    assert isinstance(judged_by_head(429, {}, odd, time.time(), is_conditional=False), NotThere)
    said = {"Content-Type": "IMAGE/GIF; x=y"}
    assert isinstance(judged_by_head(200, said, odd, time.time(), is_conditional=False), NotThere)

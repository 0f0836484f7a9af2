"""The words of X-Cover-Status: one list, from which answers, counts, pages, documents and clients follow."""

from pathlib import Path

import pytest

from coverproxy.client.classify import ServerAnswer, Verdict, judge
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused
from coverproxy.stats.base import Sample
from coverproxy.stats.history import summed
from coverproxy.web import texts
from coverproxy.web.api.openapi import _HEADERS
from coverproxy.web.errors import KEY_REQUESTS, TABLE, meaning

WORDS = list(CoverStatus)
ANSWERED = [each for each in WORDS if each not in ("hit", "made", "edition")]
INTEGRATE = Path(__file__).resolve().parents[2] / "docs" / "integrate.md"


def test_every_error_has_its_word_and_status() -> None:
    """Each line of the table has a word of the list with that word's status; no word is without an error."""
    assert all(how.status == how.label.http_status for how in TABLE.values())
    assert {how.label for how in TABLE.values()} | {CoverStatus.METHOD} == set(ANSWERED)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_in_one_bucket_of_the_history(word: CoverStatus) -> None:
    """What is answered counts as a hit, made, missing, refused or failed: as one of them, and as no other."""
    counted = summed([Sample(0, {str(word): 3}, {})])
    buckets = (counted.hits, counted.made, counted.missing, counted.refused, counted.failed)

    assert counted.answers == 3
    assert sorted(buckets) == [0, 0, 0, 0, 3]
    assert (counted.refused, counted.failed) == (3 * word.is_refusal, 3 * word.is_failure)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("word", ANSWERED)
def test_every_word_has_its_page(word: CoverStatus, language: str) -> None:
    """A browser that opens an address gets a page in words, whatever the error; so does a key's owner."""
    known = texts.builtin(language)

    assert known[f"error.{word}"]
    assert not word.is_noted or known[f"answers.{word}"]


@pytest.mark.parametrize("word", ANSWERED)
def test_the_client_knows_every_word(word: CoverStatus) -> None:
    """Our own client keeps no picture of a refusal, asks again after a failure, and stops at the quota."""
    verdict = judge(ServerAnswer(200, {"X-Cover-Status": str(word)}, b""))

    assert verdict in (Verdict.MISSING, Verdict.LATER, Verdict.QUOTA, Verdict.REFUSED)
    assert (verdict is Verdict.QUOTA) == (word is CoverStatus.QUOTA)
    if word.is_failure:
        assert verdict is Verdict.LATER


def test_the_client_keeps_no_other_edition() -> None:
    """Another edition's cover is not the book's: `coverproxy fetch` does not save it."""
    assert judge(ServerAnswer(200, {"X-Cover-Status": "edition"}, b"picture")) is Verdict.MISSING


@pytest.mark.parametrize("word", WORDS)
def test_every_word_is_documented(word: CoverStatus) -> None:
    """OpenAPI's header and the page for integrators have every word."""
    assert word in _HEADERS["X-Cover-Status"][1]["enum"]
    assert f"`{word}`" in INTEGRATE.read_text(encoding="utf-8")


@pytest.mark.parametrize("reason", KeyRequestReason)
def test_every_reason_of_a_refused_form_has_its_answer(reason: KeyRequestReason) -> None:
    """A form that is not taken is an error like all others: with a status, and a text in each language."""
    error = KeyRequestRefused(reason)

    assert (meaning(error).label, meaning(error).status) == (CoverStatus.FORM, KEY_REQUESTS[reason])
    assert 400 <= KEY_REQUESTS[reason] < 500
    assert all(f"refused.{reason}" in texts.builtin(language) for language in ("en", "de"))

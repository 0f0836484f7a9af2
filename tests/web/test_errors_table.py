"""The one table of errors: complete, and true to the design."""

import inspect
from collections.abc import Iterator

import pytest

from coverproxy.domain import errors
from coverproxy.domain.errors import CoverError
from coverproxy.web.errors import TABLE, Meaning, meaning

BASES = {errors.InvalidKey, errors.OwnFault}
"""Never raised themselves: they say what their subclasses have in common."""

INTERNAL = {errors.UnusableOriginal, errors.DecoderDied}
"""Never meets a visitor: the service tries the next original, and says NoCover after the last one."""


def below(error: type[CoverError]) -> Iterator[type[CoverError]]:
    for each in error.__subclasses__():
        yield each
        yield from below(each)


MET = sorted(set(below(CoverError)) - BASES - INTERNAL, key=lambda error: error.__name__)


@pytest.mark.parametrize("error", MET, ids=lambda error: error.__name__)
def test_every_error_has_its_line(error: type[CoverError]) -> None:
    """Each error that a visitor can meet has a line of its own; a new one without it fails here."""
    assert error in TABLE


def test_the_table_has_no_other_line() -> None:
    """The table holds what visitors can meet, and nothing else."""
    assert set(TABLE) == set(MET)


def test_bases_have_subclasses() -> None:
    """What is left out as a base is one."""
    assert all(base.__subclasses__() for base in BASES)


def test_all_errors_stand_in_one_file() -> None:
    """Every error of the domain is defined in errors.py, so that the walk above sees it."""
    defined = {value for _, value in inspect.getmembers(errors, inspect.isclass)}

    assert set(below(CoverError)) <= defined


LABELS = {
    errors.NoCover: ("missing", 404, False),
    errors.NotAnIsbn: ("invalid", 400, False),
    errors.NotAnIdentifier: ("invalid", 400, False),
    errors.UnknownScheme: ("path", 404, True),
    errors.QuotaUsedUp: ("quota", 429, False),
    errors.TooFast: ("throttled", 429, False),
    errors.Busy: ("pending", 503, False),
    errors.Pending: ("pending", 503, False),
    errors.Unavailable: ("unavailable", 503, False),
    errors.StoreUnavailable: ("unavailable", 503, False),
    errors.UnknownKey: ("key", 403, True),
    errors.KeyNotForSite: ("key", 403, True),
    errors.NoSuchSize: ("size", 404, True),
    errors.BadQuestion: ("question", 400, True),
    errors.UnreadType: ("type", 415, True),
    errors.TooMany: ("many", 400, True),
    errors.TooLong: ("long", 414, True),
    errors.BadPicture: ("refused", 422, True),
    errors.TooLarge: ("large", 413, True),
    errors.WrongSecret: ("owner", 403, True),
    errors.SentTwice: ("twice", 409, True),
    errors.NoSuchOriginal: ("original", 404, True),
    errors.MalformedPath: ("path", 404, True),
}
"""The design's table: what X-Cover-Status says, what a strict client gets, and whether all get it."""


@pytest.mark.parametrize("error", LABELS, ids=lambda error: error.__name__)
def test_labels_and_statuses_are_the_designs(error: type[CoverError]) -> None:
    """Each error is answered with the word, the status and the hardness that the design gives it."""
    line = TABLE[error]

    assert (line.label, line.status, line.is_hard) == LABELS[error]


@pytest.mark.parametrize("line", TABLE.values(), ids=[error.__name__ for error in TABLE])
def test_what_may_change_soon_is_not_kept(line: Meaning) -> None:
    """Only what the ISBN itself says is kept for a while; what a moment or a key says, never."""
    assert line.keep == ("missing" if line.label in ("missing", "invalid") else "no")


@pytest.mark.parametrize("line", TABLE.values(), ids=[error.__name__ for error in TABLE])
def test_titles_are_for_the_public(line: Meaning) -> None:
    """A title is a sentence for people without a full stop, and names no class of ours."""
    assert line.title[0].isupper()
    assert not line.title.endswith(".")
    assert not any(error.__name__ in line.title for error in TABLE)


def test_labels_are_no_others() -> None:
    """Errors of one label agree in their status: the label is all that a metric shows."""
    by_label: dict[str, set[int]] = {}
    for line in TABLE.values():
        by_label.setdefault(line.label, set()).add(line.status)

    assert all(len(statuses) == 1 for statuses in by_label.values())


@pytest.mark.parametrize(
    "error", [errors.UnusableOriginal("decode"), CoverError("new")], ids=["internal", "new"]
)
def test_the_unforeseen_is_our_fault(error: CoverError) -> None:
    """An error that should never reach a visitor is answered as "cannot be looked up right now"."""
    assert meaning(error) is TABLE[errors.Unavailable]


def test_a_followers_failure_is_its_own() -> None:
    """A spent quota concerns whoever uses that key; a pace, only its automated clients."""
    spent, fast = errors.QuotaUsedUp("abcdefgh", 60), errors.TooFast("abcdefgh", 1)

    assert spent.concerns("abcdefgh", is_automated=False)
    assert not spent.concerns("another1", is_automated=True)
    assert fast.concerns("abcdefgh", is_automated=True)
    assert not fast.concerns("abcdefgh", is_automated=False)
    assert not fast.concerns("another1", is_automated=True)
    assert (spent.retry_after, fast.retry_after) == (60, 1)


@pytest.mark.parametrize("error", [errors.QuotaUsedUp, errors.TooFast])
def test_no_text_shows_a_key(error: type[errors.QuotaUsedUp] | type[errors.TooFast]) -> None:
    """The text of an error goes out to clients and never holds a key."""
    assert "secretkey" not in str(error("secretkey", 1.0))

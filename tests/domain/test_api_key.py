"""What a developer key's name looks like, and which sites a key admits."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.domain.api_key import Key, abridged, is_name, new_name

NOW = 1_800_000_000.0


def bound(*sites: str) -> Key:
    return Key("abcdefgh", "a library", 1000, sites=sites)


def test_new_names_are_long_and_plain() -> None:
    """A new name is 26 letters and digits that are not taken for each other, and never the same twice."""
    names = {new_name() for _ in range(200)}

    assert len(names) == 200
    assert all(re.fullmatch("[a-z2-9]{26}", name) and not set(name) & set("lo01") for name in names)
    assert all(is_name(name) for name in names)


def test_new_names_use_every_letter() -> None:
    """Each of the 32 letters and digits is drawn: 5 bits apiece, 130 in all."""
    assert len(set("".join(new_name() for _ in range(200)))) == 32


@pytest.mark.parametrize(
    "text",
    [
        "", "short12", "UPPERCASE", "with space", "../../etc", "abcdefgh\n", "abcdefg/", "abcdefg.", "a" * 65,
        "abcdefgé", "１２３４５６７８", "abcdefgh\0",
    ],
)  # fmt: skip
def test_what_cannot_be_a_name(text: str) -> None:
    """Nothing is looked up, or used as a file name, that is not 8 to 64 small letters and digits."""
    assert not is_name(text)


@pytest.mark.parametrize("text", ["abcdefgh", "12345678", "a" * 64])
def test_what_can_be_a_name(text: str) -> None:
    """Names made elsewhere are taken from 8 letters and digits on."""
    assert is_name(text)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_a_name_is_harmless_in_a_path(text: str) -> None:
    """Whatever passes as a name is one plain word of a path."""
    if is_name(text):
        assert text.isascii()
        assert text.isalnum()
        assert text == text.lower()


def test_logs_show_four_characters() -> None:
    """An abridged key shows who it is to who knows it, and is of no use to anyone else."""
    assert abridged("abcdefghijkl") == "abcd…"


def test_an_unbound_key_is_for_any_site() -> None:
    """Without sites a key may be used anywhere, by programs and from pages that do not tell."""
    assert bound().admits(None)
    assert bound().admits("anything.example")


@pytest.mark.parametrize(
    ("host", "is_admitted"),
    [
        ("example.org", True),
        ("opac.library.test", True),
        ("a.b.library.test", True),
        ("library.test", False),
        ("www.example.org", False),
        ("evilexample.org", False),
        ("evillibrary.test", False),
        ("example.org.evil.test", False),
        ("library.test.evil.test", False),
        ("", False),
        (None, False),
    ],
)
def test_a_bound_key_is_for_its_sites(host: str | None, is_admitted: bool) -> None:
    """A site means that host; *.site every host below it; a request that names none is refused."""
    assert bound("example.org", "*.library.test").admits(host) is is_admitted


def test_a_revoked_key_is_neither_active_nor_open() -> None:
    """A key is active until it is revoked."""
    revoked = Key("abcdefgh", "gone", 1000, revoked_at=1)

    assert bound().is_active(NOW)
    assert not revoked.is_active(NOW)
    assert not revoked.is_open(NOW)


def test_a_bound_key_is_not_open() -> None:
    """Only an active key without sites may be served by the web server without asking us."""
    assert bound().is_open(NOW)
    assert not bound("example.org").is_open(NOW)


def test_a_key_revoked_at_the_epoch_is_revoked() -> None:
    """Revoked is revoked, even at second 0."""
    assert not Key("abcdefgh", "gone", 1000, revoked_at=0).is_active(NOW)


def test_a_key_ends_when_it_expires() -> None:
    """A key works until the very second of its end, and no longer."""
    ends = Key("abcdefgh", "a course", 1000, expires_at=int(NOW))

    assert ends.is_active(NOW - 1)
    assert not ends.is_active(NOW)
    assert not ends.is_open(NOW)

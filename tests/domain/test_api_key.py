"""What a developer key's name looks like, and which sites a key admits."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.domain.api_key import (
    Key,
    abridged,
    is_name,
    is_secret,
    name_from,
    new_name,
    new_secret,
    secret_from,
)

NOW = 1_800_000_000.0


def bound(*sites: str) -> Key:
    return Key("abcdefgh", "a library", 1000, sites=sites)


def test_new_names_are_long_and_plain() -> None:
    """A new name is cp_ and 26 letters and digits that are not taken for each other, never the same twice."""
    names = {new_name() for _ in range(200)}

    assert len(names) == 200
    assert all(re.fullmatch("cp_[a-z2-9]{26}", name) and not set(name) & set("lo01") for name in names)
    assert all(is_name(name) for name in names)


def test_new_names_use_every_letter() -> None:
    """Each of the 32 letters and digits is drawn: 5 bits apiece, 130 in all."""
    assert len(set("".join(new_name().removeprefix("cp_") for _ in range(200)))) == 32


def test_a_new_secret_is_told_from_a_key() -> None:
    """A secret begins with cp_sec_ and has 130 random bits too; no secret is a key's name, or the reverse."""
    secrets = {new_secret() for _ in range(200)}

    assert len(secrets) == 200
    assert all(re.fullmatch("cp_sec_[a-z2-9]{26}", secret) for secret in secrets)
    assert all(is_secret(secret) and is_secret(f" {secret.upper()}") for secret in secrets)
    assert not any(is_name(secret) for secret in secrets)
    assert not any(is_secret(new_name()) for _ in range(200))


def test_the_same_seed_gives_the_same_name_and_secret() -> None:
    """A form sent twice yields one key: name and secret follow from their seeds."""
    seed = bytes(range(32))

    assert name_from(seed) == name_from(seed) == f"cp_{secret_from(seed).removeprefix('cp_sec_')}"


@pytest.mark.parametrize(
    "text",
    [
        "", "short12", "UPPERCASE", "with space", "../../etc", "abcdefgh\n", "abcdefg/", "abcdefg.", "a" * 65,
        "abcdefgé", "１２３４５６７８", "abcdefgh\0", "cp_", "cp_short12"[:-2], "cp_sec_abcdefgh",
        "CP_abcdefgh",
        "cp_" + "a" * 65,
        "xx_abcdefgh", "cp_cp_abcdefgh",
    ],
)  # fmt: skip
def test_what_cannot_be_a_name(text: str) -> None:
    """Nothing is looked up, or used as a file name, that is not 8 to 64 small letters and digits."""
    assert not is_name(text)


@pytest.mark.parametrize(
    "text", ["abcdefgh", "12345678", "a" * 64, "cp_abcdefgh", "cp_" + "a" * 64, "cpabcdefgh"]
)
def test_what_can_be_a_name(text: str) -> None:
    """Names made elsewhere are taken from 8 letters and digits on."""
    assert is_name(text)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_a_name_is_harmless_in_a_path(text: str) -> None:
    """Whatever passes as a name is one plain word of a path."""
    if is_name(text):
        assert text.isascii()
        assert text.removeprefix("cp_").isalnum()
        assert text == text.lower()


def test_logs_show_four_characters() -> None:
    """An abridged key shows who it is to who knows it, and is of no use to anyone else."""
    assert abridged("abcdefghijkl") == "abcd…"
    assert abridged("cp_abcdefghijkl") == "cp_abcd…"


def test_logs_show_nothing_of_a_secret() -> None:
    """Of a secret that came where a key belongs, only the prefix is shown."""
    assert abridged("cp_sec_abcdefghijkl") == abridged("CP_SEC_abcdefghijkl") == "cp_sec_…"


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

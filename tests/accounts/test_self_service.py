"""What somebody who asks for a key tells, tidied up or refused."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.accounts.self_service import KeyWish, host_of
from coverproxy.domain.api_key import is_host
from coverproxy.domain.errors import KeyRequestRefused
from coverproxy.domain.item_title import tidy


@given(st.text(max_size=200))
def test_tidy_text_is_one_visible_line(text: str) -> None:
    """No control or format character is left, no space at an end, and tidying again changes nothing."""
    found = tidy(text)

    assert not any(unicodedata.category(char)[0] == "C" for char in found)
    assert found == found.strip() == tidy(found)


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("catalogue.example.org", "catalogue.example.org"),
        (" HTTPS://Catalogue.Example.org:8080/search?q=1 ", "catalogue.example.org"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("user@host.example", "host.example"),
        ("", ""),
        ("http://[::1", ""),
        ("ü" * 70 + ".example", ""),
    ],
)
def test_a_site_is_read_however_it_is_typed(typed: str, host: str) -> None:
    """A host, or the address of any page of it, gives the host as browsers send it."""
    assert host_of(typed) == host


@given(st.text(max_size=100))
def test_a_site_that_is_read_is_a_host_or_refused(text: str) -> None:
    """Whatever is typed, what is kept as a site fits a key's binding."""
    wish = KeyWish("x", "a@b.org", text, is_bound=True)
    if is_host(host_of(text)):
        assert wish.read().site == host_of(text)
    else:
        with pytest.raises(KeyRequestRefused, match="site"):
            wish.read()


@pytest.mark.parametrize("contact", ["a@b.org", "https://b.org/contact", "ä.b+c@sub.b.museum"])
def test_contacts_that_reach_somebody(contact: str) -> None:
    """A mail address or a web page is a contact."""
    assert KeyWish("x", contact).read().contact == contact


@pytest.mark.parametrize(
    "contact", ["", "a@b", "ftp://b.org", "a b@c.org", "data:text/html,x", "<a@b.org>", "a@b@c.org"]
)
def test_contacts_that_reach_nobody(contact: str) -> None:
    """Anything else is not."""
    with pytest.raises(KeyRequestRefused, match="contact"):
        KeyWish("x", contact).read()

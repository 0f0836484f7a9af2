"""Addresses of items: one function makes them of what lists and pages have, for every scheme."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coverproxy.domain.identifier import Identifier
from coverproxy.web.paths import path_of, path_of_name


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("9780141439518", "isbn/9780141439518"),
        ("isbn:9780141439518", "isbn/9780141439518"),
        ("oclc:52517734", "oclc/52517734"),
        ("local:koha:4711", "local:koha/4711"),
        ("local:koha:a:b/1 x", "local:koha/a%3Ab%2F1%20x"),
        ("doi:10.1000/182", "doi/10.1000%2F182"),
    ],
)
def test_a_listed_name_has_its_address(name: str, place: str) -> None:
    """An agency is part of the scheme, and only the value is quoted."""
    assert path_of_name(name) == place


@settings(max_examples=30)
@given(st.sampled_from(["isbn", "oclc", "doi", "local:koha"]), st.text(min_size=1).filter(str.strip))
def test_both_ways_to_an_address_agree(scheme: str, value: str) -> None:
    """An item's address is the same, made of it or of its name as text."""
    book = Identifier(scheme, value)
    assert path_of_name(str(book)) == path_of(book)

"""How numbers in mixed lists are told apart."""

import pytest

from coverproxy.web.shapes import identify


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("9780141439556", "isbn"), ("0-14-143955-6", "isbn"), ("080442957X", "isbn"),
        ("0378-5955", "issn"), ("2434561x", "issn"), ("96385074", "ean"), ("036000291452", "ean"),
        ("36000291452", "ean"), ("4006381333931", "ean"), ("00012345600012", "ean"),
        ("(OCOLC)000000012345678", "oclc"), ("(OCoLC)1", "oclc"), ("", "isbn"), ("nonsense", "isbn"),
    ],
)  # fmt: skip
def test_the_number_of_digits_decides(text: str, scheme: str) -> None:
    """Also for a UPC without its zero, and for an EAN of eight digits that is not an ISSN."""
    assert identify.scheme_of(text) == scheme

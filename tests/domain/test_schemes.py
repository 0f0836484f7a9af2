"""Identifier schemes: canonical spellings, refusals, and where the files of each lie."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain import schemes
from coverproxy.domain.errors import NotAnIdentifier, UnknownScheme
from coverproxy.domain.identifier import Identifier, Reading

READ = [
    ("lccn", "n78-890351", "n78890351"),
    ("lccn", "n78-89035", "n78089035"),
    ("lccn", "sa+64009056", "sa64009056"),
    ("lccn", "n 78890351 ", "n78890351"),
    ("lccn", " 85000002 ", "85000002"),
    ("lccn", "85-2 ", "85000002"),
    ("lccn", "2001-000002", "2001000002"),
    ("lccn", "75-425165//r75", "75425165"),
    ("lccn", " 79139101 /AC/r932", "79139101"),
    ("lccn", "sa 64009056", "sa64009056"),
    ("lccn", "LCCNsa64009056", "sa64009056"),
    ("lccn", "info:lccn/n78890351", "n78890351"),
    ("lccn", "N78-890351", "n78890351"),
    ("oclc", "ocm00012345", "12345"),
    ("oclc", "ocn123456789", "123456789"),
    ("oclc", "on1234567890", "1234567890"),
    ("oclc", "(OCoLC)12345", "12345"),
    ("oclc", "(OCoLC) 12345", "12345"),
    ("oclc", "(OCoLC)ocm00012345 ", "12345"),
    ("oclc", "(OCOLC)000000012345678", "12345678"),
    ("oclc", "ocl70012345", "12345"),
    ("oclc", "(OCoLC)on1144565418", "1144565418"),
    ("oclc", "OCLC12345", "12345"),
    ("oclc", "OCLC:12345", "12345"),
    ("issn", "0378-5955", "03785955"),
    ("issn", "9770378595002", "03785955"),
    ("issn", "977-0378-595-00-2", "03785955"),
    ("issn", "977037859500205", "03785955"),
    ("issn", "2434-561x", "2434561X"),
    ("issn", "9772434561006", "2434561X"),
    ("issn", "ISSN 0378\u20115955", "03785955"),
    ("ismn", "979-0-2600-0043-8", "9790260000438"),
    ("ismn", "M-2600-0043-8", "9790260000438"),
    ("ismn", "M230671187", "9790230671187"),
    ("ean", "036000291452", "0036000291452"),
    ("ean", "36000291452", "0036000291452"),
    ("ean", "761941349190", "0761941349190"),
    ("ean", "4006381333931", "4006381333931"),
    ("ean", "400-6381-333931", "4006381333931"),
    ("ean", "00012345600012", "0012345600012"),
    ("ean", "96385074", "96385074"),
    ("upc", "036000291452", "0036000291452"),
    ("ppn", "862934397", "862934397"),
    ("ppn", "PPN271755539", "271755539"),
    ("ppn", "1743032986", "1743032986"),
    ("olid", "ol7353617m", "OL7353617M"),
    ("olid", "/books/OL7353617M", "OL7353617M"),
    ("olid", "OL23919A", "OL23919A"),
    ("asin", "b0000bld7x", "B0000BLD7X"),
    ("doi", "https://doi.org/10.1000/ABC.Def", "10.1000/abc.def"),
    ("doi", "doi:10.1000/182", "10.1000/182"),
    ("isni", "0000 0001 2103 2683", "0000000121032683"),
    ("isni", "https://orcid.org/0000-0002-1825-0097", "0000000218250097"),
    ("viaf", "https://viaf.org/viaf/102333412/", "102333412"),
    ("wikidata", "http://www.wikidata.org/entity/q42", "Q42"),
    ("local:koha", "12345", "12345"),
    ("local:DE-599", "b1/x y\u00e4", "b1/x y\u00e4"),
    ("isbn", "0-545-01022-5", "9780545010221"),
]  # fmt: skip

ELSEWHERE = [
    ("ean", "9780545010221", "isbn", "9780545010221"),
    ("ean", "9791026900948", "isbn", "9791026900948"),
    ("ean", "9770378595002", "issn", "03785955"),
    ("ean", "9790260000438", "ismn", "9790260000438"),
    ("isbn", "9790260000438", "ismn", "9790260000438"),
    ("isbn", "979-0-2600-0043-8", "ismn", "9790260000438"),
    ("asin", "9790260000438", "ismn", "9790260000438"),
    ("asin", "0545010225", "isbn", "9780545010221"),
    ("asin", "080442957x", "isbn", "9780804429573"),
    ("asin", "9780545010221", "isbn", "9780545010221"),
]

REFUSED = [
    ("lccn", "n78-1234567"), ("lccn", "abcd12345678"), ("lccn", "n7889035"), ("lccn", ""), ("lccn", "85-"),
    ("oclc", "(DE-599)12345"), ("oclc", "0"), ("oclc", "000"), ("oclc", "123456789012345"), ("oclc", ""),
    ("oclc", "\u0661\u0662\u0663"), ("oclc", "12 345x"),
    ("issn", "0378-5954"), ("issn", "00000000"), ("issn", "9770378595003"), ("issn", "0378595"),
    ("ismn", "9780545010221"), ("ismn", "979-0-2600-0043-9"), ("ismn", "M260000439"),
    ("ean", "036000291453"), ("ean", "0000000000000"), ("ean", "96385075"), ("ean", "10012345600012"),
    ("ppn", "1743032988"), ("ppn", "000000000"), ("ppn", "X"), ("ppn", "12"),
    ("olid", "OL7353617X"), ("olid", "7353617M"), ("olid", "OL0M"),
    ("asin", "B0000BLD7"), ("asin", "B0000-BLD7X"), ("asin", "9780545010222"),
    ("doi", "11.1000/182"), ("doi", "10.1000"), ("doi", "10.1000/"), ("doi", "10.1000/a b"),
    ("isni", "0000000121032684"), ("isni", "0000000000000000"), ("viaf", "0123"), ("viaf", "1" * 23),
    ("wikidata", "42"), ("wikidata", "P42"),
    ("local:koha", ""), ("local:koha", "  "), ("local:koha", "a\x00b"), ("local:koha", "a" * 129),
    ("isbn", "9780545010222"), ("oclc", "1" * 401),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "text", "canonical"), READ)
def test_each_spelling_has_its_canonical_one(scheme: str, text: str, canonical: str) -> None:
    """Whatever spelling a catalogue sends, the identifier is the canonical one of its scheme."""
    name = schemes.named(scheme).name

    assert schemes.parse(scheme, text) == Reading((Identifier(name, canonical),))


@pytest.mark.parametrize(("scheme", "text", "owner", "canonical"), ELSEWHERE)
def test_a_number_of_another_scheme_goes_there(scheme: str, text: str, owner: str, canonical: str) -> None:
    """An EAN that is an ISBN, ISSN or ISMN, an "ISBN" of printed music, and an ASIN that is an ISBN, name the
    same item as those.
    """
    assert schemes.parse(scheme, text) == Reading((Identifier(owner, canonical),))


@pytest.mark.parametrize(("scheme", "text"), REFUSED)
def test_what_is_not_valid_is_refused(scheme: str, text: str) -> None:
    """A wrong check digit, a foreign prefix or a wrong length is an error that says why."""
    with pytest.raises(NotAnIdentifier) as caught:
        schemes.parse(scheme, text)

    assert caught.value.why
    assert schemes.named(scheme).title in str(caught.value)


def canonical_values(scheme: schemes.Scheme) -> st.SearchStrategy[str]:
    return st.from_regex(rf"\A(?:{scheme.pattern})\Z") | st.just(scheme.example)


@pytest.mark.parametrize("name", [*schemes.ALL, "local:koha"])
@given(data=st.data())
def test_canonical_of_canonical_is_itself(name: str, data: st.DataObject) -> None:
    """Reading a canonical value gives that value, in every scheme."""
    scheme = schemes.named(name)
    text = data.draw(canonical_values(scheme) | st.text(max_size=30))
    try:
        first = scheme.parse(text)
    except NotAnIdentifier:
        return
    for each in first.identifiers:
        assert schemes.parse(each.scheme, each.value).identifiers == (each,)


@pytest.mark.parametrize("name", schemes.ALL)
def test_the_example_is_canonical(name: str) -> None:
    """Each scheme's example is a canonical value that its own pattern matches."""
    scheme = schemes.ALL[name]

    assert scheme.parse(scheme.example) == Reading((Identifier(name, scheme.example),))
    assert re.fullmatch(scheme.pattern, scheme.example)


@pytest.mark.parametrize("name", schemes.ALL)
@given(data=st.data())
def test_what_is_read_matches_the_pattern(name: str, data: st.DataObject) -> None:
    """Whatever a scheme reads as its own matches the pattern that a web server is given, but odd DOIs."""
    scheme = schemes.ALL[name]
    try:
        found = scheme.parse(data.draw(st.text("0123456789XxMmABolOLQqn -/.", max_size=20)))
    except NotAnIdentifier:
        return
    own = [each for each in found.identifiers if each.scheme == name]
    assert name == "doi" or all(re.fullmatch(scheme.pattern, each.value) for each in own)


VALUES = st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable() and text == text.strip())


@given(VALUES, VALUES)
def test_a_record_number_makes_a_safe_name_of_its_own(first: str, second: str) -> None:
    """Any record number becomes one plain file name: no slash, no leading dot, and never another one's."""
    scheme = schemes.named("local:koha")
    (one,), (other,) = scheme.stems(first), scheme.stems(second)

    assert re.fullmatch(r"[0-9A-Za-z_=-][0-9A-Za-z._=-]*", one)
    assert len(one) <= 200
    assert (one == other) == (first == second)


def test_short_values_lie_under_zeros() -> None:
    """The shard is the four characters before the last, filled up with zeros."""
    assert schemes.shard(Identifier("oclc", "123")) == ("00", "12")
    assert schemes.shard(Identifier("oclc", "1")) == ("00", "00")
    assert schemes.shard(Identifier("oclc", "1234567")) == ("34", "56")
    assert schemes.shard(Identifier("isbn", "9780545010221")) == ("10", "22")
    assert schemes.shard(Identifier("local:koha", "a..../")) == ("__", "=2")


def test_scheme_names_are_taken_in_any_case() -> None:
    """A scheme has one name in lower case; the operator's agencies too."""
    assert schemes.named("OCLC") is schemes.ALL["oclc"]
    assert schemes.named("Local:DE-599").name == "local:de-599"


@pytest.mark.parametrize(
    "name", ["", "isbn13", "local", "local:", "local:a/b", "local:..", "nope", "local:a:b"]
)
def test_unknown_schemes_are_refused(name: str) -> None:
    """A scheme that nobody has defined is an error that lists those there are."""
    with pytest.raises(UnknownScheme, match="isbn"):
        schemes.named(name)


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("oclc:ocm00012345", Identifier("oclc", "12345")),
        ("ISSN:0378-5955", Identifier("issn", "03785955")),
        ("local:koha:a:b", Identifier("local:koha", "a:b")),
        ("ISBN: 0545010225", Identifier("isbn", "9780545010221")),
        ("urn:isbn:0545010225", Identifier("isbn", "9780545010221")),
        ("0545010225", Identifier("isbn", "9780545010221")),
    ],
)
def test_a_prefix_names_the_scheme(text: str, identifier: Identifier) -> None:
    """`scheme:value` is read by that scheme; without one it is an ISBN. What is printed can be read."""
    assert schemes.read(text).identifiers == (identifier,)
    assert schemes.read(str(identifier)).identifiers == (identifier,)


def test_pick_takes_the_first_with_a_cover() -> None:
    """Of several readings the first with a cover is served; contradicting ones only if it is alone."""
    one, two = Identifier("isbn", "1"), Identifier("isbn", "2")

    assert Reading((one, two)).pick({two, one}) == one
    assert Reading((one, two)).pick({two}) == two
    assert Reading((one, two)).pick(set()) is None
    assert Reading((one, two), only_one=True).pick({one, two}) is None
    assert Reading((one, two), only_one=True).pick({two}) == two
    assert Reading((one, two), only_one=True).sure is None
    assert Reading((one, two)).sure == one


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("9780141439518", "ISBN 978-0-14-143951-8"),
        ("9791090724518", "ISBN 979-10-90724-51-8"),
        ("9786300000001", "ISBN 9786300000001"),
        ("issn:03785955", "ISSN 0378-5955"),
        ("oclc:42", "OCLC 42"),
        ("local:dlc:a:b", "dlc a:b"),
        ("isni:0000000121032683", "ISNI 0000000121032683"),
        ("gone:42", "gone:42"),
    ],
)
def test_identifiers_as_people_write_them(name: str, told: str) -> None:
    """With the mark and the hyphens that stand on the book; as it is where its scheme is gone."""
    assert schemes.for_people(schemes.unlisted(name)) == told

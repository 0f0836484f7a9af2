"""MARC records: which fields name the item, its cover and its relatives."""

import io

import pymarc
import pytest

from coverproxy.domain.item_title import ItemTitle
from coverproxy.feeds import marc
from coverproxy.feeds.kinds import FileKind, kind_of
from coverproxy.feeds.marc import Field, MarcRules, record
from coverproxy.feeds.record import Action, FeedUnreadable, RecordRelation, SentIdentifier

URL = "https://files.example.org/c.jpg"


def field(tag: str, indicators: str = "  ", **subfields: str) -> Field:
    """A data field; `a="x"` is $a x."""
    return Field(tag, indicators, tuple(subfields.items()))


def control(tag: str, value: str) -> Field:
    return Field(tag, "  ", (("", value),))


def ids(*fields: Field, rules: MarcRules | None = None) -> list[tuple[str, str]]:
    """The identifiers of a record with these fields."""
    found = record(list(fields), 1, rules or MarcRules())
    return [(each.scheme, each.text) for each in found.identifiers]


def test_the_first_isbn_names_the_item() -> None:
    """020 $a without "set", and its other form; not cancelled ones ($z), sets and other bindings."""
    fields = (
        field("020", a="9780000100054", q="set"),
        field("020", a="9780000100023 (hardback)"),
        field("020", a="0000100021"),
        field("020", a="9780000100030", q="paperback"),
        field("020", z="9780000100099"),
    )

    assert ids(*fields) == [("isbn", "9780000100023 (hardback)"), ("isbn", "0000100021")]
    assert len(ids(*fields, rules=MarcRules(all_isbns=True))) == 4


def test_other_numbers() -> None:
    """ISSN, UPC, ISMN, EAN, LCCN, OCLC and the record's own number have their fields; $y does not count."""
    assert ids(
        control("001", "123"),
        control("003", "DE-627"),
        field("022", a="2999-0009", y="2999-0017"),
        field("024", "1 ", a="036000291452"),
        field("024", "2 ", a="M230671187"),
        field("024", "3 ", a="4006381333931"),
        field("024", "7 ", a="10.1/x"),
        field("010", a="n  2099000001"),
        field("035", a="(OCoLC)ocn990000001"),
        field("035", a="(DE-599)12345"),
    ) == [
        ("issn", "2999-0009"),
        ("ean", "036000291452"),
        ("ismn", "M230671187"),
        ("ean", "4006381333931"),
        ("lccn", "n  2099000001"),
        ("oclc", "(OCoLC)ocn990000001"),
        ("local:de-627", "123"),
    ]


def test_a_record_number_without_agency() -> None:
    """A record without 003 is named by the agency of the config."""
    assert ids(control("001", "7"), rules=MarcRules(agency="koha")) == [("local:koha", "7")]


@pytest.mark.parametrize(
    ("link", "taken"),
    [
        (field("856", "42", **{"3": "Cover image", "u": URL}), True),
        (field("856", "42", **{"3": "Umschlagbild", "u": "https://h/x", "q": "image/jpeg"}), True),
        (field("856", "42", z="Couverture", u="https://h/x.PNG?v=1"), True),
        (field("856", "41", **{"3": "Cover image", "u": URL}), False),
        (field("856", "42", **{"3": "Table of contents", "u": URL}), False),
        (field("856", "42", **{"3": "Cover image", "u": "https://h/cover.html"}), False),
        (field("856", "42", **{"3": "Cover image", "u": f" {URL} "}), True),
        (field("856", "42", z="Cover", u="https://h/get?name=c.jpg"), True),
        (field("856", "40", z="Cover", u=URL), False),
        (field("856", "42", u=URL), False),
        (field("856", "42", z="Cover"), False),
    ],
)
def test_what_is_a_cover(link: Field, taken: bool) -> None:
    """856 42 with a note that speaks of a cover, and an image by type or name."""
    found = record([link], 1, MarcRules())

    assert bool(found.links) is taken
    assert found.action is (Action.REPLACE if taken else Action.LEAVE)


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        (
            [
                field("100", "1 ", a="Austen, Jane,", d="1775-1817"),
                field("245", "10", a="Emma :", b="a novel /"),
            ],
            ItemTitle("Emma: a novel", "Jane Austen"),
        ),
        (
            [
                field("245", "00", a="\x98Die\x9c Werke", n="Bd. 2", p="Dramen"),
                field("110", "2 ", a="Ein Verlag"),
            ],
            ItemTitle("Die Werke. Bd. 2. Dramen", "Ein Verlag"),
        ),
        (
            [field("100", "0 ", a="Homer"), field("245", "04", a="The Iliad.")],
            ItemTitle("The Iliad", "Homer"),
        ),
        ([field("100", "1 ", a="Austen, Jane")], None),
    ],
    ids=["ISBD", "parts", "forename", "none"],
)
def test_titles(fields: list[Field], title: ItemTitle | None) -> None:
    """245 without the punctuation between its parts, and who wrote it."""
    assert record(fields, 1, MarcRules()).title == title


def test_relations() -> None:
    """776 links another form, 775 another edition, 765 and 767 a translation, by ISBN or ISSN."""
    found = record(
        [field("776", "08", z="9780000100061", x="2999-0009"), field("765", z="9791099900005")],
        1,
        MarcRules(),
    )

    assert found.relations == (
        RecordRelation("format", SentIdentifier("isbn", "9780000100061"), "marc-776"),
        RecordRelation("format", SentIdentifier("issn", "2999-0009"), "marc-776"),
        RecordRelation("translation", SentIdentifier("isbn", "9791099900005"), "marc-765"),
    )


def sample() -> pymarc.Record:
    """A record with a cover, as a library system writes it."""
    made = pymarc.Record()
    made.add_field(  # type: ignore[no-untyped-call]
        pymarc.Field("001", data="42"),
        pymarc.Field("020", pymarc.Indicators(" ", " "), [pymarc.Subfield("a", "9780000100009")]),
        pymarc.Field("245", pymarc.Indicators("1", "0"), [pymarc.Subfield("a", "Bücher, naïve Ängste")]),
        pymarc.Field(
            "856", pymarc.Indicators("4", "2"), [pymarc.Subfield("3", "Cover"), pymarc.Subfield("u", URL)]
        ),
    )
    made.leader = pymarc.Leader("00000nam a2200000 a 4500")
    return made


def test_both_forms_say_the_same() -> None:
    """A record as ISO 2709 and as MARCXML gives the same identifiers and links."""
    body = sample().as_marc()
    text = b'<collection xmlns="http://www.loc.gov/MARC21/slim">%s</collection>' % pymarc.record_to_xml(  # type: ignore[no-untyped-call]
        sample()
    )

    (binary,) = marc.records(io.BytesIO(body), MarcRules())
    (xml,) = marc.xml_records(io.BytesIO(text), MarcRules())
    assert (binary.identifiers, binary.links) == (xml.identifiers, xml.links)
    assert binary.links[0].address == URL


def test_a_damaged_record_is_reported() -> None:
    """One record that cannot be read says so by its number; those around it are read."""
    good = sample().as_marc()
    damaged = good[:24] + b"xxxxxxxxxxxx" + good[36:]

    found = list(marc.records(io.BytesIO(good + damaged + good), MarcRules()))
    assert [each.action for each in found] == [Action.REPLACE, Action.LEAVE, Action.REPLACE]
    assert found[1].why.startswith("record 2: ")


@pytest.mark.parametrize("body", [b"<html/>", b"no marc at all, but long enough to be read", b"\xff\xd8\xff"])
def test_what_is_not_marc_is_refused(body: bytes) -> None:
    """Neither form is read out of something else."""
    with pytest.raises(FeedUnreadable):
        list(marc.xml_records(io.BytesIO(body), MarcRules()))
    with pytest.raises(FeedUnreadable):
        list(marc.records(io.BytesIO(body), MarcRules()))


@pytest.mark.parametrize("length", [b"00000", b"00004", b"99999", b"00031", b"-0001"])
def test_a_wrong_length_in_a_leader_harms_nothing(length: bytes) -> None:
    """Records are told by their terminators: those before and after one with a wrong length are read too."""
    made = pymarc.Record(force_utf8=True)
    field = pymarc.Field("020", pymarc.Indicators(" ", " "), [pymarc.Subfield("a", "9780141439518")])
    made.add_field(field)  # type: ignore[no-untyped-call]
    plain = made.as_marc()
    found = list(
        marc.records(io.BytesIO(plain + b"\r\n" + length + plain[5:] + plain + b"\x1a"), marc.MarcRules())
    )
    assert [[each.text for each in one.identifiers] for one in found] == [["9780141439518"]] * 3


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\r\n\x1a"])
@pytest.mark.parametrize(
    ("at", "leader"),
    [(0, b"     "), (0, b"#" * 24), (12, b"00000"), (12, b"xxxxx"), (9, b" "), (9, b"#"), (10, b"  ")],
)
def test_a_damaged_leader_harms_nothing(start: bytes, at: int, leader: bytes) -> None:
    """The record is told by its separators, also if it is the file's first, and its numbers are read."""
    good = sample().as_marc()
    body = start + good[:at] + leader + good[at + len(leader) :] + good

    assert kind_of(body) is FileKind.MARC
    found = list(marc.records(io.BytesIO(body), MarcRules()))
    assert [[each.text for each in one.identifiers] for one in found] == [["9780000100009", "42"]] * 2
    assert [one.links[0].address for one in found] == [URL] * 2


@pytest.mark.parametrize("coding", [b"a", b" "])
@pytest.mark.parametrize("letter", ["é".encode(), b"\xe9", b"\xe2e", b"\x1bp2\x1bs"])
def test_text_in_another_encoding_harms_nothing(coding: bytes, letter: bytes) -> None:
    """MARC-8, UTF-8 and Latin 1, also where the leader says another: numbers and links are read."""
    good = sample().as_marc()
    name = "naïve Ängste".encode()
    body = good.replace(name, letter + b"x" * (len(name) - len(letter)))
    (found,) = marc.records(io.BytesIO(body[:9] + coding + body[10:]), MarcRules())
    assert [each.text for each in found.identifiers] == ["9780000100009", "42"]
    assert found.links[0].address == URL


@pytest.mark.parametrize(
    ("text", "is_inside"),
    [
        ('<record xmlns="http://www.loc.gov/MARC21/slim">{}</record>', True),
        ('<m:record xmlns:m="http://www.loc.gov/MARC21/slim">{}</m:record>', False),
        ("<collection><record>{}</record></collection>", True),
        ('<zs:searchRetrieveResponse xmlns:zs="http://docs.oasis-open.org/ns/search-ws/sruResponse">'
         '<zs:records><zs:record><zs:recordData><record xmlns="http://www.loc.gov/MARC21/slim">{}</record>'
         "</zs:recordData></zs:record></zs:records></zs:searchRetrieveResponse>", True),
        ('<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record><metadata>'
         '<record xmlns="http://www.loc.gov/MARC21/slim">{}</record></metadata></record></ListRecords>'
         "</OAI-PMH>", True),
    ],
)  # fmt: skip
def test_marcxml_in_its_wrappings(text: str, is_inside: bool) -> None:
    """A lone record, prefixed names, no namespace, and the answers of SRU and OAI-PMH, are read alike."""
    prefix = "" if is_inside else "m:"
    fields = (
        f'<{prefix}datafield tag="020" ind1=" " ind2=" "><{prefix}subfield code="a">9780000100009</{prefix}'
        f"subfield></{prefix}datafield>"
    )
    body = text.format(fields).encode()
    assert kind_of(body) is FileKind.MARC_XML
    found = list(marc.xml_records(io.BytesIO(body), MarcRules()))
    assert [each.text for one in found for each in one.identifiers] == ["9780000100009"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "iso-8859-1"])
def test_marcxml_in_other_encodings(encoding: str) -> None:
    """Also without a byte order mark."""
    text = (
        f'<?xml version="1.0" encoding="{encoding[:6] if encoding[0] == "u" else encoding}"?><collection>'
        '<record><controlfield tag="001">ä7</controlfield></record></collection>'
    )
    body = text.encode(encoding)
    assert kind_of(body) is FileKind.MARC_XML
    (found,) = marc.xml_records(io.BytesIO(body), MarcRules())
    assert [each.text for each in found.identifiers] == ["ä7"]


def test_what_has_no_end_is_bounded() -> None:
    """Bytes without a terminator are not collected without end."""
    with pytest.raises(FeedUnreadable, match="more than 1,000,000 bytes"):
        list(marc.records(io.BytesIO(b"00000nam a" * 200_000), marc.MarcRules()))

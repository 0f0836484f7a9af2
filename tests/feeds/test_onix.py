"""ONIX as publishers send it: which record means which cover."""

import io
import tracemalloc
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain.item_title import ItemTitle
from coverproxy.feeds import onix
from coverproxy.feeds.kinds import FileKind, kind_of
from coverproxy.feeds.onix import OnixRules, records
from coverproxy.feeds.record import Action, FeedUnreadable, Link, Record, SentIdentifier, ShowingPeriod

ISBN = "9780000100009"
NAMESPACE = 'xmlns="http://ns.editeur.org/onix/3.0/reference"'
FRONT = "https://files.example.org/front.jpg"


def message(*products: str, namespace: str = NAMESPACE, release: str = "3.0") -> bytes:
    """A whole ONIX message around products."""
    head = "<Header><Sender><SenderName>Invented House</SenderName></Sender></Header>"
    inside = "\n".join(products)
    return f'<ONIXMessage release="{release}" {namespace}>\n{head}\n{inside}\n</ONIXMessage>'.encode()


def product(inside: str = "", kind: str = "03", reference: str = "org.example.1") -> str:
    """A product of 3.0 with an ISBN."""
    return (
        f"<Product><RecordReference>{reference}</RecordReference><NotificationType>{kind}</NotificationType>"
        "<ProductIdentifier><ProductIDType>15</ProductIDType>"
        f"<IDValue>{ISBN}</IDValue></ProductIdentifier>{inside}</Product>"
    )


def resource(
    link: str = FRONT, content: str = "01", audience: str = "00", mode: str = "03", form: str = "02",
    features: dict[str, str] | None = None, inside: str = "", dates: str = "",
) -> str:  # fmt: skip
    """A supporting resource with one version."""
    told = "".join(
        f"<ResourceVersionFeature><ResourceVersionFeatureType>{code}</ResourceVersionFeatureType>"
        f"<FeatureValue>{value}</FeatureValue></ResourceVersionFeature>"
        for code, value in (features or {}).items()
    )
    return (
        f"<SupportingResource><ResourceContentType>{content}</ResourceContentType>"
        f"<ContentAudience>{audience}</ContentAudience><ResourceMode>{mode}</ResourceMode>{dates}"
        f"<ResourceVersion><ResourceForm>{form}</ResourceForm>{told}<ResourceLink>{link}</ResourceLink>{inside}"
        "</ResourceVersion></SupportingResource>"
    )


def collateral(*resources: str) -> str:
    return f"<CollateralDetail>{''.join(resources)}</CollateralDetail>"


def read(body: bytes, rules: OnixRules | None = None) -> list[Record]:
    return list(records(io.BytesIO(body), rules or OnixRules()))


def one(inside: str = "", kind: str = "03", rules: OnixRules | None = None) -> Record:
    (found,) = read(message(product(inside, kind)), rules)
    return found


@pytest.mark.parametrize("kind", ["01", "02", "03"])
def test_a_whole_record_replaces(kind: str) -> None:
    """Notification types 01 to 03 are whole records: their front cover takes its predecessor's place."""
    found = one(collateral(resource()), kind)

    assert (found.action, found.links) == (Action.REPLACE, (Link(FRONT),))
    assert found.identifiers == (SentIdentifier("isbn", ISBN),)
    assert (found.reference, found.line) == ("org.example.1", 3)


def test_a_whole_record_without_a_cover_withdraws() -> None:
    """A whole record that has a front cover no longer takes the feed's picture back."""
    assert one(collateral(resource(content="02"))).action is Action.WITHDRAW


def test_an_update_touches_covers_only_with_block_2() -> None:
    """Type 04 replaces blocks: without CollateralDetail it says nothing about covers."""
    assert one("<PublishingDetail/>", "04").action is Action.LEAVE
    assert one(collateral(resource()), "04").action is Action.REPLACE
    assert one(collateral(), "04").action is Action.WITHDRAW


def test_a_deletion_withdraws() -> None:
    """Type 05 withdraws the feed's picture; nothing else of the record counts."""
    assert one(collateral(resource()), "05").action is Action.WITHDRAW


@pytest.mark.parametrize("kind", ["88", "89", "08", ""])
def test_tests_and_sales_are_passed_over(kind: str) -> None:
    """Test records and notices of sale leave covers as they are, and say why."""
    found = one(collateral(resource()), kind)

    assert found.action is Action.LEAVE
    assert found.why


@pytest.mark.parametrize(
    ("content", "audience", "mode"),
    [("02", "00", "03"), ("04", "00", "03"), ("01", "04", "03"), ("01", "07", "03"),
     ("01", "00", "02"), ("29", "00", "03"), ("01", "01", "03"), ("01", "02", "03"),
     ("01", "00", "04"), ("03", "00", "03")],
)  # fmt: skip
def test_only_front_covers_for_everybody(content: str, audience: str, mode: str) -> None:
    """Back covers, authors, wraparounds, packs, videos and pictures for the trade are not taken."""
    assert one(collateral(resource(content=content, audience=audience, mode=mode))).links == ()


def test_the_operator_allows_more() -> None:
    """Packs and trade audiences are taken where the rules say so; restricted pictures (01) never are."""
    rules = OnixRules(audiences=frozenset({"00", "02"}), contents=("01", "03"))
    pack = resource("https://files.example.org/pack.jpg", content="03", features={"02": "9000", "03": "9000"})
    found = one(collateral(pack, resource(audience="02"), resource("no", audience="01")), rules=rules)

    assert [each.address for each in found.links] == [FRONT, "https://files.example.org/pack.jpg"]


def test_the_largest_version_comes_first() -> None:
    """Versions to be hosted are ordered by pixels; those that may only be linked to are left out."""
    small = resource("small", features={"02": "300", "03": "200"})
    large = resource("large", features={"02": "1200px", "03": "800", "07": "51935", "08": "AB" * 32})
    linked = resource("linked", form="01", features={"02": "9000", "03": "9000"})

    found = one(collateral(small, linked, large))

    assert [each.address for each in found.links] == ["large", "small"]
    assert found.links[0] == Link("large", width=800, height=1200, length=51935, sha256="ab" * 32)
    allowed = one(collateral(small, linked, large), rules=OnixRules(copies_linkable=True))
    assert [each.address for each in allowed.links] == ["large", "small", "linked"]


def test_dates_are_obeyed() -> None:
    """Content dates 14, 15, 27 and 28 bound when a picture is shown; 17 says when it changed."""

    def dated(role: str, day: str) -> str:
        return f"<ContentDate><ContentDateRole>{role}</ContentDateRole><Date>{day}</Date></ContentDate>"

    terms = dated("14", "20260105") + dated("15", "20270201") + dated("28", "2027")
    found = one(collateral(resource(dates=terms, inside=dated("17", "20261015T0900Z"))))

    assert found.links[0].terms == ShowingPeriod(date(2026, 1, 5), date(2027, 1, 1))
    assert found.links[0].changed == date(2026, 10, 15)


def test_dates_are_a_versions_own() -> None:
    """Of two versions or resources, the dates of one do not limit the other."""
    ended = "<ContentDate><ContentDateRole>15</ContentDateRole><Date>2020</Date></ContentDate>"
    rules = OnixRules(contents=("01", "03"))
    found = one(
        collateral(
            resource("a", inside=ended), resource("b"), resource("pack", content="03", dates=ended)
        ),
        rules=rules,
    )  # fmt: skip
    over = ShowingPeriod(None, date(2020, 1, 1))
    assert [(each.address, each.terms) for each in found.links] == [
        ("a", over), ("b", ShowingPeriod()), ("pack", over)
    ]  # fmt: skip


def test_a_file_name_beside_a_link_is_the_next_to_try() -> None:
    """Feature 04 names a file that lies beside the feed, with a link or without one."""
    found = one(
        collateral(resource(FRONT, features={"04": "front.tif"}), resource("", features={"04": "b.jpg"}))
    )
    assert [each.address for each in found.links] == [FRONT, "front.tif", "b.jpg"]


@pytest.mark.parametrize("encoding", ["iso-8859-1", "windows-1252", "utf-16", "utf-16-le", "utf-8-sig"])
@pytest.mark.parametrize("is_short", [False, True])
def test_encodings(encoding: str, is_short: bool) -> None:
    """Declared encodings, byte order marks, UTF-16 without one, CDATA and a DOCTYPE: all of it is ONIX."""
    whole = message(product(collateral(resource("<![CDATA[https://h/ä.jpg?a=1&b=2]]>"))))
    text = (short(whole) if is_short else whole).decode()
    named = {"utf-16-le": "utf-16", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    head = f'<?xml version="1.0" encoding="{named}"?><!-- ä --><!DOCTYPE ONIXMessage SYSTEM "x.dtd" [\n]>'
    body = (head + text).encode(encoding)
    assert kind_of(body) is FileKind.ONIX
    (found,) = read(body)
    assert [each.address for each in found.links] == ["https://h/ä.jpg?a=1&b=2"]


@pytest.mark.parametrize(
    ("kind", "value", "scheme"),
    [
        ("15", ISBN, "isbn"), ("03", ISBN, "ean"), ("02", "0000100005", "isbn"), ("24", ISBN, "isbn"),
        ("04", "036000291452", "ean"), ("14", "09780000100009", "ean"), ("25", "9790260000438", "ismn"),
        ("05", "M260000438", "ismn"), ("13", "n78890351", "lccn"), ("23", "12345", "oclc"),
        ("06", "10.1000/182", "doi"), ("01", "A 7", "local:sender"), ("99", "x", None),
        ("17", "DL 7", "local:legal-deposit"),
    ],
)  # fmt: skip
def test_product_identifier_types(kind: str, value: str, scheme: str | None) -> None:
    """List 5: each type that names an item does, by its scheme; others do not."""
    body = message(product().replace(
        f"<ProductIDType>15</ProductIDType><IDValue>{ISBN}</IDValue>",
        f"<ProductIDType>{kind}</ProductIDType><IDValue>{value}</IDValue>",
    ))  # fmt: skip
    (found,) = read(body)
    assert found.identifiers == ((SentIdentifier(scheme, value),) if scheme else ())


def test_identifiers_are_the_products_own() -> None:
    """Those of related products and of chapters' pictures are not taken for the product's."""
    related = (
        "<RelatedMaterial><RelatedProduct><ProductIdentifier><ProductIDType>15</ProductIDType>"
        "<IDValue>9780000100016</IDValue></ProductIdentifier></RelatedProduct></RelatedMaterial>"
    )
    chapter = f"<ContentDetail><ContentItem>{resource('chapter')}</ContentItem></ContentDetail>"
    own = (
        "<ProductIdentifier><ProductIDType>01</ProductIDType><IDTypeName>House No.</IDTypeName>"
        "<IDValue>INV 2</IDValue></ProductIdentifier>"
    )
    found = one(own + collateral(resource()) + chapter + related)

    assert found.identifiers == (SentIdentifier("isbn", ISBN), SentIdentifier("local:house-no", "INV 2"))
    assert [each.address for each in found.links] == [FRONT]


def element(inside: str, level: str = "01") -> str:
    level = f"<TitleElementLevel>{level}</TitleElementLevel>"
    return f"<TitleElement>{level}{inside}</TitleElement>"


def contributor(role: str, name: str) -> str:
    return f"<Contributor><ContributorRole>{role}</ContributorRole>{name}</Contributor>"


def titled(inside: str, *contributors: str) -> str:
    """A block 1 with a title of another type, and one of a series, before the product's own."""
    series = element("<TitleText>A series</TitleText>", "02")
    details = "".join(
        f"<TitleDetail><TitleType>{kind}</TitleType>{each}</TitleDetail>"
        for kind, each in (("03", element("<TitleText>Other</TitleText>")), ("01", series + element(inside)))
    )
    return f"<DescriptiveDetail>{details}{''.join(contributors)}</DescriptiveDetail>"


@pytest.mark.parametrize(
    ("inside", "title"),
    [
        (titled("<TitleText>Emma</TitleText><Subtitle>A novel</Subtitle>"), ItemTitle("Emma: A novel")),
        (
            titled(
                "<TitlePrefix>The</TitlePrefix><TitleWithoutPrefix>Tower</TitleWithoutPrefix>",
                contributor("B06", "<PersonName>T. Ranslator</PersonName>"),
                contributor("A01", "<PersonNameInverted>Doe, Ann</PersonNameInverted>"),
            ),
            ItemTitle("The Tower", "Ann Doe"),
        ),
        (
            "<Title><TitleType>01</TitleType><TitleText>Emma</TitleText></Title>"
            + contributor("A01", "<NamesBeforeKey>Jane</NamesBeforeKey><KeyNames>Austen</KeyNames>"),
            ItemTitle("Emma", "Jane Austen"),
        ),
        ("<DistinctiveTitle>Emma</DistinctiveTitle>", ItemTitle("Emma")),
        ("", None),
    ],
    ids=["3.0", "parts", "2.1", "earlier", "none"],
)
def test_titles(inside: str, title: ItemTitle | None) -> None:
    """The product's own distinctive title and its first author, in any release; with short tags, too."""
    body = message(product(inside))

    assert [each.title for each in read(body)] == [each.title for each in read(short(body))] == [title]


def short(reference_tags: bytes) -> bytes:
    """The same message by short tags."""
    text = reference_tags.decode()
    for tag, name in onix._SHORT.items():
        text = text.replace(f"<{name}>", f"<{tag}>").replace(f"</{name}>", f"</{tag}>")
    return text.replace("ONIXMessage", "ONIXmessage").replace("reference", "short").encode()


def test_short_tags_say_the_same() -> None:
    """A message by short tags gives the same records as by reference tags."""
    whole = message(product(collateral(resource(features={"02": "300", "03": "200"}))), product("", "05"))

    assert read(short(whole)) == read(whole)


def test_release_2_1() -> None:
    """2.1's media files: high quality (06) before the plain front (04); links by FTP and file name count."""

    def media(kind: str, link: str, type_of_link: str = "01") -> str:
        return (
            f"<MediaFile><MediaFileTypeCode>{kind}</MediaFileTypeCode><MediaFileLinkTypeCode>{type_of_link}"
            f"</MediaFileLinkTypeCode><MediaFileLink>{link}</MediaFileLink></MediaFile>"
        )

    inside = media("04", "a.jpg", "06") + media("05", "whole.jpg") + media("06", "ftp://h/b.jpg", "05")
    body = message(product(inside), namespace="", release="2.1")

    (found,) = read(body)
    assert [each.address for each in found.links] == ["ftp://h/b.jpg", "a.jpg"]
    assert not found.links[1].is_url


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "line 0|line 1"),
        (b"<html><body>not found</body></html>", "it has no ONIX product"),
        (b"\xff\xd8\xff\xe0 a picture", "line 1"),
        (message(product())[:-40], "line 3"),
    ],
)
def test_what_is_not_onix_is_refused(body: bytes, why: str) -> None:
    """The error says in which line the reading ended, or what is missing."""
    with pytest.raises(FeedUnreadable, match=why):
        read(body)


def test_records_before_a_break_are_good() -> None:
    """A file that breaks off gives the records before that place, then the error."""
    body = message(*[product(collateral(resource()))] * 3)[:-200]
    stream = records(io.BytesIO(body), OnixRules())

    assert next(stream).action is Action.REPLACE
    with pytest.raises(FeedUnreadable):
        list(stream)


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    """Neither a file of this machine nor a billion laughs gets into a record."""
    (tmp_path / "secret").write_text("secret words")
    laughs = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    doctype = f'<!DOCTYPE ONIXMessage [<!ENTITY a0 "ha">{laughs}]>'
    file = f'<!DOCTYPE ONIXMessage [<!ENTITY f SYSTEM "{tmp_path}/secret">]>'

    with pytest.raises(FeedUnreadable, match="amplification"):
        read(doctype.encode() + message(product("", reference="x&a9;")))
    assert read(file.encode() + message(product("", reference="x&f;")))[0].reference == "x&f;"


def test_a_doctype_of_2_1_is_harmless() -> None:
    """2.1 names its DTD and uses its entities: nothing is fetched, and the record is read without them."""
    doctype = (
        '<!DOCTYPE ONIXMessage SYSTEM "http://www.editeur.org/onix/2.1/reference/onix-international.dtd">'
    )
    body = doctype.encode() + message(product("<TitleText>Caf&eacute;</TitleText>", "05"), namespace="")

    assert read(body)[0].action is Action.WITHDRAW


def test_memory_is_bounded() -> None:
    """Two thousand products take no more memory than a few; one endless product is refused."""
    many = message(*[product(collateral(resource()))] * 2_000)
    tracemalloc.start()
    count = sum(1 for _ in records(io.BytesIO(many), OnixRules()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 2_000
    assert peak < len(many) / 4
    with pytest.raises(FeedUnreadable, match="one ONIX product has more than"):
        read(message(product("<x>y</x>" * (onix.MAX_PRODUCT_BYTES // 8 + 1))))


@given(st.text(max_size=12), st.sampled_from(["width", "date"]))
def test_odd_values_are_not_known(text: str, kind: str) -> None:
    """A count or a date that cannot be read is None, never an error."""
    assert onix._number(text) is None or kind
    assert onix._date(text) is None or isinstance(onix._date(text), date)

"""What senders' files become: ONIX, MARC, zips and lists, each told by its content."""

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pymarc
import pytest
from click.testing import CliRunner
from library import BOOK, OTHERS, Library
from link_host import LinkHost, link_host
from senders import BLUE, GREEN, RED, bytes_of, dated, feature, onix, product, take, zip_of

from coverproxy.cli import main
from coverproxy.domain.editions import Relation
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.list_text import NotAList
from coverproxy.domain.original import Original, OriginalState, Terms
from coverproxy.originals.examine import Candidate, Refusal
from coverproxy.service.import_file import offered
from coverproxy.service.import_steps import Sender
from coverproxy.storage import packed_text

SAMPLES = Path(__file__).resolve().parents[3] / "shared/data/samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty folder of covers, and no data folder yet."""
    return Library(tmp_path)


@pytest.fixture
def host() -> Iterator[LinkHost]:
    """A host of pictures."""
    with link_host({"/blue.jpg": BLUE, "/red.jpg": RED}) as opened:
        yield opened


# --- ONIX: what is replaced, taken back, left


def test_a_later_record_replaces_its_picture_and_a_delete_takes_it_back(library: Library) -> None:
    """A sender's record has one picture, the last; 05 withdraws it, and what others brought stays."""
    library.take_in(library.put(f"{BOOK}.jpg", GREEN), source="scans")
    library.put("blue.jpg", BLUE)
    library.put("red.jpg", RED)
    assert take(library, onix(library, product("blue.jpg"))).added == 1
    assert take(library, onix(library, product("red.jpg"))).replaced == 1
    assert {each.source for each in library.originals()} == {"house", "scans"}
    assert set(bytes_of(library)) == {RED, GREEN}
    assert take(library, onix(library, product(None, kind="04"))).passed == 1
    report = take(library, onix(library, product(None, kind="05")))
    assert (report.withdrawn, report.refused.total()) == (1, 0)
    assert bytes_of(library) == [GREEN]
    assert library.is_consistent()
    with library.shelf() as shelf:
        deed = shelf.catalogue.decisions.history(Identifier(ISBN, BOOK), most=1)[0]
    assert (deed.who, deed.act, deed.note) == ("feed house", "remove", "the sender withdraws the record (05)")


def test_a_record_that_names_another_book_moves_its_picture(library: Library) -> None:
    """A corrected ISBN leaves nothing behind under the wrong one."""
    library.put("blue.jpg", BLUE)
    take(library, onix(library, product("blue.jpg", isbn=OTHERS[0])))
    report = take(library, onix(library, product("blue.jpg")))
    assert (report.added, report.replaced) == (1, 1)
    assert bytes_of(library, OTHERS[0]) == []
    assert bytes_of(library) == [BLUE]


@pytest.mark.parametrize("state", ["pinned", "hidden"])
def test_what_a_person_decided_stays(library: Library, state: str) -> None:
    """Neither a delete nor a restricted picture touches what a person chose or hid."""
    library.put("blue.jpg", BLUE)
    take(library, onix(library, product("blue.jpg")))
    with library.shelf() as shelf:
        is_hidden = state == "hidden"
        shelf.catalogue.decide(
            library_original(shelf), OriginalState.HIDDEN if is_hidden else None, is_pinned=not is_hidden
        )
    assert take(library, onix(library, product(None, kind="05"))).withdrawn == 0
    assert take(library, onix(library, product("x.jpg", audience="01"))).withdrawn == 0
    assert bytes_of(library) == [BLUE]


def library_original(shelf: Any) -> Original:
    found: Original = shelf.catalogue.find(Identifier(ISBN, BOOK))[0]
    return found


def test_dates_are_obeyed(library: Library) -> None:
    """A picture of tomorrow waits, with the day on which to read on; one of yesterday is taken back."""
    library.put("blue.jpg", BLUE)
    now = 1_800_000_000  # 2027-01-15
    early = onix(library, product("blue.jpg", dates=dated("14", "20270201")))
    assert take(library, early, now=now).passed == 1
    assert [each.reason for each in library.refusals] == ["early"]
    assert bytes_of(library) == []
    take(library, onix(library, product("blue.jpg", dates=dated("15", "20270120"))), now=now)
    assert [each.terms for each in library.originals()] == [Terms(until=1_800_489_600)]  # 2027-01-21
    late = onix(library, product("blue.jpg", dates=dated("28", "20270110")))
    assert take(library, late, now=now).withdrawn == 1


def test_a_wrong_identifier_beside_a_right_one_is_a_remark(library: Library) -> None:
    """The record is taken in; the report names the sender's file, line and identifier."""
    library.put("blue.jpg", BLUE)
    wrong = (
        "<ProductIdentifier><ProductIDType>02</ProductIDType>"
        "<IDValue>0000000001</IDValue></ProductIdentifier>"
    )
    path = onix(library, product("blue.jpg").replace("<CollateralDetail>", wrong + "<CollateralDetail>"))
    report = take(library, path)
    assert (report.added, report.refused.total()) == (1, 0)
    (remark,) = library.refusals
    assert (remark.isbn, remark.reason, remark.place) == ("0000000001", "identifier", f"{path}:2")


def test_what_breaks_off_is_taken_in_up_to_there(library: Library) -> None:
    """A cut file gives the records before the cut, and a refusal for the rest; nothing is withdrawn."""
    library.put("blue.jpg", BLUE)
    path = onix(library, product("blue.jpg"), product("x.jpg", isbn=OTHERS[0], record="r2"))
    path.write_bytes(path.read_bytes()[:-60])
    report = take(library, path)
    assert (report.added, dict(report.refused)) == (1, {"unreadable": 1})


# --- links


def test_links_are_fetched_from_listed_hosts_alone(library: Library, host: LinkHost) -> None:
    """Not from another host, nor through a redirect to one; other addresses than of the web are refused."""
    with link_host({"/elsewhere.jpg": RED}) as other:
        host.files["/away.jpg"] = f"{other.url}/elsewhere.jpg"
        links = (f"{host.url}/blue.jpg", f"{host.url}/away.jpg", f"{other.url}/x.jpg", "ftp://a/b.jpg")
        path = onix(
            library, *(product(link, OTHERS[at], record=str(at)) for at, link in enumerate(links))
        )  # fmt: skip
        report = take(library, path, host.name)
        assert (report.added, dict(report.refused)) == (1, {"host": 2, "address": 1})
        assert other.asked == []
    assert library.originals(OTHERS[0])[0].origin == f"{host.url}/blue.jpg"
    assert take(library, path).refused["host"] == 3  # and with no host listed, nothing is asked at all


def test_a_link_is_fetched_again_only_when_the_sender_says_more(library: Library, host: LinkHost) -> None:
    """The same word on a picture fetches nothing; a later date fetches it, and replaces it."""
    link = f"{host.url}/blue.jpg"
    first = product(link, features="")
    assert take(library, onix(library, first), host.name).added == 1
    assert take(library, onix(library, first), host.name).already == 1
    assert host.asked == ["/blue.jpg"]
    host.files["/blue.jpg"] = RED
    said = feature("07", str(len(RED)))
    assert take(library, onix(library, product(link, features=said)), host.name).replaced == 1
    assert bytes_of(library) == [RED]


def test_a_picture_that_is_not_what_the_sender_says_leaves_the_old_one(
    library: Library, host: LinkHost
) -> None:
    """A wrong length or digest, or a link that fails, is a refusal, and what was there is shown still."""
    take(library, onix(library, product(f"{host.url}/blue.jpg")), host.name)
    for link, said in (
        ("/red.jpg", feature("07", "1")), ("/red.jpg", feature("08", "0" * 64)),
        ("/red.jpg", feature("06", "0" * 32)), ("/none.jpg", ""),
    ):  # fmt: skip
        report = take(library, onix(library, product(host.url + link, features=said)), host.name)
        assert report.refused.total() == 1
    assert [each.reason for each in library.refusals] == ["differs"] * 3 + ["fetch"]
    assert bytes_of(library) == [BLUE]


def test_the_next_version_is_tried(library: Library, host: LinkHost) -> None:
    """Of several versions the largest that can be had is taken."""
    versions = "".join(
        f"<ResourceVersion><ResourceForm>02</ResourceForm>{feature('02', high)}{feature('03', high)}"
        f"<ResourceLink>{host.url}/{name}</ResourceLink></ResourceVersion>"
        for name, high in (("red.jpg", "100"), ("none.tif", "3000"))
    )
    whole = product("x").replace("</SupportingResource>", versions + "</SupportingResource>")
    start, end = whole.index("<ResourceVersion>"), whole.index("</ResourceVersion>") + 18
    assert take(library, onix(library, whole[:start] + whole[end:]), host.name).added == 1
    assert host.asked == ["/none.tif", "/red.jpg"]


def test_a_list_may_name_addresses(library: Library, host: LinkHost) -> None:
    """A column of URLs is fetched as a feed's links are."""
    path = library.put("list.csv", f"ISBN-13;Image URL\n{BOOK};{host.url}/blue.jpg\n".encode())
    assert take(library, path, host.name).added == 1
    assert bytes_of(library) == [BLUE]


# --- zips


def test_a_zip_is_read_in_place(library: Library) -> None:
    """Members named by ISBN in any folder are taken in; what file managers add is passed over."""
    path = zip_of(library, {
        f"a/{BOOK}.jpg": BLUE, f"{OTHERS[0]}-front.jpg": RED, "__MACOSX/._x.jpg": b"x", "a/.DS_Store": b"x",
        "readme.txt": b"hello",
    })  # fmt: skip
    report = take(library, path)
    assert (report.added, dict(report.refused)) == (2, {"isbn": 1})
    assert bytes_of(library) == [BLUE]
    assert library.originals()[0].origin == f"{path}/a/{BOOK}.jpg"
    assert take(library, path).already == 2
    assert library.is_consistent()


def test_names_that_lead_out_of_a_zip_are_refused(library: Library) -> None:
    """Nothing is written or read outside, and the rest is taken in."""
    path = zip_of(library, {f"../{OTHERS[0]}.jpg": RED, f"/{OTHERS[1]}.jpg": RED, f"{BOOK}.jpg": BLUE})
    report = take(library, path)
    assert (report.added, dict(report.refused)) == (1, {"member": 2})


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}, "a workbook is not read"),
        ({"mimetype": b"application/epub+zip"}, "a workbook is not read"),
    ],
)
def test_workbooks_are_refused_by_name(library: Library, members: dict[str, bytes], why: str) -> None:
    """XLSX and its like get a sentence that says what to do."""
    with pytest.raises(NotAList, match=why):
        list(offered(zip_of(library, members, "covers.xlsx"), Sender()))


def test_a_bomb_is_one_refusal(library: Library) -> None:
    """More than a hundred thousand members are not even listed."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as made:
        for number in range(70):
            made.writestr(f"{number}.jpg", b"")
    raw = bytearray(body.getvalue())
    at = raw.rfind(b"PK\x05\x06")
    raw[at + 8 : at + 12] = (65_534).to_bytes(2, "little") * 2
    raw[at + 12 : at + 16] = (200_000_000).to_bytes(4, "little")
    path = library.put("bomb.zip", bytes(raw))
    assert dict(take(library, path).refused) == {"unreadable": 1}


def test_a_zip_for_koha_goes_by_its_list(library: Library) -> None:
    """Biblionumbers are items of their own, or ISBNs where the operator says so."""
    path = zip_of(library, {"x/IDLINK.TXT": b"7,a.jpg\r\n8,../b.jpg\r\n", "x/a.jpg": BLUE, "b.jpg": RED})
    report = take(library, path)
    assert (report.added, dict(report.refused)) == (1, {"row": 1})
    with library.shelf() as shelf:
        assert len(shelf.catalogue.find(Identifier("local:koha", "7"))) == 1
    path = zip_of(library, {"datalink.txt": f"{BOOK}\ta.jpg".encode(), "a.jpg": BLUE})
    assert take(library, path, koha="isbn").added == 1
    assert bytes_of(library) == [BLUE]


# --- lists


def test_a_list_says_terms(library: Library) -> None:
    """Licence, last day and no_crop come from columns; a row that leaves them open has the sender's."""
    library.put("a.jpg", BLUE)
    library.put("b.jpg", RED)
    path = library.put(
        "list.csv",
        f"isbn,image,Lizenz,until,no crop\n{BOOK},a.jpg,CC BY,2030-12-31,ja\n{OTHERS[0]},b.jpg,,,\n"
        f"{OTHERS[1]},b.jpg,,soon,\n{OTHERS[2]},b.jpg,,,maybe\n".encode(),
    )
    report = take(library, path, terms=Terms("usual", None, no_crop=False))
    assert (report.added, dict(report.refused)) == (2, {"until": 1, "no_crop": 1})
    assert library.originals()[0].terms == Terms("CC BY", 1_924_992_000, no_crop=True)
    assert library.originals(OTHERS[0])[0].terms == Terms("usual")
    assert library.refusals[0].place == f"{path}:4"


def test_each_valid_identifier_of_a_row_names_its_item(library: Library) -> None:
    """An invalid one beside it is a line of the report, with the row's place; the row is taken in."""
    for name in "abc":
        library.put(f"{name}.jpg", {"a": BLUE, "b": RED, "c": GREEN}[name])
    path = library.put(
        "ids.csv",
        f"isbn,issn,oclc,lccn,ean,ppn,id,file\n"
        f"{BOOK},2999-0009,(OCoLC)12,n78-890351,036000291452,862934397,7,a.jpg\n"
        f"{OTHERS[0]},2999-0000,x,,,1,,b.jpg\n,,,,,,oclc:77,c.jpg\n".encode(),
    )
    report = take(library, path)
    assert (report.added, report.refused.total()) == (3, 0)
    assert {(each.isbn, each.reason, each.place) for each in library.refusals} == {
        (text, "identifier", f"{path}:3") for text in ("2999-0000", "x", "1")
    }
    with library.shelf() as shelf:
        names = {str(each) for each in shelf.catalogue.aliases.names(Identifier(ISBN, BOOK))}
        assert len(shelf.catalogue.find(Identifier("oclc", "77"))) == 1
    assert names == {
        f"isbn:{BOOK}", "issn:29990009", "oclc:12", "lccn:n78890351", "ean:0036000291452", "ppn:862934397"
    }  # fmt: skip


def test_terms_that_change_are_entered(library: Library) -> None:
    """The same picture under another licence is not "in already"."""
    library.put("a.jpg", BLUE)
    path = library.put("list.csv", f"{BOOK},a.jpg\n".encode())
    assert take(library, path).added == 1
    assert take(library, path).already == 1
    assert take(library, path, terms=Terms("CC0")).added == 1
    assert [each.terms.licence for each in library.originals()] == ["CC0"]


def test_titles_are_kept_with_or_without_a_cover(library: Library) -> None:
    """A record's title is kept under its names whatever becomes of its picture; the latest one counts."""
    title = "<Title><TitleType>01</TitleType><TitleText>{}</TitleText></Title>"
    library.put("blue.jpg", BLUE)
    with_cover, without = (
        product(link, isbn, record=isbn).replace("</Product>", title.format(name) + "</Product>")
        for link, isbn, name in (("blue.jpg", BOOK, "Emma"), (None, OTHERS[0], "Persuasion"))
    )
    report = take(library, onix(library, with_cover, without))
    assert (report.added, report.seen, report.passed) == (1, 2, 1)
    listed = library.covers / "titles.csv"
    text = f"isbn,file,Titel,Autor\n{OTHERS[1]},lost.jpg,Sanditon,Jane Austen\n{BOOK},blue.jpg,Emma!,\n"
    listed.write_text(text, encoding="utf-8")
    report = take(library, listed)

    assert (report.seen, report.refused.total()) == (2, 1)
    with library.shelf() as shelf:
        items = [Identifier(ISBN, each) for each in (BOOK, *OTHERS[:2])]
        found = shelf.catalogue.titles.of(items)
    assert [str(found[each]) for each in items] == ["Emma!", "Persuasion", "Sanditon, Jane Austen"]


def test_a_list_of_editions_links(library: Library) -> None:
    """`isbn,work` and `isbn,other,relation` link items; a row that cannot be read is a refusal."""
    path = library.put("works.csv", f"isbn,work\n{BOOK},w1\n{OTHERS[0]},w1\n978,w1\n{OTHERS[1]},\n".encode())
    report = take(library, path)
    assert (report.linked, dict(report.refused)) == (2, {"isbn": 1, "row": 1})
    path = library.put(
        "pairs.csv", f"isbn,other,relation\n{BOOK},{OTHERS[2]},translation\n{BOOK},{OTHERS[3]},x\n".encode()
    )
    assert take(library, path).refused["relation"] == 1
    with library.shelf() as shelf:
        found = shelf.catalogue.editions.of(Identifier(ISBN, BOOK), most=10)
    assert {(each.other.value, each.relation) for each in found} == {
        (OTHERS[0], Relation.EDITION), (OTHERS[2], Relation.TRANSLATION),
    }  # fmt: skip


# --- told by content


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html><body>x", "an HTML page"),
        (b"<?xml version='1.0'?><!-- x --><mets/>", "first element is mets"),
        (b"\x1f\x8b\x08\x00", "compressed with gzip"), (b"", "neither a picture nor a list"),
    ],
)  # fmt: skip
def test_what_is_not_read_says_what_it_is(library: Library, body: bytes, why: str) -> None:
    """A file of another kind is refused with what it seems to be."""
    with pytest.raises(NotAList, match=why):
        list(offered(library.put("feed.dat", body), Sender()))


@pytest.mark.parametrize("name", ["list.csv.gz", "list.csv", "delivery"])
def test_a_compressed_list_is_read_as_one(library: Library, name: str) -> None:
    """Told by its content, whatever its name is; rows and places are those of the list within."""
    library.put("red.jpg", RED)
    rows = f"isbn,file\n{BOOK},red.jpg\n{OTHERS[0]},none.jpg\n"
    report = take(library, library.put(name, gzip.compress(rows.encode("utf-16"))))
    assert (report.taken, report.refused.total()) == (1, 1)
    assert library.refusals[0].place.endswith(f"{name}:3")


def test_damaged_and_endless_lists_are_refused(library: Library, tmp_path: Path) -> None:
    """What is cut off is refused; what unpacks to more than is read stops there, in little memory."""
    rows = "".join(f"{BOOK},{number}.jpg\n" for number in range(50_000)).encode()
    cut = library.put("cut.csv.gz", gzip.compress(rows)[:-9])
    *steps, last = offered(cut, Sender())
    assert isinstance(last, Refusal)
    assert (len(steps) > 40_000, last.reason, "damaged" in last.detail) == (True, "unreadable", True)
    whole = library.put("whole.csv.gz", gzip.compress(rows))
    with packed_text.opened(whole, 1000) as file, pytest.raises(OSError, match="more than is read"):
        file.read()
    with packed_text.opened(whole, len(rows)) as file:
        assert file.read() == rows


@pytest.mark.parametrize("kind", ["onix", "marc", "marcxml"])
def test_compressed_records_are_read_as_what_they_hold(library: Library, host: LinkHost, kind: str) -> None:
    """ONIX and MARC in both forms, packed with gzip, whatever their names: as if they were not."""
    plain = onix(library, product("blue.jpg")).read_bytes() if kind == "onix" else marc_of(kind, host)
    library.put("blue.jpg", BLUE)
    host.files["/cover.jpg"] = BLUE
    report = take(library, library.put("delivery.bin", gzip.compress(plain)), host.name)
    assert (report.added, report.refused.total()) == (1, 0)
    with pytest.raises(NotAList, match="damaged"):
        take(library, library.put("cut.xml.gz", gzip.compress(plain)[:-12]), host.name)


def marc_of(kind: str, host: LinkHost) -> bytes:
    """A record with a link to a cover, in one of MARC's forms."""
    made = pymarc.Record(force_utf8=True)
    made.add_field(  # type: ignore[no-untyped-call]
        pymarc.Field("020", pymarc.Indicators(" ", " "), [pymarc.Subfield("a", BOOK)]),
        pymarc.Field("856", pymarc.Indicators("4", "2"), [
            pymarc.Subfield("u", f"{host.url}/cover.jpg"), pymarc.Subfield("3", "Cover"),
        ]),
    )  # fmt: skip
    if kind == "marc":
        return bytes(made.as_marc())
    return bytes(pymarc.record_to_xml(made, namespace=True))  # type: ignore[no-untyped-call]


# --- the samples


@needs_samples
def test_the_onix_sample_has_its_right_outcome(library: Library) -> None:
    """Of six products: the JPEG for the TIFF that is not there, the file beside, the block update, the
    delete, the restricted one and the wrong check digit."""
    with zipfile.ZipFile(SAMPLES / "isbn-covers.zip") as archive:
        covers = {name: archive.read(name) for name in archive.namelist()}
    with link_host({}) as host:
        host.files |= {
            "/covers/9780000100009.jpg": covers["9780000100009.jpg"],
            "/covers/9780000100023.jpg?rev=2": covers["9780000100023.jpg"],
        }
        library.put("9780000100016.jpg", covers["9780000100016.jpg"])
        for isbn in ("9780000100030", "9791099900005"):
            take(library, library.put(f"{isbn}.jpg", covers[f"{isbn}.jpg"]))
        text = (SAMPLES / "onix-3.0.xml").read_text(encoding="utf-8")
        path = library.put("onix.xml", text.replace("https://files.example.org", host.url).encode())
        report = take(library, path, host.name)
        assert host.asked[0] == "/covers/9780000100009_full.tif"
    assert (report.added, report.withdrawn, dict(report.refused)) == (2 + is_right(covers), 2, {
        "isbn": 1, **({} if is_right(covers) else {"differs": 1}),
    })  # fmt: skip
    for isbn in ("9780000100009", "9780000100016"):
        assert bytes_of(library, isbn) == [covers[f"{isbn}.jpg"]]
    assert library.originals("9780000100030") == library.originals("9791099900005") == []


def is_right(covers: dict[str, bytes]) -> bool:
    """Whether the third picture is the one whose SHA-256 the sample says."""
    import hashlib

    return hashlib.sha256(covers["9780000100023.jpg"]).hexdigest().startswith("51731884")


@needs_samples
def test_the_older_onix_sample_has_its_right_outcome(library: Library) -> None:
    """ONIX 2.1 with short tags: the front cover in high quality before the other."""
    steps = offered(SAMPLES / "onix-2.1-short.xml", Sender("house"))
    (first,) = (each for each in steps if isinstance(each, Candidate))
    assert first.isbn == "isbn:9780000100009"
    assert len(first.alternatives) == 1


@needs_samples
@pytest.mark.parametrize("name", ["records.mrc", "records.xml"])
def test_the_marc_samples_have_their_right_outcome(library: Library, name: str) -> None:
    """Both forms of the same records link the same editions and offer the same covers."""
    report = take(library, SAMPLES / name)
    assert report.refused["host"] + report.passed >= 4
    assert report.linked >= 2
    with closing(sqlite3.connect(library.data / "catalogue.db")) as database:
        found = set(database.execute("SELECT relation, linked_by FROM edition"))
    assert found == {("format", "marc-776"), ("translation", "marc-765")}


@needs_samples
def test_the_zip_samples_have_their_right_outcome(library: Library) -> None:
    """Wholesalers' zip, Koha's, and the hostile one, whose every line but one is refused."""
    assert dict(take(library, SAMPLES / "isbn-covers.zip").refused) == {"isbn": 1}
    assert take(library, SAMPLES / "koha-covers.zip").added >= 4
    report = take(library, SAMPLES / "koha-covers-hostile.zip")
    assert (report.added + report.already, dict(report.refused)) == (1, {"row": 3})


def test_corrupt_originals_are_listed(library: Library) -> None:
    """The command names the book, the reason and the file."""
    take(library, zip_of(library, {f"{BOOK}.jpg": BLUE}))
    with library.shelf() as shelf:
        found = shelf.catalogue.find(Identifier(ISBN, BOOK))[0]
        shelf.catalogue.mark_faulty(found, "decode: cut off")
        file = shelf.files.path(found)
    ran = CliRunner().invoke(main, ["originals", "corrupt", "--data", str(library.data)])
    assert ran.output == f"isbn:{BOOK}  {found.digest.hex()[:8]}  decode: cut off\n    {file}\n"

"""Zips of covers: what is read in place, and what is refused."""

import struct
import zipfile
from pathlib import Path

import pytest

from coverproxy.feeds.record import FeedUnreadable
from coverproxy.feeds.zips import KohaLink, Member, RefusedMember, Zip

JPEG = b"\xff\xd8 a picture of some bytes \xff\xd9"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return tmp_path / "covers.zip"


def fill(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a zip with these members."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, body in members.items():
            file.writestr(name, body)
    return path


def test_members_are_read_in_place(made: Path) -> None:
    """Each file is listed with its length and read by its name; folders are passed over."""
    fill(made, {"9780000100009.jpg": JPEG, "sub/": b"", "sub/9780000100016.jpg": JPEG * 2})

    with Zip(made) as found:
        names = ["9780000100009.jpg", "sub/9780000100016.jpg"]
        assert list(found.members()) == [Member(names[0], len(JPEG)), Member(names[1], 2 * len(JPEG))]
        assert found.read(names[1], 1000) == JPEG * 2
        with pytest.raises(FeedUnreadable, match="longer than 10 bytes"):
            found.read(names[1], 10)
        with pytest.raises(FeedUnreadable, match="has no file"):
            found.read("other", 10)


@pytest.mark.parametrize("name", ["../up.jpg", "a/../../b.jpg", "/etc/x.jpg", "C:\\x.jpg", "a\\..\\b.jpg"])
def test_names_that_lead_out_are_refused(made: Path, name: str) -> None:
    """A member whose name leaves the zip is reported and cannot be read."""
    fill(made, {name: JPEG})

    with Zip(made) as found:
        (refusal,) = found.members()
        assert isinstance(refusal, RefusedMember)
        assert refusal.why == "its name leads out of the zip"


def test_links_are_refused(made: Path) -> None:
    """A symbolic link in a zip is not followed."""
    link = zipfile.ZipInfo("9780000100009.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(made, "w") as file:
        file.writestr(link, "/etc/passwd")

    with Zip(made) as found:
        assert list(found.members()) == [RefusedMember("9780000100009.jpg", "it is a link")]


def test_a_bomb_is_refused(made: Path) -> None:
    """A member that inflates to a hundred times its bytes is not read."""
    fill(made, {"9780000100009.jpg": b"\0" * 1_000_000}, zipfile.ZIP_DEFLATED)

    with Zip(made) as found:
        (refusal,) = found.members()
        assert isinstance(refusal, RefusedMember)
        with pytest.raises(FeedUnreadable, match="inflates to more than 100 times"):
            found.read("9780000100009.jpg", 10**7)


def test_a_lie_about_the_length_is_bounded(made: Path) -> None:
    """A member that says it is short and is not gives an error, not more bytes than allowed."""
    fill(made, {"9780000100009.jpg": b"\1\2\3\4" * 100_000}, zipfile.ZIP_DEFLATED)
    body = bytearray(made.read_bytes())
    for at in (body.find(b"PK\x03\x04") + 22, body.find(b"PK\x01\x02") + 24):
        body[at : at + 4] = struct.pack("<L", 50)
    made.write_bytes(bytes(body))

    with Zip(made) as found, pytest.raises(FeedUnreadable):
        found.read("9780000100009.jpg", 1000)


def test_too_many_members_are_refused_by_the_count(made: Path) -> None:
    """A directory of more than 100,000 members is refused before it is read."""
    count, length = 0xFFFE, 200_000 * 1024
    made.write_bytes(b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, count, count, length, 0, 0))

    with pytest.raises(FeedUnreadable, match="more than 100,000 members"):
        Zip(made)


def test_overlapping_members_are_refused(made: Path) -> None:
    """Members that share their bytes, as in a flat bomb, are refused whole."""
    fill(made, {"a.jpg": JPEG * 50})
    whole = made.read_bytes()
    start = whole.find(b"PK\x01\x02")
    entry, end = whole[start : whole.find(b"PK\x05\x06")], whole[whole.find(b"PK\x05\x06") :]
    many = entry * 20
    counts = struct.pack("<2H", 20, 20)
    made.write_bytes(whole[:start] + many + end[:8] + counts + struct.pack("<L", len(many)) + end[16:])

    with pytest.raises(FeedUnreadable):
        Zip(made)


def test_a_zip64_is_counted_by_its_own_record(made: Path) -> None:
    """Its count and length are in a record of their own: an end record that names none hides no members."""
    count, length = 5_000_000, 400_000_000
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    end = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    made.write_bytes(end_64 + locator + end)

    with pytest.raises(FeedUnreadable, match="more than 100,000 members"):
        Zip(made)


def test_a_zip64_is_read(made: Path) -> None:
    """As programs write one that they stream, or one of more than 65,535 members."""
    with zipfile.ZipFile(made, "w") as file:
        for number in range(66_000):
            file.writestr(f"{number}", b"")
        with file.open("9780000100009.jpg", "w", force_zip64=True) as member:
            member.write(JPEG)

    with Zip(made) as found:
        assert sum(1 for _ in found.members()) == 66_001
        assert found.read("9780000100009.jpg", 1000) == JPEG


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_within_a_member_is_told(made: Path, compression: int) -> None:
    """Whatever the compression, the error says so, and the next member is read."""
    noise = bytes((each * 7919) % 251 for each in range(5000))
    fill(made, {"a.jpg": noise, "b.jpg": JPEG}, compression)
    body = bytearray(made.read_bytes())
    body[60:100] = b"\x55" * 40
    made.write_bytes(bytes(body))

    with Zip(made) as found:
        with pytest.raises(FeedUnreadable, match="it is damaged"):
            found.read("a.jpg", 10_000)
        assert found.read("b.jpg", 10_000) == JPEG


def test_an_encrypted_member_is_refused(made: Path) -> None:
    """There is nobody to ask for its password."""
    fill(made, {"9780000100009.jpg": JPEG})
    body = bytearray(made.read_bytes())
    for at in (body.find(b"PK\3\4") + 6, body.find(b"PK\1\2") + 8):
        body[at] |= 1
    made.write_bytes(bytes(body))

    with Zip(made) as found:
        assert list(found.members()) == [RefusedMember("9780000100009.jpg", "it is encrypted")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("is_marked", [True, False])
def test_kohas_list_in_other_encodings(made: Path, encoding: str, is_marked: bool) -> None:
    """Names with letters are found, also where a program wrote them in UTF-8 without saying so."""
    name = "Bücher/ä.jpg"
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("x/idlink.txt", "7\tä.jpg\r\n8\t../Bücher/ä.jpg\n".encode(encoding))
        rows = f"9,{name}\n10,./{name}\n11,/{name}\n12,Bücher\\ä.jpg\n"
        file.writestr("idlink.txt", rows.encode(encoding))
        file.writestr(name, JPEG)
    if not is_marked:  # as Info-ZIP and macOS write it: the bytes of UTF-8, and no flag
        raw = bytearray(made.read_bytes())
        for head, at in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
            raw[raw.rfind(head) + at] &= ~8
        made.write_bytes(bytes(raw))
    with Zip(made) as found:
        links = list(found.koha_links())
    taken = {each.number for each in links if isinstance(each, KohaLink)}
    assert taken == {"9", "10"}
    assert len(links) == 6


def test_a_list_that_cannot_be_read_is_one_refusal(made: Path) -> None:
    """A workbook by that name, or an encrypted list, says so in the report."""
    fill(made, {"idlink.txt": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "a.jpg": JPEG})
    with Zip(made) as found:
        (refused,) = found.koha_links()
    assert isinstance(refused, RefusedMember)
    assert "a workbook is not read" in refused.why


@pytest.mark.parametrize("body", [b"", b"PK", b"PK\x03\x04 and no end", b"\xff\xd8\xff\xe0" * 10])
def test_what_is_not_a_zip_is_refused(made: Path, body: bytes) -> None:
    """A file that is no zip, or has lost its end, says so."""
    made.write_bytes(body)

    with pytest.raises(FeedUnreadable, match="cannot be read as a zip"):
        Zip(made)


def test_kohas_list(made: Path) -> None:
    """Koha's list in any case and folder, by tab or comma, with quotes; a bad line is reported by number."""
    rows = [
        '\ufeff1000\t"a b.jpg"',
        "",
        "1001,a b.jpg",
        "1002\t../../etc/passwd",
        "no delimiter",
        "1003\tgone.jpg",
    ]
    lines = "\r\n".join(rows).encode()
    fill(made, {"x/DATALINK.TXT": lines, "x/a b.jpg": JPEG, "gone.jpg": JPEG})

    with Zip(made) as found:
        links = list(found.koha_links())
    assert [each for each in links if isinstance(each, KohaLink)] == [
        KohaLink("1000", "x/a b.jpg", "x/DATALINK.TXT", 1),
        KohaLink("1001", "x/a b.jpg", "x/DATALINK.TXT", 3),
    ]
    refused = [each for each in links if isinstance(each, RefusedMember)]
    assert [each.name for each in refused] == [f"x/DATALINK.TXT, line {line}" for line in (4, 5, 6)]

"""The batch page: a list becomes a gallery, a ZIP within the key's quota, and a sheet to print."""

import io
import re
import zipfile
from pathlib import Path

import aiohttp
import orjson
from browser import Page
from conftest import COVERED, UNCOVERED, Got, Running

from coverproxy.demo.classics import CLASSICS
from coverproxy.web.pages.batch import ZIPS

HTML = "text/html,*/*;q=0.8"
HERE = "http://127.0.0.1/"


async def sent(server: Running, text: str | bytes, *, accept: str = HTML, **fields: str) -> Got:
    """Send the form as a browser does; bytes go as a file."""
    form = aiohttp.FormData()
    for name, value in ({"key": server.key.name} | fields).items():
        form.add_field(name, value)
    if isinstance(text, str):
        form.add_field("list", text)
    form.add_field(
        "file", text if isinstance(text, bytes) else b"", filename="list.csv", content_type="text/csv"
    )
    headers = {"Accept": accept, "Referer": HERE}
    async with server.client.post(f"{server.listeners.url}/batch", data=form, headers=headers) as got:
        return Got(got.status, got.headers, await got.read())


def packed(got: Got) -> dict[str, bytes]:
    """A ZIP's files by name."""
    assert got.headers["Content-Type"] == "application/zip", got.body[:500]
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_a_list_is_sorted_into_covers_none_and_unread(server: Running) -> None:
    """Programs get what people see: covers with titles, items without one, lines without an identifier."""
    text = f"{COVERED} Pride\n# not counted\n{UNCOVERED}\nnonsense\n978-0-14-143951-8 the same again\n"
    told = orjson.loads((await sent(server, text, accept="application/json")).body)

    (cover,) = told["covers"]
    assert (cover["line"], cover["identifier"], cover["title"]) == (1, COVERED, ["Pride"])
    assert (cover["width"], cover["height"]) == (200, 300)
    assert cover["url"] == server.path()
    assert told["none"] == [{"line": 3, "identifier": UNCOVERED, "title": []}]
    assert [(each["line"], each["text"]) for each in told["unread"]] == [(4, "nonsense")]
    assert told["left"] == 1000  # looking costs nothing


async def test_a_file_counts_as_a_list(server: Running) -> None:
    """A table in UTF-16 is read; a workbook is refused in words, and the form keeps what was typed."""
    table = f"Title;ISBN\r\nÜber;{COVERED}\r\n".encode("utf-16")
    told = orjson.loads((await sent(server, table, accept="application/json")).body)
    refused = await sent(server, b"PK\x03\x04 xl/", list="kept <text>")

    assert [each["title"] for each in told["covers"]] == [["Über"]]
    assert refused.status == 400
    assert "a workbook is not read" in refused.body.decode()
    assert "kept &lt;text&gt;</textarea>" in refused.body.decode()


MISTAKES = [
    ({"key": "nobodyhasthis23"}, 403), ({"key": ""}, 403), ({"as": "pdf"}, 400), ({"size": "vast"}, 400),
    ({"per_page": "13"}, 400), ({"paper": "a0"}, 400), ({"part": "0"}, 400),
    ({"list": ""}, 400), ({"list": f"{COVERED}\n" * 1001}, 400), ({"list": "x" * 500_001}, 413),
]  # fmt: skip


async def test_what_cannot_be_done_is_said_on_the_form(server: Running) -> None:
    """Each mistake has its status, for people on the form and for programs as a problem."""
    for fields, status in MISTAKES:
        values = {"list": COVERED} | fields
        text = values.pop("list")
        got = await sent(server, text, **values)
        told = await sent(server, text, accept="application/json", **values)

        assert (got.status, told.status) == (status, status), fields
        assert 'id="why"' in got.body.decode()
        assert told.headers["Content-Type"] == "application/problem+json"


async def test_a_key_of_other_sites_is_refused(server: Running) -> None:
    """A key bound to sites works here only if this site is one of them."""
    bound = await server.new_key(sites=("catalogue.example.org",))
    here = await server.new_key(sites=("127.0.0.1",))

    assert (await sent(server, COVERED, key=bound.name)).status == 403
    assert (await sent(server, COVERED, key=here.name)).status == 200


async def test_a_secret_in_the_address_is_not_filled_in_as_the_key(server: Running) -> None:
    """The form says what it is, so that nobody prints or sends a page with it."""
    got = await server.get("/batch?key=cp_sec_abcdefgh23456789", Accept="text/html")

    assert got.status == 403
    assert "cp_sec_abcdefgh" not in got.body.decode()
    assert "This is the owner&#39;s secret, not the key" in got.body.decode()


async def test_other_forms_are_not_read(server: Running) -> None:
    """A form of another type is 415, a broken one 400."""
    url = f"{server.listeners.url}/batch"
    async with server.client.post(url, data={"key": server.key.name}) as got:
        assert got.status == 415
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    async with server.client.post(url, data=b"--y\r\n", headers=broken) as got:
        assert got.status == 400


async def test_the_zip_stays_within_the_quota_and_goes_on_the_next_time(server: Running) -> None:
    """The ZIP has what the quota allows, its report says what is missing; what is stored costs nothing."""
    books = [book.isbns[0] for book in CLASSICS[:4]]
    key = await server.new_key(daily_limit=2)
    text = "\n".join([*books, UNCOVERED])
    first = packed(await sent(server, text, key=key.name, **{"as": "zip", "size": "small"}))
    again = packed(await sent(server, text, key=key.name, **{"as": "zip", "size": "small"}))
    other = await sent(server, text, key=key.name, **{"as": "zip", "size": "large"})

    assert [name for name in first if name.endswith(".jpg")] == [f"{each}.jpg" for each in books[:2]]
    assert all(first[f"{each}.jpg"].startswith(b"\xff\xd8") for each in books[:2])
    report = first["report.txt"].decode()
    assert "2 covers of 4 items" in report
    assert "2 were left out because the day's quota" in report
    assert f"{books[2]}\tquota" in report
    assert again == first
    assert other.status == 429
    assert "none of these covers is stored" in other.body.decode()

    richer = await server.new_key(daily_limit=10)
    whole = packed(await sent(server, text, key=richer.name, **{"as": "zip", "size": "small"}))
    assert len([name for name in whole if name.endswith(".jpg")]) == 4
    assert server.service.accounts.made_today(richer) == 2


async def test_a_key_packs_two_zips_at_once(server: Running) -> None:
    """A third is refused until one is done, and no place is lost when one ends."""
    server.app[ZIPS][server.key.counted_as] = 2
    assert (await sent(server, COVERED, **{"as": "zip"})).status == 503
    server.app[ZIPS].clear()
    assert (await sent(server, COVERED, **{"as": "zip"})).status == 200
    assert not server.app[ZIPS]


async def opened(server: Running, tab: Page, size: tuple[int, int] = (390, 844)) -> None:
    """Open the page as from a key's page, type seven books with titles, and send them."""
    await tab.resize(*size)
    await tab.open(f"{server.listeners.url}/batch?key={server.key.name}")
    assert await tab.barriers() == []
    books = [f"{book.isbns[0]}\t{book.title}\t{book.author}" for book in CLASSICS[:7]]
    await tab.fill("#list", "\n".join([*books, UNCOVERED, "nonsense"]))
    await tab.click("form button")


async def is_whole(tab: Page) -> bool:
    """Whether a page has no barrier, and nothing to scroll to sideways."""
    return await tab.barriers() == [] and await tab.ask(
        "document.documentElement.scrollWidth <= window.innerWidth"
    )


async def test_a_gallery_on_a_phone(server: Running, tab: Page, tmp_path: Path) -> None:
    """Covers load lazily in fixed boxes, each with a link to its item; who has none is there to copy."""
    await opened(server, tab)
    shown = "[...document.querySelectorAll('.shelf img')]"

    assert await tab.ask(f"{shown}.map(i => i.loading)") == ["lazy"] * 7
    assert await tab.ask(f"{shown}.every(i => i.getAttribute('width') && i.getAttribute('height'))")
    assert await tab.ask("document.querySelector('.shelf a').pathname") == f"/item/isbn/{COVERED}"
    assert UNCOVERED in await tab.text(".copyable")
    assert await is_whole(tab)
    assert await tab.ask(f"{shown}[0].scrollIntoView() || {shown}[0].decode().then(() => true)")
    await tab.picture(tmp_path / "gallery.png", whole=False)


_LOADED = "Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))"
_INSIDE = """[...document.querySelectorAll('.page li > *')].every(each =>
each.getBoundingClientRect().bottom <= each.closest('.page').getBoundingClientRect().bottom + 1)"""


async def test_a_sheet_to_print(server: Running, tab: Page, tmp_path: Path) -> None:
    """Six covers a page, all inside it; printed, each page fits one page of the paper that was chosen."""
    await opened(server, tab, (1100, 900))
    await tab.click("button[value=sheet]")

    assert min(await tab.ask(_LOADED)) > 100
    assert await tab.ask("document.querySelectorAll('.page').length") == 2
    assert await tab.ask(_INSIDE)
    assert await is_whole(tab)
    await tab.picture(tmp_path / "sheet.png")
    for paper, sides in (("a4", (595, 842)), ("letter", (612, 792))):
        await tab.ask(f"document.querySelector('.pages').className = 'pages {paper}'")
        pdf = await tab.pdf(tmp_path / f"{paper}.pdf")
        boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
        assert [(round(float(w)), round(float(h))) for w, h in boxes] == [sides] * 2

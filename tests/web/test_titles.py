"""What imports call items stands wherever people read of an item."""

import asyncio
from pathlib import Path

import aiohttp
import images
import orjson
import pytest
from conftest import Running, Start, take_in

from coverproxy.web.app_keys import DESK

HERE, LOST = "9781000000009", "9781000000016"
HTML = "text/html,*/*;q=0.8"
TOKEN = "administrator-token-of-the-tests"  # noqa: S105


@pytest.fixture
async def titled(start: Start, tmp_path: Path, drawn_isbns: list[str]) -> Running:
    """A server whose list named two items, one of them without a picture, and those that it has."""
    covers = tmp_path / "covers"
    covers.mkdir()
    (covers / "here.jpg").write_bytes(images.small_jpeg())
    text = f"isbn,title,author,image\n{HERE},Emma <&>,Jane Austen,here.jpg\n{LOST},Sanditon,Jane Austen,\n"
    text += "".join(f"{isbn},Book {isbn},,\n" for isbn in drawn_isbns)
    (covers / "list.csv").write_text(text, encoding="utf-8")
    server = await start(admin={"token": TOKEN})
    report = await asyncio.to_thread(take_in, server.config, covers / "list.csv")
    assert (report.added, report.refused.total()) == (1, 1 + len(drawn_isbns))
    return server


async def test_an_item_has_its_title(titled: Running) -> None:
    """The page, its alternative texts, the HTML to copy and the JSON have title and author; as text."""
    page = (await titled.get(f"/item/isbn/{HERE}", Accept=HTML)).body.decode()
    told = orjson.loads((await titled.get(f"/item/isbn/{HERE}", Accept="application/json")).body)
    missing = await titled.get(f"/item/isbn/{LOST}", Accept=HTML)

    assert "<h1>Emma &lt;&amp;&gt;</h1>" in page
    assert 'alt="Cover of Emma &lt;&amp;&gt;, Jane Austen"' in page
    assert (told["title"], told["author"]) == ("Emma <&>", "Jane Austen")
    assert 'alt="Cover of Emma &lt;&amp;&gt;, Jane Austen"' in told["html"]
    assert (missing.status, "<h1>Sanditon</h1>" in missing.body.decode()) == (404, True)


async def test_the_shelf_names_its_covers(titled: Running) -> None:
    """The home page's covers have their titles as alternative texts."""
    told = orjson.loads((await titled.get("/", Accept="application/json")).body)
    names = {HERE: "Emma <&>, Jane Austen"}
    shelf = [(each["identifier"], each["title"]) for each in told["shelf"]]
    assert shelf == [(isbn, names.get(isbn, f"Book {isbn}")) for isbn, _ in shelf] != []


async def test_what_is_missing_has_its_title(titled: Running) -> None:
    """A key's usage, its CSV and the administrators' lists name what has no cover; a request's title wins."""
    await titled.get(titled.path(LOST))
    await titled.app[DESK].ledger.write()
    admin = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}
    usage = f"/devkey/{titled.key.name}/usage"
    told = orjson.loads((await titled.get(usage)).body)
    wanted = orjson.loads((await titled.get("/admin/wanted", **admin)).body)
    book = orjson.loads((await titled.get(f"/admin/book?isbn={LOST}", **admin)).body)

    assert [each["title"] for each in told["lacking"]] == ["Sanditon, Jane Austen"]
    assert [each["title"] for each in wanted["wanted"]] == ["Sanditon, Jane Austen"]
    assert [each["title"] for each in book["books"]] == ["Sanditon, Jane Austen"]
    assert b'"Sanditon, Jane Austen"' in (await titled.get(f"{usage}/missing.csv")).body
    await titled.get(f"{titled.path(LOST)}?title=Our%20copy")
    await titled.app[DESK].ledger.write()
    told = orjson.loads((await titled.get(usage)).body)
    assert [each["title"] for each in told["lacking"]] == ["Our copy"]


async def posted(server: Running, accept: str, fields: dict[str, str]) -> str:
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("file", b"", filename="none.csv", content_type="text/csv")
    url, headers = f"{server.listeners.url}/batch", {"Accept": accept, "Referer": server.listeners.url}
    async with server.client.post(url, data=form, headers=headers) as got:
        return await got.text()


async def test_a_batch_has_titles(titled: Running) -> None:
    """Bare numbers get their titles, on the sheet too; what the list itself says stays."""
    fields = {"key": titled.key.name, "list": f"{HERE}\n{LOST} My own title\n"}
    told = orjson.loads(await posted(titled, "application/json", fields))
    page = await posted(titled, HTML, fields | {"as": "sheet", "paper": "a4", "per_page": "6"})

    assert [each["title"] for each in told["covers"]] == [["Emma <&>", "Jane Austen"]]
    assert [each["title"] for each in told["none"]] == [["My own title"]]
    assert "<span>Emma &lt;&amp;&gt;</span><span>Jane Austen</span>" in page

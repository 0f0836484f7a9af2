"""Programs send covers and put originals right: at once or after a review, bounded, and nothing half done."""

import asyncio
import io
import resource
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import images
import orjson
import pytest
from conftest import BROWSER, COVERED, UNCOVERED, Running, Start
from fronting import before
from link_host import LinkHost, link_host

from coverproxy.domain.api_key import Key, hashed, new_name
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.service.expire import expire

TOKEN = "a-long-admin-token"  # noqa: S105 - of these tests only
RED = images.jpeg(images.solid(images.RED, 400, 600))
BLUE = images.jpeg(images.solid(images.BLUE, 300, 450))


@pytest.fixture
async def server(start: Start) -> Running:
    """A server with a way in for administrators."""
    return await start(admin={"token": TOKEN})


async def owned(server: Running, word: str = "the owners word", **values: Any) -> Key:
    """Make a key that has an owner's word."""
    key = Key(new_name(), "library", 1000, owner=hashed(word), **values)
    await server.service.accounts.save(key)
    return key


async def call(
    server: Running,
    method: str,
    path: str,
    body: Any = None,
    word: str = TOKEN,
    url: str = "",
    **headers: str,
) -> tuple[int, dict[str, Any]]:
    """Send a request with a word; return the status and the JSON."""
    sent = {"Authorization": f"Bearer {word}"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    target = (url or server.listeners.url) + path
    async with server.client.request(method, target, data=body, headers=sent) as response:
        return response.status, orjson.loads(await response.read())


def one(server: Running, isbn: str = UNCOVERED, key: Key | None = None) -> str:
    return f"/devkey/{(key or server.key).name}/original/isbn/{isbn}"


def every(server: Running, isbn: str = UNCOVERED) -> str:
    return f"/devkey/{server.key.name}/originals/isbn/{isbn}"


def left(server: Running) -> list[Path]:
    """What lies in the folder for files that come in."""
    return list(Path(server.config.data.dir, "originals", "tmp").iterdir())


async def test_what_an_administrator_sends_is_shown(server: Running) -> None:
    """The cover is there with the next request, under another tag than the one before, and has a history."""
    before_it = await server.get(server.path(COVERED))
    status, told = await call(server, "PUT", one(server, COVERED) + "?note=right&licence=CC0&from=x.jpg", RED)
    assert (status, told["status"], told["width"], told["type"]) == (201, "shown", 400, "jpeg")
    got = await server.get(server.path(COVERED), If_None_Match=before_it.headers["ETag"])
    assert (got.status, got.headers["X-Cover-Original"]) == (200, "400x600")
    _, book = await call(server, "GET", every(server, COVERED))
    first = book["originals"][0]
    assert (first["shown"], first["pinned"], first["who"], first["licence"], first["origin"]) == (
        True, True, "admin", "CC0", "x.jpg",
    )  # fmt: skip
    assert (book["history"][0]["act"], book["history"][0]["note"]) == ("add", "right")
    assert left(server) == []


async def test_an_upload_is_undone(server: Running) -> None:
    """What it stood before is shown again, and it is hidden; undoing that brings it back."""
    await call(server, "PUT", one(server, COVERED), RED)
    first = (await server.get(server.path(COVERED))).headers["X-Cover-Original"]

    async def undo_last() -> int:
        _, book = await call(server, "GET", every(server, COVERED))
        wish = orjson.dumps({"act": "undo", "number": book["history"][0]["number"]})
        return (await call(server, "POST", every(server, COVERED), wish))[0]

    assert await undo_last() == 200
    before = (await server.get(server.path(COVERED))).headers["X-Cover-Original"]
    assert (first, before == first) == ("400x600", False)
    assert await undo_last() == 200
    assert (await server.get(server.path(COVERED))).headers["X-Cover-Original"] == first
    await call(server, "PUT", one(server, COVERED), images.jpeg(images.solid(images.BLUE, 300, 450)))
    assert await undo_last() == 404  # it took the place of the same person's last one, which is gone


async def test_what_an_owner_sends_waits(server: Running) -> None:
    """It is invisible until it is approved; the one who approves sees it in the queue."""
    key = await owned(server)
    status, told = await call(server, "PUT", one(server, key=key), RED, "the owners word")
    assert (status, told["status"]) == (202, "pending")
    assert (await server.get(server.path(UNCOVERED))).cover == "missing"
    _, queue = await call(server, "GET", f"/devkey/{server.key.name}/originals")
    assert [(each["isbn13"], each["digest"]) for each in queue["pending"]] == [(UNCOVERED, told["digest"])]
    status, _ = await call(server, "POST", every(server), b'{"act":"approve"}')
    assert status == 400
    wish = orjson.dumps({"act": "approve", "digest": told["digest"][:12]})
    status, book = await call(server, "POST", every(server), wish)
    assert (status, book["originals"][0]["shown"]) == (200, True)
    assert (await server.get(server.path(UNCOVERED))).headers["X-Cover-Original"] == "400x600"
    assert (await call(server, "POST", every(server), wish))[0] == 404


async def test_a_trusted_owner_is_shown_at_once(start: Start) -> None:
    """The operator may trust all owners; theirs then replaces what they sent before."""
    server = await start(upload={"owners": "trusted"})
    key = await owned(server)
    for body, width in ((RED, 400), (BLUE, 300)):
        status, told = await call(server, "PUT", one(server, key=key), body, "the owners word")
        assert (status, told["status"]) == (201, "shown")
        got = await server.get(server.path(UNCOVERED))
        assert got.headers["X-Cover-Original"].startswith(str(width))
    assert len(server.folder.catalogue.find(Identifier(ISBN, UNCOVERED))) == 1


async def test_decisions_are_made_by_json(server: Running) -> None:
    """Hide, undo, pin and remove, each answered with what the book has then."""
    digests = [
        (await call(server, "PUT", f"{one(server)}?source={source}", body))[1]["digest"]
        for source, body in (("a", RED), ("b", BLUE))
    ]

    async def act(**wish: Any) -> str | None:
        status, book = await call(server, "POST", every(server), orjson.dumps(wish))
        assert status == 200, book
        return next((each["digest"] for each in book["originals"] if each["shown"]), None)

    assert await act(act="pin", digest=digests[0]) == digests[0]
    assert await act(act="hide", note="taken down") is None
    _, book = await call(server, "GET", every(server))
    assert await act(act="undo", number=book["history"][0]["number"]) == digests[0]
    assert await act(act="remove", digest=digests[0]) == digests[1]
    assert await act(act="unpin") == digests[1]
    wishes: tuple[Any, ...] = (
        {"act": "burn"},
        {"act": "pin"},
        {"act": "undo"},
        {"act": "undo", "number": -1},
        {},
        [],
    )
    for wish in wishes:
        assert (await call(server, "POST", every(server), orjson.dumps(wish)))[0] == 400, wish
    other = orjson.dumps({"act": "undo", "number": book["history"][0]["number"]})
    assert (await call(server, "POST", every(server, COVERED), other))[0] == 404


async def test_a_form_is_taken(server: Running) -> None:
    """multipart/form-data with the word and what is said of the picture before the file."""
    form = aiohttp.FormData()
    form.add_field("word", TOKEN)
    form.add_field("note", "by a form")
    form.add_field("until", "2030-01-31")
    form.add_field("no_crop", "on")
    form.add_field("file", RED, filename="cover.jpg", content_type="image/jpeg")
    async with server.client.post(server.listeners.url + one(server), data=form) as response:
        assert (response.status, (await response.json())["status"]) == (201, "shown")
    _, book = await call(server, "GET", every(server))
    first = book["originals"][0]
    assert (first["origin"], first["until"], first["no_crop"]) == ("cover.jpg", "2030-01-31T00:00:00Z", True)


@pytest.mark.parametrize(
    ("path", "word", "status", "code"),
    [
        ("/devkey/{key}/original/isbn/" + UNCOVERED, "wrong", 403, "owner"),
        ("/devkey/{key}/original/isbn/" + UNCOVERED, "", 403, "owner"),
        ("/devkey/nosuchkey1/original/isbn/" + UNCOVERED, TOKEN, 403, "key"),
        ("/devkey/{key}/original/isbn/9780141439519", TOKEN, 400, "invalid"),
        ("/devkey/{key}/original/colour/red", TOKEN, 404, "path"),
        ("/devkey/{key}/original/isbn/" + UNCOVERED + "?until=soon", TOKEN, 400, "question"),
        ("/devkey/{key}/original/isbn/" + UNCOVERED + "?until=1999-01-01", TOKEN, 400, "question"),
        ("/devkey/{key}/original/isbn/" + UNCOVERED + "?no_crop=maybe", TOKEN, 400, "question"),
        ("/devkey/{key}/original/isbn/" + UNCOVERED + "?pin=perhaps", TOKEN, 400, "question"),
    ],
)
async def test_who_may_not_is_told(server: Running, path: str, word: str, status: int, code: str) -> None:
    """Wrong words, keys, books and terms are refused before anything is kept."""
    got, problem = await call(server, "PUT", path.replace("{key}", server.key.name), RED, word)
    assert (got, problem["code"]) == (status, code)
    assert left(server) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>not a picture</html>", "HTML"),
        (b"", "the file is empty"),
        (RED[: len(RED) // 2], ""),
        (images.small_jpeg(8, 8), "at least 20 px per side"),
    ],
    ids=["a page", "nothing", "half a picture", "tiny"],
)
async def test_what_is_no_cover_is_refused(server: Running, body: bytes, words: str) -> None:
    """Refused with a reason that a librarian understands; nothing is entered, and no file is left."""
    status, problem = await call(server, "PUT", one(server), body)
    assert (status, problem["code"]) == (422, "refused")
    assert words in problem["detail"]
    assert server.folder.catalogue.find(Identifier(ISBN, UNCOVERED)) == []
    assert left(server) == []


async def test_too_many_bytes_are_refused_while_they_come(start: Start) -> None:
    """By the length that is said, and where none is said, as soon as it is too much."""
    server = await start(admin={"token": TOKEN}, upload={"max_bytes": 100_000})

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65_536)

    assert (await call(server, "PUT", one(server), bytes(200_000)))[0] == 413
    with _either() as got:
        got.append(await call(server, "PUT", one(server), endless()))
    assert left(server) == []


class _either:
    """An answer, or the connection that is closed while we still send."""

    def __enter__(self) -> list[Any]:
        return []

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        return kind is not None and issubclass(kind, aiohttp.ClientError | ConnectionError)


async def test_a_slow_body_ends(start: Start) -> None:
    """What does not come within its seconds gives its place back."""
    server = await start(admin={"token": TOKEN}, upload={"seconds": 0.3, "at_once": 1})

    async def slow() -> AsyncIterator[bytes]:
        yield RED[:100]
        await asyncio.sleep(5)
        yield RED[100:]

    with _either() as got:
        got.append(await call(server, "PUT", one(server), slow()))
    assert left(server) == []
    assert (await call(server, "PUT", one(server), RED))[0] == 201


async def test_a_broken_connection_leaves_nothing(server: Running) -> None:
    """A client that goes away in the middle leaves no file, no row and no taken place."""
    host, port = server.listeners.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    lines = (
        f"PUT {one(server)} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {TOKEN}",
        "Content-Length: 5000",
    )
    head = "\r\n".join(lines) + "\r\n\r\n"
    writer.write(head.encode() + RED[:1000])
    await writer.drain()
    for _ in range(100):
        if left(server):
            break
        await asyncio.sleep(0.02)
    assert left(server)
    writer.transport.abort()
    for _ in range(200):
        if not left(server):
            break
        await asyncio.sleep(0.02)
    assert left(server) == []
    assert server.folder.catalogue.find(Identifier(ISBN, UNCOVERED)) == []


async def test_a_full_disk_leaves_nothing(server: Running) -> None:
    """A picture that finds no room is unavailable, and nothing of it stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    big = RED + bytes(300_000)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        status, problem = await call(server, "PUT", one(server), big)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (status, problem["code"]) == (503, "unavailable")
    assert left(server) == []
    assert (await call(server, "PUT", one(server), RED))[0] == 201


async def test_the_same_key_is_answered_alike(server: Running) -> None:
    """An upload sent twice under one Idempotency-Key is done once; another picture under it is refused."""
    first = await call(server, "PUT", one(server), RED, Idempotency_Key="a-1")
    again = await call(server, "PUT", one(server), RED, Idempotency_Key="a-1")
    assert (first[0], again[0], again[1]) == (201, 200, first[1])
    assert (await call(server, "PUT", one(server), BLUE, Idempotency_Key="a-1"))[0] == 409
    _, book = await call(server, "GET", every(server))
    assert [each["act"] for each in book["history"]] == ["add"]


async def test_no_more_wait_than_may(start: Start) -> None:
    """The queue of reviews is bounded, and so are uploads an hour."""
    server = await start(upload={"max_pending": 1, "per_hour": 2}, admin={"token": TOKEN})
    key = await owned(server)
    word = "the owners word"
    assert (await call(server, "PUT", one(server, key=key), RED, word))[0] == 202
    assert (await call(server, "PUT", one(server, COVERED, key), BLUE, word))[0] == 503
    assert [(await call(server, "PUT", one(server), RED))[0] for _ in range(3)][-1] == 429


async def test_nginx_lets_a_large_picture_through(server: Running, tmp_path: Path) -> None:
    """Through nginx more than its usual megabyte is taken at this address, and at no other."""
    large = RED + bytes(3_000_000)
    async with before(server, tmp_path / "nginx") as front:
        status, told = await call(server, "PUT", one(server), io.BytesIO(large), url=front)
        assert (status, told["status"]) == (201, "shown")
        (
            got,
            _,
        ) = await call(server, "PUT", one(server), BLUE, url=front)
        assert got == 201
        async with server.client.post(
            f"{front}/devkey/{server.key.name}/info", data=io.BytesIO(large)
        ) as response:
            assert response.status == 413


async def test_terms_are_told_and_obeyed(server: Running) -> None:
    """/info tells licence, end and no_crop; from its end on the original is not shown, and another is."""
    until = datetime.fromtimestamp(time.time() + 86_400 * 2, UTC).date().isoformat()
    path = f"{one(server, COVERED)}?licence=CC0&no_crop=1&until={until}"
    assert (await call(server, "PUT", path, RED))[0] == 201
    about = f"/devkey/{server.key.name}/info/isbn/{COVERED}"
    told = orjson.loads((await server.get(about)).body)["original"]
    assert (told["licence"], told["until"], told["no_crop"]) == ("CC0", f"{until}T00:00:00Z", True)
    shown = await server.get(server.path(COVERED))
    stores = server.folder.catalogue, server.folder.files, server.folder.invalidator
    assert await asyncio.to_thread(expire, *stores, int(time.time()), 86_400) == 0
    assert await asyncio.to_thread(expire, *stores, int(time.time()) + 86_400 * 3, 86_400) == 1
    after = await server.get(server.path(COVERED), If_None_Match=shown.headers["ETag"])
    assert (after.status, after.headers["X-Cover-Original"]) == (200, "1000x1500")
    _, book = await call(server, "GET", every(server, COVERED))
    assert [each["state"] for each in book["originals"]] == [None, "expired"]


async def test_what_nobody_reviews_is_removed(server: Running) -> None:
    """After its days what waits is gone with its file; the book is as it was."""
    key = await owned(server)
    await call(server, "PUT", one(server, key=key), RED, "the owners word")
    (waiting,) = server.folder.catalogue.find(Identifier(ISBN, UNCOVERED))
    file = server.folder.files.path(waiting)
    assert file.exists()
    stores = server.folder.catalogue, server.folder.files, server.folder.invalidator
    now = int(time.time())
    assert await asyncio.to_thread(expire, *stores, now, 86_400) == 0
    assert await asyncio.to_thread(expire, *stores, now + 86_401, 86_400) == 1
    assert server.folder.catalogue.find(Identifier(ISBN, UNCOVERED)) == []
    assert not file.exists()


async def test_nginx_sends_a_replacement(server: Running, tmp_path: Path) -> None:
    """Through nginx a replaced cover comes at once, to who had the old one by tag or by date too."""
    async with before(server, tmp_path / "nginx") as front:
        path = server.path(COVERED)

        async def get(**headers: str) -> tuple[int, Mapping[str, str]]:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            async with server.client.get(front + path, headers=BROWSER | sent) as response:
                await response.read()
                return response.status, response.headers

        await get()
        _, old = await get()
        assert old["X-Cover-Status"] == "hit"
        assert (await get(If_None_Match=old["ETag"]))[0] == 304
        await call(server, "PUT", one(server, COVERED), RED)
        for validator in ({"If_None_Match": old["ETag"]}, {"If_Modified_Since": old["Last-Modified"]}):
            for _ in range(2):  # made by the app, then a hit of nginx
                status, new = await get(**validator)
                assert (status, new["ETag"] != old["ETag"]) == (200, True)
        assert new["X-Cover-Status"] == "hit"
        assert (await get(If_None_Match=new["ETag"]))[0] == 304


@pytest.fixture
def host() -> Iterator[LinkHost]:
    """A host with a picture, and addresses that lead elsewhere."""
    files: dict[str, bytes | str] = {
        "/red.jpg": RED,
        "/off": "http://example.org/red.jpg",
        "/text": b"no picture",
    }
    with link_host(files) as made:
        yield made


async def test_a_picture_is_sent_by_its_address(start: Start, host: LinkHost) -> None:
    """It is fetched from a listed host, bounded, and enters as a file does; other hosts are not asked."""
    upload = {"hosts": [host.name], "allow": ["127.0.0.1"], "max_bytes": 50_000}
    server = await start(admin={"token": TOKEN}, upload=upload)
    json = {"Content_Type": "application/json"}
    status, told = await call(
        server, "POST", one(server), orjson.dumps({"url": host.url + "/red.jpg"}), **json
    )
    assert (status, told["status"]) == (201, "shown")
    (original,) = server.folder.catalogue.find(Identifier(ISBN, UNCOVERED))
    assert original.origin == host.url + "/red.jpg"
    for path, expected in (("/off", 422), ("/none", 422), ("/text", 422)):
        body = orjson.dumps({"url": host.url + path})
        assert (await call(server, "POST", one(server), body, **json))[0] == expected
    elsewhere = orjson.dumps({"url": "http://127.0.0.1:1/red.jpg"})
    assert (await call(server, "POST", one(server), elsewhere, **json))[0] == 422
    assert (await call(server, "POST", one(server), b'{"url": ""}', **json))[0] == 400
    host.files["/large"] = bytes(60_000)
    large = orjson.dumps({"url": host.url + "/large"})
    assert (await call(server, "POST", one(server), large, **json))[0] == 413
    assert list(Path(server.config.data.dir, "originals").rglob("*.part")) == []


async def test_addresses_are_off_by_default(server: Running, host: LinkHost) -> None:
    """Without listed hosts nothing is fetched."""
    body = orjson.dumps({"url": host.url + "/red.jpg"})
    status, _ = await call(server, "POST", one(server), body, Content_Type="application/json")
    assert (status, host.asked) == (400, [])

"""The admin pages: who is let in, and what can be done there."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from browser import Page
from click.testing import CliRunner
from conftest import COVERED, UNCOVERED, Got, Running, Start
from forms import Visitor
from itsdangerous import URLSafeSerializer

from coverproxy.cli import main
from coverproxy.demo.classics import CLASSICS
from coverproxy.domain.api_key import Key, new_name
from coverproxy.domain.formats import Loader
from coverproxy.domain.original import OriginalState
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging import vips
from coverproxy.web.app_keys import DESK
from coverproxy.web.pages.admin_home import WANTED

TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's
ADMIN = {"admin": {"token": TOKEN}, "signup": {"tries_per_hour": 100}}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PAGES = (
    "/admin",
    "/admin/keys",
    "/admin/new-key",
    "/admin/wanted",
    f"/admin/book?isbn={COVERED}",
    "/admin/service",
    "/admin/reports",
    "/admin/review",
)


@pytest.fixture
async def guarded(start: Start) -> Running:
    """A server with a password."""
    return await start(render={"answer_within_seconds": 30.0}, **ADMIN)


@pytest.fixture
async def somebody(guarded: Running) -> AsyncIterator[Visitor]:
    """Somebody who has not logged in."""
    async with Visitor(guarded) as visitor:
        yield visitor


@pytest.fixture
async def administrator(somebody: Visitor) -> Visitor:
    """Somebody who has."""
    got = await somebody.submit("/admin", {"token": TOKEN}, to="/admin/login")
    assert got.status == 200, got
    return somebody


async def kept(server: Running, name: str) -> Key:
    return next(key for key in server.service.accounts.all() if key.name == name)


@pytest.mark.parametrize("path", PAGES)
async def test_there_are_none_unless_the_config_says_so(server: Running, path: str) -> None:
    """With neither password nor header set the pages do not exist, whatever is sent."""
    async with Visitor(server) as visitor:
        assert (await visitor.get(path, Authorization="Bearer ", X_Remote_User="root")).status == 404
        assert (await visitor.submit("/keys", {"token": ""}, to="/admin/login")).status == 404


@pytest.mark.parametrize("path", [*PAGES, f"/admin/original/{'0' * 32}?isbn={COVERED}"])
async def test_strangers_see_the_way_in_and_nothing_else(
    somebody: Visitor, guarded: Running, path: str
) -> None:
    """Every admin address answers strangers 401 with the login form, programs a 401 no other site reads."""
    page = await somebody.get(path)
    assert (page.status, b'type="password"' in page.body) == (401, True)
    assert guarded.key.name.encode() not in page.body
    told = await somebody.get(path, Accept="application/json", Authorization="Bearer wrong")
    assert (told.status, orjson.loads(told.body)["status"]) == (401, 401)
    assert "Access-Control-Allow-Origin" not in told.headers


async def test_wrong_passwords_are_counted(start: Start) -> None:
    """After its attempts an address waits, with the right password too."""
    server = await start(admin={"token": TOKEN}, signup={"tries_per_hour": 2})
    async with Visitor(server) as visitor:
        got = [
            (await visitor.submit("/admin", {"token": token}, to="/admin/login")).status
            for token in ("wrong", "é", TOKEN)
        ]
        assert got == [403, 403, 429]
        assert (await visitor.get("/admin")).status == 401


async def test_a_session_cannot_be_made_up_or_kept(guarded: Running, administrator: Visitor) -> None:
    """No script reads the cookie; a changed one, an earlier version's, and one after logging out are none."""
    cookies = {each.key: each for each in administrator.client.cookie_jar}
    session = cookies["coverproxy_admin"]
    assert session["httponly"]
    assert session["samesite"] == "Strict"
    payload, signature = session.value.split(".")
    others = URLSafeSerializer("another secret").dumps([int(time.time()) + 900, "nonce"])
    async with Visitor(guarded) as other:
        for forged in (
            f"{payload[:-4]}AAAA.{signature}", f"{payload}.{signature[:-4]}AAAA", f"{payload}.",
            f".{signature}", others, f"{int(time.time()) + 900}.{'n' * 16}.{'0' * 64}", "a.b.c", "a.\udcff",
        ):  # fmt: skip
            assert (await other.get("/admin", Cookie=f"coverproxy_admin={forged}")).status == 401, forged
        assert (await other.get("/admin", Cookie=f"coverproxy_admin={session.value}")).status == 200
    assert (await administrator.submit("/admin", {}, to="/admin/logout")).status == 200
    assert (await administrator.get("/admin")).status == 401
    async with Visitor(guarded) as other:  # who copied the cookie before
        assert (await other.get("/admin", Cookie=f"coverproxy_admin={session.value}")).status == 401


async def test_a_forged_form_does_nothing(guarded: Running, administrator: Visitor) -> None:
    """With the session but without its form's token, or with that of a public page, nothing is done."""
    fields = {"action": "revoke", "key": guarded.key.name}
    public = re.search(r'value="([\w-]{43})"', (await administrator.get("/keys")).body.decode())
    assert public
    tries = [
        await administrator.post("/admin/keys", fields),
        await administrator.post("/admin/keys", fields | {"form_token": public[1]}),
        await administrator.submit("/admin/keys", fields, Sec_Fetch_Site="same-site"),
    ]
    assert [each.status for each in tries] == [403] * 3
    assert (await kept(guarded, guarded.key.name)).revoked_at is None


async def test_an_administrator_approves_and_revokes(start: Start, tab: Page) -> None:
    """By clicks alone: a key that waits shows covers once approved, and none once revoked."""
    server = await start(render={"answer_within_seconds": 30.0}, **ADMIN)
    waiting = await server.new_key(
        is_waiting=True, label="<b>Waits</b>", contact="w@example.org", created_at=5
    )
    await tab.open(f"{server.listeners.url}/admin")
    await tab.fill("#token", TOKEN)
    await tab.click("form.sheet button")
    await tab.click(".waits .some a")
    assert await tab.text(".keys li:first-child h2") == "<b>Waits</b>"
    assert (await server.get(server.path(key=waiting.name))).status == 403
    await tab.click(".keys button[value=approve]")
    assert (await server.get(server.path(key=waiting.name))).cover == "made"
    assert "approved" in await tab.text(".note.good")
    await tab.open(f"{server.listeners.url}/admin/keys")
    await tab.click(f".keys li:has(input[value='{waiting.name}']) button[value=revoke]")
    assert (await server.get(server.path(key=waiting.name))).status == 403
    assert waiting.name not in await tab.ask("document.title + location.href")


async def test_a_program_does_all_that_a_person_can(guarded: Running) -> None:
    """With the token in its header a program lists keys, limits, binds, replaces, turns down and restores."""

    async def act(**fields: str) -> dict[str, object]:
        async with guarded.client.post(
            f"{guarded.listeners.url}/admin/keys",
            data=fields,
            headers=BEARER | {"Accept": "application/json"},
        ) as response:
            return {"status": response.status, **orjson.loads(await response.read())}

    name = guarded.key.name
    waiting = await guarded.new_key(is_waiting=True)
    await act(action="settle", key=name, daily_limit="7", sites="*.Example.org", no_cover="card")
    changed = await kept(guarded, name)
    assert (changed.daily_limit, changed.sites, changed.no_cover) == (7, ("*.example.org",), "card")
    new = (await act(action="rotate", key=name))["done"]["key"]  # type: ignore[index]
    assert (await kept(guarded, new)).counted_as == name
    word = (await act(action="word", key=new))["done"]["word"]  # type: ignore[index]
    assert (await kept(guarded, new)).is_owned_with(word)
    await act(action="refuse", key=waiting.name)
    assert (await kept(guarded, waiting.name)).revoked_at
    await act(action="revoke", key=new)
    listed = await act(action="restore", key=new)
    states = {each["key"]: each["state"] for each in listed["keys"]}  # type: ignore[attr-defined]
    assert (states[new], states[waiting.name]) == ("active", "revoked")
    assert [(await act(action=what, key=who, daily_limit="x"))["status"] for what, who in (
        ("explode", name), ("settle", name), ("revoke", new_name())
    )] == [400, 400, 403]  # fmt: skip


async def test_the_first_page_says_what_waits(guarded: Running, administrator: Visitor) -> None:
    """Keys, wishes for a role, pending and corrupt originals by number; requested items without a cover."""
    await guarded.new_key(is_waiting=True)
    await guarded.new_key(asked_role="server")
    first, second = (
        guarded.folder.catalogue.find(Identifier(ISBN, CLASSICS[number].isbns[0]))[0] for number in (2, 3)
    )
    with guarded.folder.catalogue.writing() as tables:
        tables.decide(first, OriginalState.PENDING, is_pinned=False)
        tables.mark_faulty(second, "broken")
    ledger = guarded.app[DESK].ledger
    for account, name, times in (
        ("a", UNCOVERED, 2),
        ("b", UNCOVERED, 2),
        ("b", "oclc:42", 3),
        ("a", COVERED, 9),
    ):
        for _ in range(times):
            ledger.note_lacking(account, name)
    await ledger.write()
    guarded.app[WANTED].until = 0.0  # logging in led to the page
    told = orjson.loads((await guarded.get("/admin", Accept="application/json", **BEARER)).body)

    assert told["waits"] == {
        "keys": 1, "roles": 1, "reports": 0, "pending": 1, "quarantined": 0, "corrupt": 1, "sources": 0,
    }  # fmt: skip
    assert [(each["isbn"], each["asked"]) for each in told["wanted"]] == [(UNCOVERED, 4), ("oclc:42", 3)]
    page = (await administrator.get("/admin")).body.decode()
    assert f'href="/admin/upload/isbn/{UNCOVERED}"' in page
    rows = (await guarded.get("/admin/wanted.csv?sort=isbn", **BEARER)).body.decode().splitlines()
    assert [row.split(",")[0] for row in rows] == ["isbn", UNCOVERED, "oclc:42"]
    found = await guarded.get("/admin/wanted?find=OCLC", Accept="application/json", **BEARER)
    assert [each["isbn"] for each in orjson.loads(found.body)["wanted"]] == ["oclc:42"]


async def test_an_administrator_creates_a_key(guarded: Running, administrator: Visitor) -> None:
    """It works at once in its role, once for one form sent twice; a mistake keeps what was typed."""
    fields = {"label": "Reading room", "daily_limit": "7", "role": "server", "once": "x"}
    odd = await administrator.submit("/admin/new-key", fields | {"daily_limit": "many"})
    before = len(guarded.service.accounts.all())
    got = [await administrator.submit("/admin/new-key", fields) for _ in range(2)]
    named = [key for key in guarded.service.accounts.all() if key.label == "Reading room"]

    assert (odd.status, b"Reading room" in odd.body, b"a number of covers" in odd.body) == (400, True, True)
    assert [each.status for each in got] == [200, 200]
    assert len(guarded.service.accounts.all()) == before + 1
    assert (named[0].daily_limit, named[0].role, named[0].is_waiting) == (7, "server", False)
    assert named[0].name.encode() in got[0].body
    assert (await guarded.get(guarded.path(key=named[0].name))).cover in ("made", "hit")


async def test_what_cannot_be_undone_is_asked_once_more(guarded: Running, administrator: Visitor) -> None:
    """Replacing a key shows what it means first, and does nothing; the button there does it."""
    fields = {"action": "rotate", "key": guarded.key.name}
    asked = await administrator.submit("/admin/keys", fields)
    before = await kept(guarded, guarded.key.name)
    done = await administrator.submit("/admin/keys", fields | {"sure": "yes"})

    assert b"Replace this key?" in asked.body
    assert before.expires_at is None
    assert done.status == 200
    assert (await kept(guarded, guarded.key.name)).expires_at


async def test_keys_are_filtered_sorted_and_taken_along(guarded: Running) -> None:
    """By state, by name; as CSV, where text that strangers typed is not a formula."""
    await guarded.new_key(is_waiting=True, label="=HYPERLINK(1)", contact="x@example.org")
    await guarded.new_key(revoked_at=5, label="Aardvark")

    async def labels(query: str) -> list[str]:
        got = await guarded.get(f"/admin/keys?{query}", Accept="application/json", **BEARER)
        return [each["label"] for each in orjson.loads(got.body)["keys"]]

    assert await labels("state=waiting") == ["=HYPERLINK(1)"]
    assert await labels("state=revoked") == ["Aardvark"]
    assert await labels("sort=label") == ["=HYPERLINK(1)", "Aardvark", "tests"]
    assert (await labels("state=odd&sort=odd"))[0] == "=HYPERLINK(1)"
    got = await guarded.get("/admin/keys.csv?state=waiting", **BEARER)
    assert got.headers["Content-Disposition"] == 'attachment; filename="keys.csv"'
    assert got.body.decode().splitlines()[1].split(",")[1] == "'=HYPERLINK(1)"


async def test_keys_are_found_and_paged(guarded: Running) -> None:
    """A hundred keys a page, those that wait first; a search looks at name, label, contact and site."""
    for number in range(101):
        await guarded.service.accounts.store.save(Key(new_name(), f"label {number}", 1, created_at=number))
    await guarded.service.accounts.store.save(Key(new_name(), "Zebra", 1, is_waiting=True, contact="Z@x.org"))
    await guarded.service.accounts.refresh()

    async def told(query: str) -> dict[str, object]:
        got = await guarded.get(f"/admin/keys{query}", Accept="application/json", **BEARER)
        found = orjson.loads(got.body)
        assert isinstance(found, dict)
        return found

    whole = await told("")
    assert (whole["count"], whole["waiting"], len(whole["keys"])) == (103, 1, 100)  # type: ignore[arg-type]
    assert whole["keys"][0]["label"] == "Zebra"  # type: ignore[index]
    assert len((await told("?from=100"))["keys"]) == 3  # type: ignore[arg-type]
    assert (await told("?find=z@X"))["count"] == 1
    assert (await told("?find=%3Cb%3E&from=7"))["count"] == 0


async def test_a_front_server_can_let_people_in(start: Start) -> None:
    """The header counts from a trusted front alone, and our nginx takes it from clients away."""
    header = {"admin": {"header": "X-Remote-User"}}
    trusting = await start(**header)
    wary = await start(**header, front={"trusted": ["192.0.2.1"]})
    async with Visitor(trusting) as visitor, Visitor(wary) as stranger:
        assert (await visitor.get("/admin", X_Remote_User="ada")).status == 200
        assert (await visitor.get("/admin")).status == 403
        assert (await stranger.get("/admin", X_Remote_User="ada")).status == 403
        form = {"action": "revoke", "key": trusting.key.name}
        assert (await visitor.submit("/admin/keys", form, X_Remote_User="ada")).status == 200
        assert (await kept(trusting, trusting.key.name)).revoked_at
        assert (await visitor.post("/admin/keys", form, X_Remote_User="ada")).status == 403
    printed = CliRunner().invoke(main, ["nginx-conf"], env={"COVERPROXY_ADMIN__HEADER": "X-Remote-User"})
    assert 'proxy_set_header X-Remote-User "";' in printed.output


async def test_a_book_shows_its_originals_side_by_side(guarded: Running, tab: Page, tmp_path: Path) -> None:
    """Two originals of one ISBN stand beside each other with px and source; purging removes what was made."""
    identifier = Identifier(ISBN, COVERED)
    first = guarded.folder.catalogue.find(identifier)[0]
    other = guarded.folder.catalogue.find(Identifier(ISBN, CLASSICS[1].isbns[0]))[0]
    body = guarded.folder.files.path(other).read_bytes()
    second = replace(other, identifier=identifier, source="<i>shop</i>", width=20, height=30)
    guarded.folder.catalogue.add(second)
    guarded.folder.files.place(second, body, Path(), "copy")
    await guarded.get(guarded.path())
    await tab.open(f"{guarded.listeners.url}/admin")
    await tab.fill("#token", TOKEN)
    await tab.click("form.sheet button")
    await tab.open(f"{guarded.listeners.url}/admin/book?isbn={COVERED}")
    await tab.ask("[...document.images].forEach(i => { i.loading = 'eager' })")
    pictures = await tab.ask(
        "Promise.all([...document.images].map(i => i.decode().then(() => i.naturalHeight)))"
    )
    assert pictures == [300, 300]
    text = await tab.text(".originals")
    assert f"{first.width}×{first.height}" in text
    assert "20×30" in text
    assert "<i>shop</i>" in text
    await tab.click(".purge button")
    assert "removed" in await tab.text(".note.good")
    assert (await guarded.get(guarded.path())).cover == "made"


async def test_a_preview_is_rendered_never_sent_as_it_came(guarded: Running) -> None:
    """A preview is a small JPEG of ours; an unknown or damaged original is a 404, a missing file a 503."""
    original = guarded.folder.catalogue.find(Identifier(ISBN, COVERED))[0]
    path = f"/admin/original/{original.digest.hex()}?isbn={COVERED}"
    got = await guarded.get(path, **BEARER)
    image = vips.open_original(got.body, Loader.JPEG)
    assert (image.width, image.height) == (200, 300)
    assert (await guarded.get(f"/admin/original/{'0' * 32}?isbn={COVERED}", **BEARER)).status == 404
    file = guarded.folder.files.path(original)
    whole = file.read_bytes()
    file.unlink()
    assert (await guarded.get(path, **BEARER)).status == 503
    file.write_bytes(whole[: len(whole) // 2])
    assert (await guarded.get(path, **BEARER)).status == 404
    file.write_bytes(whole)


async def test_what_is_quarantined_is_seen_and_released(guarded: Running, administrator: Visitor) -> None:
    """A quarantined original stands on the page with its reason, and its cover is back once released."""
    original = guarded.folder.catalogue.find(Identifier(ISBN, COVERED))[0]
    guarded.folder.catalogue.quarantine(original.digest, "crashed <b>hard</b>", 1_795_400_000)
    assert (await guarded.get(guarded.path())).cover == "missing"
    page = await administrator.get("/admin/service")
    assert b"crashed &lt;b&gt;hard&lt;/b&gt;" in page.body
    assert COVERED.encode() in page.body
    odd = await administrator.submit("/admin/service", {"digest": "../x"})
    assert odd.status == 400
    done = await administrator.submit("/admin/service", {"digest": original.digest.hex()})
    assert b"Released for 1 book." in done.body
    assert (await guarded.get(guarded.path())).cover == "made"


async def test_the_service_page_tells_cache_and_sources(guarded: Running) -> None:
    """As JSON: bytes held and allowed, originals by source, faults, nothing quarantined."""
    await guarded.get(guarded.path())
    got: Got = await guarded.get("/admin/service", Accept="application/json", **BEARER)
    told = orjson.loads(got.body)

    assert told["sources"] == [{"name": "test", "originals": 28, "state": None}]
    assert told["cache"]["held_bytes"] > 0
    assert told["cache"]["max_bytes"] == guarded.config.cache.max_bytes
    assert (told["faults"], told["quarantined"]) == ({}, [])


def test_the_password_is_not_told_by_check_config() -> None:
    """`coverproxy check-config` shows that there is a password, and not which."""
    for as_json in ([], ["--json"]):
        got = CliRunner().invoke(main, ["check-config", *as_json], env={"COVERPROXY_ADMIN__TOKEN": TOKEN})
        assert got.exit_code == 0
        assert TOKEN not in got.output
    short = CliRunner().invoke(main, ["check-config"], env={"COVERPROXY_ADMIN__TOKEN": "short"})
    assert (short.exit_code, "COVERPROXY_ADMIN__TOKEN: is too short" in short.output) == (2, True)


EVERY = [
    "/", f"/?isbn={COVERED}", "/item?q=abc", "/keys", "/batch", "/status", "/devkey/KEY/usage",
    "/devkey/none/usage", "/nowhere", f"/report/isbn/{COVERED}", f"/upload/isbn/{COVERED}",
    f"/item/isbn/{COVERED}?lang=fr", *PAGES,
]  # fmt: skip


async def test_pages_are_clean_on_a_phone_and_in_the_dark(guarded: Running, tab: Page) -> None:
    """At 360 px no page scrolls sideways, axe finds no barrier, and colours follow the reader's wish."""
    await guarded.new_key(is_waiting=True)
    await guarded.get(guarded.path("123"))
    await guarded.get(guarded.path("9780141439501"))
    original = guarded.folder.catalogue.find(Identifier(ISBN, CLASSICS[2].isbns[0]))[0]
    guarded.folder.catalogue.quarantine(original.digest, "crashed", 1_795_400_000)
    await guarded.app[DESK].ledger.write()
    await tab.resize(360, 780)
    url = guarded.listeners.url
    await tab.open(f"{url}/admin")
    seen = {"login": await tab.barriers()}
    await tab.fill("#token", TOKEN)
    await tab.click("form.sheet button")
    for path in EVERY:
        await tab.open(url + path.replace("KEY", guarded.key.name))
        for is_dark, rules in ((False, ()), (True, ("color-contrast",))):
            await tab.darken(is_dark)
            seen[f"{path} {is_dark}"] = await tab.barriers(*rules)
            light = await tab.ask("getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0]")
            assert (int(light) < 60) == is_dark, path
        assert await tab.ask("document.documentElement.scrollWidth") <= 360, path
    assert {path: found for path, found in seen.items() if found} == {}


async def test_pages_are_used_by_keyboard_alone(start: Start, tab: Page) -> None:
    """Tab reaches the skip link, the navigation, the covers, the field; Enter there shows the item."""
    server = await start(render={"answer_within_seconds": 30.0})
    await tab.open(f"{server.listeners.url}/")
    seen = []
    for _ in range(7 + 16 + 1):
        await press(tab, "Tab", 9)
        seen.append(await tab.ask("document.activeElement.textContent.trim() || document.activeElement.id"))
        visible = "getComputedStyle(document.activeElement).outlineStyle != 'none'"
        assert await tab.ask(visible)
    assert seen == [
        "Skip to content",
        "Book covers by ISBN",
        "Home",
        "Get a key",
        "How to use it",
        "Lists",
        "Status",
        *[""] * 16,
        "find",
    ]
    await tab.call("Input.insertText", text=COVERED)
    await press(tab, "Enter", 13, text="\r")
    for _ in range(100):
        if await tab.ask("document.querySelectorAll('.item img').length == 1"):
            return
        await asyncio.sleep(0.05)
    pytest.fail("Enter did not send the form")


async def press(tab: Page, key: str, code: int, **more: str) -> None:
    for kind in ("keyDown", "keyUp"):
        await tab.call(
            "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more
        )

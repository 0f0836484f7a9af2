"""Keys that people get for themselves, what they see of their use, and what they may change."""

import asyncio
import csv
import logging
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from browser import Page
from conftest import COVERED, UNCOVERED, Running, Start
from ending import end
from forms import Visitor
from fronting import before

from coverproxy.domain.api_key import Key, hashed, new_name
from coverproxy.web.app_keys import DESK

OPEN = {"signup": {"mode": "open"}}
WISH = {"label": "Our catalogue", "contact": "me@example.org", "site": ""}
KEY = re.compile(r'id="key">(cp_[a-z0-9]{26})<')
WORD = re.compile(r'id="word">(cp_sec_[a-z0-9]{26})<')


@pytest.fixture
async def open_server(start: Start) -> Running:
    """A server that gives keys to whoever asks."""
    return await start(render={"answer_within_seconds": 30.0}, **OPEN)


@pytest.fixture
async def visitor(open_server: Running) -> AsyncIterator[Visitor]:
    """Somebody who visits it."""
    async with Visitor(open_server) as somebody:
        yield somebody


async def got_key(visitor: Visitor, **fields: str) -> tuple[str, str]:
    """Get a key through the page; return it and its owner's word."""
    page = await visitor.submit("/keys", WISH | fields)
    assert page.status == 200, page.body.decode()
    text = page.body.decode()
    key, word = KEY.search(text), WORD.search(text)
    assert key
    assert word
    return key[1], word[1]


async def usage_of(server: Running, key: str) -> dict[str, Any]:
    await server.app[DESK].ledger.write()
    told = orjson.loads((await server.get(f"/devkey/{key}/usage", Accept="application/json")).body)
    assert isinstance(told, dict)
    return told


async def test_a_newcomer_gets_a_key_and_sees_a_cover(open_server: Running, tab: Page) -> None:
    """From the home page to a key, to a cover, to its use, by clicks alone: one cover made, one counted."""
    await tab.open(f"{open_server.listeners.url}/")
    await tab.click("a.action")
    for name, text in (
        ("label", "Bücherei <b>Ost</b>"),
        ("contact", "ost@example.org"),
        ("site", "https://ost.example/"),
    ):
        await tab.fill(f"#{name}", text)
    await tab.click("form.sheet button")
    key = await tab.text("#key")
    url = await tab.text("#url")
    assert await tab.ask("document.querySelectorAll('.copy').length") >= 3
    assert key not in await tab.ask("document.title")

    await tab.click("main p:last-of-type a[href*=usage]")
    await tab.fill("#try-isbn", COVERED)
    await tab.click(".try button")
    sizes = await tab.ask("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    assert sizes == [100, 200, 500]
    assert key in url
    await tab.open(f"{open_server.listeners.url}/devkey/{key}/usage")
    assert (await tab.text(".quantities div:first-child dd")) == "3"
    assert "Bücherei <b>Ost</b>" in await tab.text(".lead")
    assert key not in await tab.ask("document.title")
    told = await usage_of(open_server, key)
    home = orjson.loads((await open_server.get("/", Accept="application/json")).body)
    made = 3 - (COVERED in [each["identifier"] for each in home["shelf"]])  # the shelf had that one made
    assert (told["made_today"], told["left"]) == (made, 1000 - made)


async def test_a_key_is_shown_once_and_its_word_never_kept(open_server: Running, visitor: Visitor) -> None:
    """Key and word come with the answer that makes them; of the word a hash is kept; no page has either."""
    key, word = await got_key(visitor, label="Once")
    saved = next(each for each in open_server.service.accounts.all() if each.name == key)

    assert saved.owner == hashed(word)
    assert word not in repr(saved)
    assert key not in (await visitor.get("/keys")).body.decode()


async def test_a_contact_has_three_keys_and_a_day_has_its_number(start: Start) -> None:
    """The fourth key of a contact is refused, however it is spelled; so is one beyond the day's number."""
    server = await start(signup={"mode": "open", "keys_per_day": 4, "tries_per_hour": 100})
    async with Visitor(server) as visitor:
        for spelling in ("me@example.org", "ME@example.org", " me@Example.org "):
            await got_key(visitor, contact=spelling)
        refused = await visitor.submit("/keys", WISH)
        assert (refused.status, b"reached its number of keys" in refused.body) == (429, True)
        await got_key(visitor, contact="other@example.org")
        refused = await visitor.submit("/keys", WISH | {"contact": "third@example.org"})
        assert (refused.status, b"No more keys are issued today" in refused.body) == (429, True)


async def test_keys_asked_for_at_once_keep_to_the_limit(open_server: Running) -> None:
    """Twenty requests that race for three places of one contact get three keys."""
    keys = open_server.app[DESK].keys
    from coverproxy.accounts.self_service import KeyWish
    from coverproxy.domain.errors import KeyRequestRefused

    async def ask(number: int) -> bool:
        try:
            await keys.give(KeyWish("x", "race@example.org"), f"address {number}")
        except KeyRequestRefused:
            return False
        return True

    assert sum(await asyncio.gather(*(ask(number) for number in range(20)))) == 3


async def test_an_address_has_so_many_attempts(start: Start) -> None:
    """After its attempts an address is told to wait; another one, told by the front, is not held back."""
    server = await start(signup={"mode": "open", "tries_per_hour": 2})
    async with Visitor(server) as visitor:
        for number in range(2):
            await got_key(visitor, contact=f"c{number}@example.org")
        refused = await visitor.submit("/keys", WISH)
        other = await visitor.submit("/keys", WISH, X_Forwarded_For="203.0.113.9")
        assert (refused.status, other.status) == (429, 200)


async def test_a_key_that_waits_works_once_it_is_approved(start: Start) -> None:
    """In mode approve a new key is refused covers until somebody approves it."""
    server = await start()
    async with Visitor(server) as visitor:
        key, _ = await got_key(visitor)
        assert (await server.get(server.path(key=key))).status == 403
        waiting = next(each for each in server.service.accounts.all() if each.name == key)
        await server.service.accounts.save(replace(waiting, is_waiting=False))
        assert (await server.get(server.path(key=key))).cover == "made"


async def test_a_closed_service_gives_no_keys(start: Start) -> None:
    """In mode closed there is no form, and what is sent all the same is refused."""
    server = await start(signup={"mode": "closed"}, site={"contact": "ask@example.org"})
    async with Visitor(server) as visitor:
        page = await visitor.get("/keys")
        assert b"<form" not in page.body
        assert b"mailto:ask@example.org" in page.body
        assert b"you get one at once" not in page.body
        home = (await visitor.get("/")).body
        assert (b'href="/keys"' in home, b'href="/keys"' in page.body) == (False, False)
        assert (await visitor.submit("/keys", WISH, to="/keys")).status == 403
        assert len(server.service.accounts.all()) == 1


@pytest.mark.parametrize(
    ("fields", "marked"),
    [
        ({"label": " \u202e\x00 "}, "label"),
        ({"label": "x" * 81}, "label"),
        ({"contact": "nobody"}, "contact"),
        ({"contact": "javascript:alert(1)"}, "contact"),
        ({"contact": "a@b.c" + "d" * 120}, "contact"),
        ({"site": "not a host"}, "site"),
        ({"is_bound": "on"}, "site"),
    ],
)
async def test_what_cannot_be_right_is_marked(visitor: Visitor, fields: dict[str, str], marked: str) -> None:
    """The form comes back with what was typed and the field at fault marked for eyes and ears."""
    page = await visitor.submit("/keys", WISH | fields)
    text = page.body.decode()

    assert page.status == 400
    assert re.search(rf'id="{marked}"[^>]*aria-describedby="{marked}-hint why"[^>]*aria-invalid="true"', text)
    assert text.count("aria-invalid") == 1


async def test_hostile_words_are_shown_harmless(open_server: Running, visitor: Visitor) -> None:
    """A label and a refused ISBN of markup are text wherever they show."""
    bad = "\"'><script>alert(1)</script>"
    key, _ = await got_key(visitor, label=bad)
    async with open_server.client.get(
        f"{open_server.listeners.url}/devkey/{key}/medium/isbn/{bad.replace('/', '')}"
    ):
        pass
    await open_server.app[DESK].ledger.write()
    page = await visitor.get(f"/devkey/{key}/usage?isbn=%3Cscript%3Ealert(1)")

    assert page.headers["Content-Type"].startswith("text/html")
    assert b"<script>" not in page.body
    assert page.body.count(b"alert(1)") >= 2


async def test_a_form_from_elsewhere_is_refused(open_server: Running, visitor: Visitor) -> None:
    """Without the page's token and cookie, with somebody else's, or sent by another site: 403, no key."""
    async with Visitor(open_server) as other:
        theirs = re.search(r'value="([\w-]{43})"', (await other.get("/keys")).body.decode())
    assert theirs
    await visitor.get("/keys")
    tries = [
        await visitor.post("/keys", WISH),
        await visitor.post("/keys", WISH | {"form_token": theirs[1]}),
        await visitor.post("/keys", WISH | {"form_token": "é"}),
        await visitor.submit("/keys", WISH, Sec_Fetch_Site="cross-site"),
    ]
    assert [each.status for each in tries] == [403] * 4
    assert len(open_server.service.accounts.all()) == 1


async def test_the_form_cookie_is_out_of_reach(visitor: Visitor) -> None:
    """No script reads the cookie and no other site sends it; behind https it never goes over http."""
    plain = (await visitor.get("/keys")).headers["Set-Cookie"]
    visitor.client.cookie_jar.clear()
    secure = (await visitor.get("/keys", X_Forwarded_Proto="https")).headers["Set-Cookie"]

    assert "HttpOnly" in plain
    assert "SameSite=Strict" in plain
    assert "Secure" in secure


async def test_the_usage_page_tells_what_was_lacking_and_refused(open_server: Running) -> None:
    """ISBNs without a cover are counted, refusals kept with their reasons; CSV and JSON have the same."""
    key = open_server.key.name
    for _ in range(3):
        await open_server.get(open_server.path(UNCOVERED))
    await open_server.get(open_server.path("123"))
    await open_server.get(open_server.path(size="huge"))
    bound = await open_server.new_key(sites=("only.example",), account=key)
    await open_server.get(open_server.path(key=bound.name), Referer="https://else.example/x")
    told = await usage_of(open_server, key)

    assert [(each["isbn"], each["asked"]) for each in told["lacking"]] == [(UNCOVERED, 3)]
    assert [each["reason"] for each in told["refusals"]] == ["key", "size", "invalid"]
    assert "found 3" in told["refusals"][2]["detail"]
    assert "else.example" in told["refusals"][0]["detail"]
    got = await open_server.get(f"/devkey/{key}/usage/missing.csv")
    assert got.headers["Content-Type"] == "text/csv; charset=utf-8"
    told_abroad = await open_server.get(f"/devkey/{key}/usage")
    assert told_abroad.headers["Access-Control-Allow-Origin"] == "*"
    rows = list(csv.reader(got.body.decode().splitlines()))
    assert rows[0] == ["isbn", "asked", "last", "title"]
    assert rows[1][:2] == [UNCOVERED, "3"]


async def test_what_is_lacking_has_the_title_that_a_request_said(open_server: Running) -> None:
    """A card's title stands beside the ISBN, on the page and as JSON, on one line, as text."""
    where = f"{open_server.path(UNCOVERED)}?default=card&title=Gulliver%0A%3Cb%3E&author=Swift"
    for path in (where, open_server.path(UNCOVERED)):
        assert (await open_server.get(path)).cover == "missing"
    key = open_server.key.name
    told = await usage_of(open_server, key)
    page = (await open_server.get(f"/devkey/{key}/usage", Accept="text/html")).body.decode()

    assert [(each["title"], each["asked"]) for each in told["lacking"]] == [("Gulliver <b>, Swift", 2)]
    assert "Gulliver &lt;b&gt;, Swift" in page


async def test_what_is_noted_is_written_by_itself(open_server: Running) -> None:
    """Within two seconds a refusal stands in the file, where every process can read it."""
    await open_server.get(open_server.path("123"))
    notes = open_server.app[DESK].notes
    for _ in range(40):
        if await asyncio.to_thread(notes.refused, open_server.key.name):
            return
        await asyncio.sleep(0.05)
    pytest.fail("not written")


async def test_a_bound_key_is_looked_after_from_anywhere(open_server: Running) -> None:
    """Who opens the usage page of a bound key names no site, and sees it all the same; unknown is 403."""
    bound = await open_server.new_key(sites=("only.example",))
    async with Visitor(open_server) as visitor:
        assert (await visitor.get(f"/devkey/{bound.name}/usage")).status == 200
        unknown = await visitor.get(f"/devkey/{new_name()}/usage")
        assert (unknown.status, b"This key is not known" in unknown.body) == (403, True)


async def test_only_the_owners_word_changes_a_key(open_server: Running, visitor: Visitor) -> None:
    """A key stands in every page, so that knowing it must not be enough to bind it or to replace it."""
    key, word = await got_key(visitor)
    path = f"/devkey/{key}/usage"
    fields = {"action": "settle", "sites": "https://Cat.example.org/x\n*.lib.example", "no_cover": "404"}
    refused = await visitor.submit(path, fields | {"word": new_name()})
    assert refused.status == 403
    assert (await usage_of(open_server, key))["sites"] == []

    changed = await visitor.submit(path, fields | {"word": f" {word.upper()} "})
    assert changed.status == 200
    told = await usage_of(open_server, key)
    assert (told["sites"], told["no_cover"]) == (["cat.example.org", "*.lib.example"], "404")
    elsewhere = await open_server.get(open_server.path(key=key), Referer="https://else.example/")
    at_home = await open_server.get(open_server.path(UNCOVERED, key=key), Referer="https://cat.example.org/")
    assert (elsewhere.status, at_home.status) == (403, 404)
    odd = await visitor.submit(path, fields | {"word": word, "sites": "fine.example <script>"})
    assert odd.status == 400


async def test_a_key_without_an_owner_cannot_be_changed_by_anybody(open_server: Running) -> None:
    """A key made on the command line has no word, and an empty one does not fit."""
    path = f"/devkey/{open_server.key.name}/usage"
    async with Visitor(open_server) as visitor:
        page = await visitor.get(path)
        assert b'name="word"' not in page.body
        token = re.search(r'value="([\w-]{43})"', (await visitor.get("/keys")).body.decode())
        assert token
        fields = {"action": "settle", "sites": "x.example", "no_cover": "gif", "form_token": token[1]}
        for word in ("", new_name()):
            assert (await visitor.post(path, fields | {"word": word})).status == 403


async def test_words_cannot_be_guessed_at_leisure(start: Start) -> None:
    """After its attempts an address is told to wait, with the right word too."""
    server = await start(signup={"mode": "open", "tries_per_hour": 3})
    owned = Key(new_name(), "owned", 10, owner=hashed("right"))
    await server.service.accounts.save(owned)
    async with Visitor(server) as visitor:
        path, fields = f"/devkey/{owned.name}/usage", {"action": "settle", "sites": "", "no_cover": "gif"}
        got = [
            (await visitor.submit(path, fields | {"word": word})).status for word in ("a", "b", "c", "right")
        ]
    assert got == [403, 403, 403, 429]


async def test_a_replaced_key_works_beside_the_new_one_on_one_quota(
    open_server: Running, visitor: Visitor
) -> None:
    """Both keys serve, what either makes counts for both, a second replacement waits for the first to end."""
    key, word = await got_key(visitor)
    fields = {"action": "rotate", "days": "1", "word": word}
    page = await visitor.submit(f"/devkey/{key}/usage", fields)
    new = KEY.search(page.body.decode())
    assert new
    for name, size in ((key, "small"), (new[1], "medium")):
        assert (await open_server.get(open_server.path(size=size, key=name))).cover == "made"
    for name in (key, new[1]):
        assert (await usage_of(open_server, name))["made_today"] == 2
    assert (await usage_of(open_server, key))["expires_at"]
    assert (await visitor.submit(f"/devkey/{new[1]}/usage", fields)).status == 409

    old = next(each for each in open_server.service.accounts.all() if each.name == key)
    await open_server.service.accounts.save(replace(old, expires_at=1))
    assert (await open_server.get(open_server.path(key=key))).status == 403
    assert (await visitor.submit(f"/devkey/{new[1]}/usage", fields)).status == 200


@pytest.fixture
async def elsewhere() -> AsyncIterator[tuple[str, list[str | None]]]:
    """Another site: its URL, and the Referer of each visit."""
    told: list[str | None] = []

    async def listen(request: web.Request) -> web.Response:
        if request.path == "/":  # not the icon, which comes from there
            told.append(request.headers.get("Referer"))
        return web.Response(text="<title>x</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", listen)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/", told
    await end(runner)


async def test_keys_never_leave(
    start: Start, tab: Page, elsewhere: tuple[str, list[str | None]], caplog: pytest.LogCaptureFixture
) -> None:
    """A key is in no log line, in no title, and in no Referer: neither to our pages nor to others."""
    other, told = elsewhere
    caplog.set_level(logging.DEBUG, logger="coverproxy")
    server = await start(site={"contact": other}, log={"access": True, "level": "debug"}, **OPEN)
    await tab.open(f"{server.listeners.url}/devkey/{server.key.name}/usage?isbn={COVERED}")
    assert server.key.name not in await tab.ask("document.title")
    await tab.click(".brand")
    assert await tab.ask("document.referrer") == f"{server.listeners.url}/"
    await tab.open(f"{server.listeners.url}/devkey/{server.key.name}/usage")
    await tab.click("footer a")

    assert told == [f"{server.listeners.url}/"]
    assert any(record.name == "coverproxy.access" for record in caplog.records)
    ours = [record for record in caplog.records if record.name.startswith("coverproxy")]
    assert server.key.name not in "".join(repr(vars(record)) for record in ours)


async def test_pages_go_through_nginx(open_server: Running, tmp_path: Path) -> None:
    """Behind our nginx a key is had, its URL is nginx's, and its log has no key."""
    async with before(open_server, tmp_path / "nginx") as url, Visitor(open_server, url) as visitor:
        key, word = await got_key(visitor)
        page = await visitor.get(f"/devkey/{key}/usage?isbn={COVERED}")
        assert page.headers["Referrer-Policy"] == "strict-origin"
        assert f"{url}/devkey/{key}/medium/isbn/{COVERED}".encode() in page.body
        changed = {"action": "settle", "sites": "only.example", "no_cover": "gif", "word": word}
        assert (await visitor.submit(f"/devkey/{key}/usage", changed)).status == 200
        assert (await visitor.get(f"/devkey/{key}/medium/isbn/{COVERED}")).status == 403
        assert (await visitor.get("/admin")).status == 404
    log = (tmp_path / "nginx" / "access.log").read_text()
    assert "/devkey/" in log
    assert key not in log


async def test_forms_and_their_answers_have_no_barriers(open_server: Running, tab: Page) -> None:
    """A form with a mistake, a new key, its settings, a wrong word and a replaced key: axe finds nothing."""
    await tab.resize(360, 780)
    seen = {}
    await tab.open(f"{open_server.listeners.url}/keys")
    for contact in ("nobody", "me@example.org"):
        await tab.fill("#label", "Ours")
        await tab.fill("#contact", contact)
        await tab.click("form.sheet button")
        seen[contact] = await tab.barriers()
    key, word = await tab.text("#key"), await tab.text("#word")
    for given in (new_name(), word):
        await tab.open(f"{open_server.listeners.url}/devkey/{key}/usage")
        await tab.fill("#word2", given)
        await tab.click("form.sheet:last-of-type button")
        seen[given] = await tab.barriers()
    assert await tab.text("#key") != key
    assert await tab.ask("document.documentElement.scrollWidth") <= 360
    assert [found for found in seen.values() if found] == []


async def test_reloading_the_new_key_makes_no_other(open_server: Running, visitor: Visitor) -> None:
    """The key's page is got by a redirect: reloading it shows the same key, and the key counts once."""
    key, word = await got_key(visitor)

    again = (await visitor.get("/keys/given")).body.decode()
    assert KEY.findall(again) == [key]
    assert WORD.findall(again) == [word]
    assert [each.name for each in open_server.service.accounts.all() if each.contact] == [key]


async def test_a_form_sent_twice_gives_one_key(open_server: Running, visitor: Visitor) -> None:
    """A double click, or the browser's "send again", gives the key that the form has given."""
    form = (await visitor.get("/keys")).body.decode()
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', form))
    pages = [await visitor.post("/keys", WISH | hidden) for _ in range(4)]

    assert {page.status for page in pages} == {200}
    assert len({KEY.findall(page.body.decode())[0] for page in pages}) == 1
    assert len([each for each in open_server.service.accounts.all() if each.contact]) == 1


async def test_a_new_key_is_shown_to_nobody_else(open_server: Running, visitor: Visitor) -> None:
    """Without the cookie of the browser that asked, or with a forged one, its page leads to the form."""
    await got_key(visitor)

    for cookie in ("", "coverproxy_given=x.y.z", 'coverproxy_given=["a","b"]'):
        seen = await open_server.get("/keys/given", Accept="text/html", Cookie=cookie)
        assert b'id="word"' not in seen.body


async def test_the_first_url_is_of_a_cover_that_is_here(open_server: Running, visitor: Visitor) -> None:
    """Where the classic is missing, the URL to try is of another cover; with none here, it shows the card."""
    catalogue = open_server.folder.catalogue

    def leave(most: int) -> None:
        every = catalogue.sample(200)
        left = [each for each in every if each.identifier.value != "9780141439518"][:most]
        with catalogue.writing() as tables:
            for each in every:
                if each not in left:
                    tables.remove(each)

    await asyncio.to_thread(leave, 3)
    page = (await visitor.submit("/keys", WISH)).body.decode()
    (url,) = re.findall(r'id="url">([^<]+)<', page)
    cover = await open_server.get(url.removeprefix(open_server.listeners.url))
    assert cover.headers["Content-Type"] == "image/jpeg"

    await asyncio.to_thread(leave, 0)
    page = (await visitor.submit("/keys", WISH)).body.decode()
    assert "/medium/isbn/9780141439518?default=card" in page


async def test_a_wrong_word_keeps_what_was_typed(open_server: Running, visitor: Visitor) -> None:
    """The owner's form comes back with its sites and choice, and says that the word is wrong."""
    key, _ = await got_key(visitor)
    fields = {"action": "settle", "sites": "a.example\nb.example", "no_cover": "card", "word": "wrong"}
    page = await visitor.submit(f"/devkey/{key}/usage", fields)

    assert page.status == 403
    text = page.body.decode()
    assert "a.example\nb.example</textarea>" in text
    assert re.search(r'value="card" checked', text)
    assert 'role="alert"' in text


async def test_a_used_up_home_page_says_so(start: Start) -> None:
    """When the tries of the day are used up, the page says it in words, not by empty frames."""
    server = await start(site={"try_daily_limit": 1})
    first = (await server.get(f"/?isbn={COVERED}", Accept="text/html")).body.decode()
    assert "tries on this page are used up" not in first
    made = await server.get(f"/try/medium/isbn/{COVERED}", Sec_Fetch_Site="same-origin")
    assert made.headers["X-Cover-Status"] == "made"

    second = (await server.get(f"/?isbn={COVERED}", Accept="text/html")).body.decode()
    assert "tries on this page are used up" in second


async def test_a_secret_is_no_key_wherever_one_belongs(open_server: Running, visitor: Visitor) -> None:
    """In a URL, a shape's field and each form it is told as the secret, and is not repeated or logged."""
    key, secret = await got_key(visitor)
    words = b"owner's secret, not the key"
    for path in (
        f"/devkey/{secret}/medium/isbn/{COVERED}?default=404", f"/devkey/{secret}/usage",
        f"/devkey/{secret}/info?isbn={COVERED}",
        f"/index.aspx?isbn={COVERED}/mc.gif&client={secret}&default=404",
    ):  # fmt: skip
        got = await open_server.get(path, Accept="application/json")
        assert (path, got.status, got.cover, words in got.body) == (path, 403, "key", True)
        assert secret.encode() not in got.body
    pixel = await open_server.get(open_server.path(key=secret))
    assert (pixel.status, pixel.cover, pixel.headers["Content-Type"]) == (403, "key", "image/gif")
    page = await open_server.get(f"/devkey/{secret}/usage", Accept="text/html")
    assert b"This is the owner&#39;s secret, not the key" in page.body
    form = aiohttp.FormData({"key": secret, "list": COVERED}, default_to_multipart=True)
    url = f"{open_server.listeners.url}/batch"
    async with open_server.client.post(url, data=form, headers={"Accept": "text/html"}) as batch:
        assert "This is the owner&#39;s secret, not the key" in await batch.text()
    assert (await open_server.get(open_server.path(key=key))).status == 200


async def test_keys_of_earlier_versions_stay_valid(open_server: Running, visitor: Visitor) -> None:
    """A key and a secret without prefix open covers, the key's page and its settings, as new ones do."""
    word = "abcdefghijkmnpqrstuvwxyz23"
    old = Key("k" * 26, "old", 10, owner=hashed(word))
    await open_server.service.accounts.save(old)

    for _ in range(3):  # made, from disk, from memory
        assert (await open_server.get(open_server.path(key=old.name))).status == 200
    page = await visitor.submit(
        f"/devkey/{old.name}/usage", {"word": word.upper(), "sites": "a.example.org", "no_cover": "gif"}
    )
    assert page.status == 200, page.body.decode()
    assert (await open_server.service.accounts.known(old.name)).sites == ("a.example.org",)

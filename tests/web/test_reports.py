"""A stranger reports a cover; an administrator decides; the stranger sees it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import images
import orjson
import pytest
from click.testing import CliRunner
from conftest import UNCOVERED, Running, Start, take_in
from forms import Visitor

from coverproxy.cli import main
from coverproxy.domain.decisions import Decision
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.report import ReportReason, ReportState, new_code, read_code
from coverproxy.web.app_keys import REPORTS

TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's
BOOK = "9780140449136"
NAME = Identifier(ISBN, BOOK)
PAGE = f"/report/isbn/{BOOK}"
JSON = {"Content-Type": "application/json", "Accept": "application/json"}
ADMIN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def make(start: Start, tmp_path: Path) -> Any:
    """Makes a service with one cover."""

    async def made(**reports: Any) -> Running:
        server = await start(admin={"token": TOKEN}, reports=reports)
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{BOOK}.jpg").write_bytes(images.jpeg(images.cover(600, 900)))
        await asyncio.to_thread(take_in, server.config, tmp_path / "in", "copy")
        return server

    return made


@pytest.fixture
async def server(make: Any) -> Running:
    """The service with its usual settings."""
    running: Running = await make()
    return running


@pytest.fixture
async def stranger(server: Running) -> AsyncIterator[Visitor]:
    """Somebody without a login, and without JavaScript."""
    async with Visitor(server) as visitor:
        yield visitor


def is_shown(server: Running) -> bool:
    """Whether the book has a cover."""
    return any(each.is_usable for each in server.folder.catalogue.of_item(NAME))


async def test_a_stranger_reports_and_sees_what_became_of_it(server: Running, stranger: Visitor) -> None:
    """The form needs no login; its number shows the state, and after the decision the note; mail is gone."""
    page = (await stranger.get(PAGE)).body.decode()
    assert f'src="/try/medium/isbn/{BOOK}?v=' in page
    fields = {"reason": "wrong", "mail": "anna@example.org", "text": "Das ist <Band 2>"}
    state = (await stranger.submit(PAGE, fields)).body.decode()
    found = re.search(r"/report/([A-Z0-9-]{19})", state)
    assert found
    assert "Somebody will look at it" in state
    async with Visitor(server) as admin:
        await admin.submit("/admin/reports", {"token": TOKEN}, to="/admin/login")
        queue = (await admin.get("/admin/reports")).body.decode()
        assert ("Das ist &lt;Band 2&gt;" in queue, "mailto:anna@example.org" in queue) == (True, True)
        number = re.findall(r'name="number" value="([0-9]+)"', queue)[0]
        decided = {"number": number, "item": BOOK, "act": "hidden", "note": "Band 2 it was"}
        asked = (await admin.submit("/admin/reports", decided)).body.decode()
        assert ("Close this report?" in asked, 'value="Band 2 it was"' in asked) == (True, True)
        assert is_shown(server)
        closed = await admin.submit("/admin/reports", decided | {"sure": "yes"})
        assert b"anna@example.org" not in closed.body
        again = await admin.submit("/admin/reports", {"number": number, "act": "kept", "sure": "yes"})
        assert b"there is no open report" in again.body
    assert not is_shown(server)
    after = (await stranger.get(found[0])).body.decode()
    assert "The cover is no longer shown" in after
    assert "Band 2 it was" in after


async def test_one_report_per_item_and_reason(server: Running) -> None:
    """Who reports the same gets the same number; another reason is another report."""
    codes = []
    for reason in ("wrong", "wrong", "quality"):
        got = await server.client.post(
            server.listeners.url + PAGE, data=orjson.dumps({"reason": reason}), headers=JSON
        )
        assert got.status == 201
        codes.append((await got.json())["code"])
    assert codes[0] == codes[1] != codes[2]
    assert len(server.folder.catalogue.reports.open_reports(9)) == 2
    assert server.folder.catalogue.reports.open_reports(9)[0].reporters[0].pseudonym.isalnum()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (PAGE, {"reason": "ugly"}, 400),
        (PAGE, {"reason": "wrong", "mail": "nobody"}, 400),
        (PAGE, {"reason": "wrong", "mail": "a@b, c@d"}, 400),
        (PAGE, {"reason": 1}, 400),
        (PAGE, [], 400),
        (f"/report/isbn/{UNCOVERED}", {"reason": "wrong"}, 404),
        ("/report/isbn/123", {"reason": "wrong"}, 404),
        ("/report/isbn/080442957", {"reason": "wrong"}, 404),  # an SBN, or an ISBN-10 that lost its X
    ],
)
async def test_what_is_no_report_is_refused(server: Running, path: str, body: Any, status: int) -> None:
    """An unknown reason, a mail address that is none, an item without a cover; nothing is entered."""
    got = await server.client.post(server.listeners.url + path, data=orjson.dumps(body), headers=JSON)
    assert got.status == status
    assert server.folder.catalogue.reports.count_open() == 0


async def test_forms_from_elsewhere_are_refused(server: Running, stranger: Visitor) -> None:
    """Without our token, or sent by another site's page, nothing is entered."""
    assert (await stranger.post(PAGE, {"reason": "wrong"})).status == 403
    got = await server.client.post(
        server.listeners.url + PAGE,
        data=b'{"reason": "wrong"}',
        headers=JSON | {"Sec-Fetch-Site": "cross-site"},
    )
    assert got.status == 403
    assert server.folder.catalogue.reports.count_open() == 0


async def test_reports_are_bounded(make: Any) -> None:
    """So many an hour from one address, and so many open in all."""
    server = await make(per_hour=2, max_open=1)
    url = server.listeners.url + PAGE
    statuses = []
    for reason in ("wrong", "quality", "rights"):
        got = await server.client.post(url, data=orjson.dumps({"reason": reason}), headers=JSON)
        statuses.append(got.status)
    assert statuses == [201, 503, 429]


async def test_reports_can_be_off(make: Any) -> None:
    """Then there is no such page."""
    server = await make(enabled=False)
    assert (await server.get(PAGE)).status == 404
    assert (await server.get(f"/report/{new_code()}")).status == 404


@pytest.mark.parametrize("case", ["off", "on", "pinned", "kept", "kept long ago"])
async def test_a_picture_is_hidden_by_itself_where_that_is_configured(make: Any, case: str) -> None:
    """After three different people, by the switch only; never what a person chose, or decided to keep."""
    server = await make(auto_hide=case != "off")
    desk, curator = server.app[REPORTS], server.folder.catalogue
    (original,) = curator.find(NAME)
    if case == "pinned":
        with curator.writing() as tables:
            tables.decide(original, None, is_pinned=True)
    if case.startswith("kept"):
        number = desk.file(NAME, ReportReason.RIGHTS, "z", "", "").number
        days = 2 * server.config.reports.keep_days if "ago" in case else 0
        desk.close(number, ReportState.KEPT, Decision("eva", int(time.time()) - 86_400 * days))
    for who in ("a", "a", "b"):
        desk.file(NAME, ReportReason.WRONG, who, "", "")
    assert is_shown(server)
    desk.file(NAME, ReportReason.QUALITY, "c", "", "")
    assert is_shown(server) is (case != "on")
    assert len(desk.open_reports()) == 2


async def test_administrators_filter_sort_and_save_reports(server: Running) -> None:
    """By reason, latest first, and as CSV, where a reader's words are no formula."""
    for reason in ("wrong", "quality"):
        body = orjson.dumps({"reason": reason, "text": "=1+1"})
        await server.client.post(server.listeners.url + PAGE, data=body, headers=JSON)
    asked = {"Accept": "application/json", **ADMIN}
    told = orjson.loads((await server.get("/admin/reports?reason=quality&sort=at", **asked)).body)
    whole = orjson.loads((await server.get("/admin/reports?reason=odd&sort=odd", **asked)).body)
    rows = (await server.get("/admin/reports.csv?reason=wrong", **ADMIN)).body.decode().splitlines()

    assert [each["reason"] for each in told["open"]] == ["quality"]
    assert (len(whole["open"]), whole["reason"], whole["sort"]) == (2, "", "reporters")
    assert len(rows) == 2
    assert rows[1].split(",")[1:3] == [BOOK, "wrong"]
    assert ",'=1+1," in rows[1]


async def test_programs_of_administrators_list_and_close(server: Running) -> None:
    """The list has what the page has; an owner's secret is not enough; closing answers the report."""
    await server.client.post(server.listeners.url + PAGE, data=b'{"reason": "rights"}', headers=JSON)
    base = f"{server.listeners.url}/devkey/{server.key.name}/reports"
    assert (await server.client.get(base)).status == 403
    (report,) = (await (await server.client.get(base, headers=ADMIN)).json())["reports"]
    assert (report["identifier"], report["reason"], report["reporters"]) == (BOOK, "rights", 1)
    url = f"{base}/{report['number']}"
    fixed = {"state": "fixed", "note": "done"}
    for body, status in (({"state": "open"}, 400), (fixed, 200), ({"state": "kept"}, 404)):
        got = await server.client.post(url, data=orjson.dumps(body), headers=ADMIN)
        assert got.status == status
    for odd in ("null,null", "-1", "9" * 19, "%D9%A1"):
        assert (await server.client.post(f"{base}/{odd}", json=fixed, headers=ADMIN)).status == 400
    (closed,) = (await (await server.client.get(f"{base}?state=closed", headers=ADMIN)).json())["reports"]
    assert (closed["state"], closed["answer"], closed["who"]) == ("fixed", "done", "admin")


async def test_the_commands_list_and_close(server: Running) -> None:
    """`reports list` shows what is open, `reports close` decides it; a second time is an error."""
    server.app[REPORTS].file(NAME, ReportReason.WRONG, "a", "a@example.org", "Band 2")
    data = ["--data", server.config.data.dir]
    run = CliRunner().invoke
    listed = await asyncio.to_thread(run, main, ["reports", "list", *data])
    assert "wrong  1 reporter" in listed.output
    number = str(server.app[REPORTS].open_reports()[0].number)
    close = ["reports", "close", number, "kept", "--note", "right", *data]
    assert (await asyncio.to_thread(run, main, close)).exit_code == 0
    assert (await asyncio.to_thread(run, main, close)).exit_code == 1
    assert "kept by" in (await asyncio.to_thread(run, main, ["reports", "list", "--closed", *data])).output


def test_codes_are_read_as_people_type_them() -> None:
    """In any case, without hyphens; what cannot be one is none."""
    code = new_code()
    assert read_code(code.lower().replace("-", " ")) == read_code(code) == code
    assert read_code("0000-0000-0000-0000") is read_code("") is None

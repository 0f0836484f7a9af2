"""Notices reach a real mail server and a real receiver, each once, whoever enters or sends them."""

import asyncio
import email.policy
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from aiohttp import web
from click.testing import CliRunner
from conftest import COVERED, UNCOVERED, Running, Start
from forms import Visitor
from images import RED, jpeg, solid
from mail_server import Postbox, receiving
from ports import free_port

from coverproxy.cli import main
from coverproxy.config.notices import NoticeSettings
from coverproxy.domain.api_key import Key, hashed, new_name
from coverproxy.domain.decisions import Decision
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.notice import Addressee, Delivery, Notice, NoticeKind, Way, facts_of, mail_address
from coverproxy.domain.report import ReportReason, ReportState
from coverproxy.domain.schemes import for_people, unlisted
from coverproxy.mail.letters import Desk, letter
from coverproxy.mail.smtp import MailServer
from coverproxy.originals.base import Catalogue
from coverproxy.originals.sqlite import SqliteCatalogue
from coverproxy.service.notice_post import NoticePost, addressees, next_digest
from coverproxy.service.notice_watch import NoticeWatch, quota_kind
from coverproxy.service.notices import GIVEN_UP_SECONDS, Notices, NoticeSender
from coverproxy.service.webhooks import signed
from coverproxy.web.app_keys import REPORTS
from coverproxy.web.texts import Texts, builtin

OPERATOR, OWNER, READER = "ops@example.org", "owner@example.org", "reader@example.org"
SECRET = "a secret of the receiver"  # noqa: S105 - a test's
NOTICE = Notice(NoticeKind.REPORT, "report X", int(time.time()), facts_of(
    item=COVERED, reason="wrong", text="another book", code="X", state="open", answer="–",
    path="/admin/reports",
))  # fmt: skip


@pytest.fixture
def box() -> Iterator[Postbox]:
    """A mail server that takes everything."""
    found = Postbox()
    with receiving(found):
        yield found


def rules(box: Postbox, **more: Any) -> dict[str, Any]:
    """The table [notices] for that server."""
    return {"smtp": box.url, "sender": "covers@example.org", "operators": [OPERATOR]} | more


def environment(box: Postbox) -> dict[str, str]:
    """The same for a command."""
    return {
        f"COVERPROXY_NOTICES__{name.upper()}": text if isinstance(text, str) else orjson.dumps(text).decode()
        for name, text in rules(box).items()
    }


def desk(language: str = "en") -> Desk:
    """What letters share."""
    texts = Texts(language, builtin("en") | builtin(language))
    return Desk("covers@example.org", "Umschläge", "https://covers.example.org", texts)


def sending(catalogue: Catalogue, box: Postbox, ahead: float = 0.0, **mail: Any) -> Notices:
    """What sends from a catalogue, with a clock that goes ahead."""
    sender = NoticeSender(MailServer(mail.get("url", box.url), 5.0), desk(), {})
    return Notices(catalogue, sender, [], 5.0, lambda: time.time() + ahead)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


def approved(name: str, server: Running, box: Postbox) -> None:
    """Approve a key by the command."""
    data = ["--data", str(server.folder.data)]
    result = CliRunner().invoke(main, ["key", "approve", name, *data], env=environment(box))
    assert result.exit_code == 0, result.output


async def reported(server: Running) -> tuple[str, str]:
    """Report a cover with a mail address, and decide about it; return its item and number."""
    reports, book = server.app[REPORTS], server.folder.catalogue.sample(1)[0].identifier
    filed = await asyncio.to_thread(reports.file, book, ReportReason.WRONG, "r1", READER, "Band 2")
    by = Decision("admin", int(time.time()), "it was volume 2")
    await asyncio.to_thread(reports.close, filed.number, ReportState.KEPT, by)
    return book.listed, filed.code


async def test_what_happens_is_mailed_once(start: Start, box: Postbox) -> None:
    """Two processes and the commands share the work; operator, owner and reader get each letter once."""
    tables = {"notices": rules(box), "signup": {"mode": "approve"}}
    server = await start(**tables)
    await start(server.folder.data, **tables)
    async with Visitor(server) as visitor:
        await visitor.submit("/keys", {"label": "Our catalogue", "contact": OWNER, "site": ""})
    (asked,) = [key for key in server.service.accounts.all() if key.contact == OWNER]
    await until(lambda: len(box.letters) == 1)  # it is told as waiting before it is approved
    await asyncio.to_thread(approved, asked.name, server, box)
    poor = Key(new_name(), "poor", 1, contact=OWNER)
    await server.service.accounts.save(poor)
    assert (await server.get(server.path(key=poor.name))).cover == "made"
    item, code = await reported(server)

    await until(lambda: len(box.letters) >= 6)
    await asyncio.sleep(2.5)  # a second letter would come within a look of either process
    subjects = sorted((to, str(letter["Subject"]).partition("] ")[2]) for to, letter in box.letters)
    assert subjects == sorted([
        (OPERATOR, "A key was asked for: Our catalogue"), (OWNER, "Your key for Our catalogue works"),
        (OPERATOR, "Today's quota is used up: poor"), (OWNER, "Today's quota is used up: poor"),
        (OPERATOR, f"A cover was reported: {for_people(unlisted(item))}"),
        (READER, f"What became of your report {code}"),
    ])  # fmt: skip
    assert server.folder.catalogue.notices.waiting() == (0, 0, "")
    (told,) = box.of(READER)
    assert "The cover stays as it is." in told.get_content()
    assert "it was volume 2" in told.get_content()


async def test_a_picture_that_waits_is_told_unless_it_is_taken_back(start: Start, box: Postbox) -> None:
    """Its sender has two minutes to look at it; what was shown or discarded meanwhile is not told."""
    server = await start(notices=rules(box))
    key = Key(new_name(), "library", 1000, owner=hashed("the owners word"))
    await server.service.accounts.save(key)
    body = jpeg(solid(RED, 400, 600))
    headers = {"Authorization": "Bearer the owners word"}
    for isbn in (UNCOVERED, "9780141439556"):
        url = f"{server.listeners.url}/devkey/{key.name}/original/isbn/{isbn}"
        async with server.client.put(url, data=body, headers=headers) as got:
            assert got.status == 202, await got.text()
    pending = server.folder.catalogue.pending(9)
    by = Decision("admin", int(time.time()), "")
    await asyncio.to_thread(server.service.curator.approve, pending[0].identifier, pending[0].digest, by)
    early, late = sending(server.folder.catalogue, box), sending(server.folder.catalogue, box, ahead=130)
    assert not await early.round(Way.MAIL)
    while await late.round(Way.MAIL):
        pass
    (told,) = box.of(OPERATOR)
    assert f"A picture waits for a review: {for_people(pending[1].identifier)}" in str(told["Subject"])


async def test_a_dead_server_delays_nothing_but_the_mail(
    start: Start, box: Postbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Covers go on, /readyz too; status, log and doctor say so; once the server is back the letter comes."""
    dead = f"smtp://127.0.0.1:{free_port()}"
    server = await start(notices=rules(box) | {"smtp": dead})
    catalogue = server.folder.catalogue
    catalogue.notices.add(NOTICE, Addressee(Way.MAIL, OPERATOR), 0)
    await until(lambda: catalogue.notices.waiting()[1] == 1)

    assert (await server.get(server.path())).status == 200
    status = orjson.loads((await server.get("/status.json")).body)
    assert (status["state"], status["notices"]) == ("ready", {"waiting": 1, "failed": 1})
    assert "could not be delivered" in (await server.get("/status", Accept="text/html")).body.decode()
    assert [each.msg for each in caplog.records if each.msg == "a notice was not taken"]
    look = ["doctor", "--json", "--data", str(server.folder.data)]
    told = await asyncio.to_thread(
        lambda: (
            CliRunner().invoke(main, look, env=environment(box) | {"COVERPROXY_NOTICES__SMTP": dead}).stdout
        )
    )
    found = [each for each in orjson.loads(told)["findings"] if each["check"] == "notices"]
    assert [each["level"] for each in found] == ["problem", "warning"]
    assert await sending(catalogue, box, ahead=60).round(Way.MAIL)
    assert len(box.of(OPERATOR)) == 1
    assert catalogue.notices.waiting() == (0, 0, "")


@pytest.fixture
def catalogue(tmp_path: Any) -> Iterator[SqliteCatalogue]:
    """An empty catalogue."""
    found = SqliteCatalogue(tmp_path / "catalogue.db", {})
    found.open()
    yield found
    found.close()


async def test_refusals_for_ever_and_for_now(catalogue: SqliteCatalogue, box: Postbox) -> None:
    """5xx gives a letter up, 4xx tries again later and longer, and after three days that ends too."""
    for number, to in enumerate(("gone@example.org", "full@example.org", OPERATOR)):
        catalogue.notices.add(replace(NOTICE, once=str(number)), Addressee(Way.MAIL, to), 0)
    box.refused = {"gone@example.org": "550 no such person", "full@example.org": "452 mailbox full"}
    first = sending(catalogue, box)
    assert await first.round(Way.MAIL)
    assert not await first.round(Way.MAIL)
    assert catalogue.notices.waiting()[:2] == (2, 1)
    assert await sending(catalogue, box).round(Way.MAIL)
    assert not await sending(catalogue, box, ahead=20).round(Way.MAIL)  # not due yet
    await sending(catalogue, box, ahead=GIVEN_UP_SECONDS + 40).round(Way.MAIL)
    assert catalogue.notices.waiting() == (0, 0, "")
    assert [to for to, _ in box.letters] == [OPERATOR]


async def test_a_day_comes_in_one_letter(catalogue: SqliteCatalogue, box: Postbox) -> None:
    """With digest_at what is not urgent comes together at that time; urgent notices come at once."""
    now = datetime(2026, 11, 27, 6, 0, tzinfo=UTC).timestamp()
    post = NoticePost(
        NoticeSettings(**rules(box, digest_at="07:30")), (), ZoneInfo("Europe/Berlin"), lambda: now
    )
    down = Notice(NoticeKind.SOURCE_DOWN, "down", int(now), facts_of(source="a", path="/status"))
    for each in (NOTICE, replace(NOTICE, once="other"), down):
        post.put(catalogue, each)
    at = [now - time.time() + later for later in (1, 29 * 60, 31 * 60)]
    for ahead in at:  # 07:00 in Berlin, a minute before half past, and after it
        while await sending(catalogue, box, ahead).round(Way.MAIL):
            pass
        box.letters.append(("-", EmailMessage()))
    subjects = [str(each["Subject"]).partition("] ")[2] for _, each in box.letters]
    assert subjects == ["The source a is down", "", "", "2 notices", ""]
    assert box.letters[3][1].get_content().count("words: another book") == 2
    late = datetime(2026, 11, 27, 7, 30, tzinfo=UTC).timestamp()
    assert next_digest("07:30", UTC, late) == int(late) + 86_400


async def test_a_webhook_is_told_the_same(start: Start) -> None:
    """A receiver with tells = ["notices"] gets a signed request for each notice, and none for covers."""
    got: list[tuple[Mapping[str, str], bytes]] = []

    async def hook(request: web.Request) -> web.Response:
        got.append((request.headers, await request.read()))
        return web.Response(status=500 if len(got) == 1 else 204)

    app = web.Application()
    app.router.add_post("/hook", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    table = {"name": "ops", "url": url, "secret": SECRET, "allow": ["127.0.0.1"], "tells": ["notices"]}
    server = await start(webhook=[table])
    server.folder.catalogue.notices.add(NOTICE, Addressee(Way.HOOK, "ops"), 0)
    await until(lambda: len(got) == 1)
    await until(lambda: server.folder.catalogue.notices.waiting()[1] == 1)
    number = server.folder.catalogue.notices.claim(Way.HOOK, 2**40, 0)[0].number
    assert number
    await until(lambda: server.folder.catalogue.notices.waiting()[0] == 0)
    await runner.cleanup()

    (first, _), (again, body) = got
    assert first["webhook-id"] == again["webhook-id"]
    expected = signed(SECRET.encode(), again["webhook-id"], int(again["webhook-timestamp"]), body)
    assert again["webhook-signature"] == expected["webhook-signature"]
    told = orjson.loads(body)
    assert (told["type"], told["data"]["item"], told["at"]) == ("notice.report", COVERED, NOTICE.at)


class Seen:
    """What a watch looks at, and what it told without the list."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self.sources = {"a": "closed"}
        self.told: list[Notice] = []

    async def health(self) -> dict[str, str]:
        return self.faults

    async def direct(self, notice: Notice) -> bool:
        self.told.append(notice)
        return True


def watching(server: Running, seen: Seen, catalogue: Catalogue, box: Postbox) -> NoticeWatch:
    """A watch that waits for nothing."""
    post = NoticePost(NoticeSettings(**rules(box, after_seconds=1e-9)))
    return NoticeWatch(
        post, catalogue, server.service.accounts, seen.health, lambda: seen.sources, lambda: True, seen.direct
    )


async def test_sources_and_health_are_told_when_they_turn(
    server: Running, catalogue: SqliteCatalogue, box: Postbox
) -> None:
    """Down, back, not ready and ready are each told once by all processes together."""
    seen = Seen()
    watches = [watching(server, seen, catalogue, box) for _ in range(3)]
    for sources, faults in (
        ("closed", ""),
        ("open", "x"),
        ("half-open", "x"),
        ("closed", ""),
        ("closed", ""),
    ):
        seen.sources, seen.faults = {"a": sources}, {"cache": faults} if faults else {}
        for _ in range(2):
            for each in watches:
                await each.look_at_sources()
                await each.look_at_health()
    claimed = iter(lambda: catalogue.notices.claim(Way.MAIL, 2**40, 2**41), [])
    kinds = [each.notice.kind for batch in claimed for each in batch]
    assert sorted(kinds) == sorted(
        [NoticeKind.SOURCE_DOWN, NoticeKind.SOURCE_BACK, NoticeKind.NOT_READY, NoticeKind.READY]
    )
    assert seen.told == []


async def test_a_broken_list_is_told_without_it(server: Running, tmp_path: Any, box: Postbox) -> None:
    """Where the catalogue is what is broken, operators are told directly, once, and of its end."""
    broken = SqliteCatalogue(tmp_path / "catalogue.db", {})
    with pytest.raises(StoreUnavailable):
        broken.notices.waiting()
    seen = Seen()
    seen.faults = {"catalogue": "it is damaged"}
    watch = watching(server, seen, broken, box)
    for _ in range(4):
        await watch.look_at_health()
    assert [each.kind for each in seen.told] == [NoticeKind.NOT_READY]
    broken.open()
    seen.faults = {}
    await watch.look_at_health()
    await watch.look_at_health()
    claimed = [each.notice.kind for each in broken.notices.claim(Way.MAIL, 2**40, 2**41)]
    broken.close()
    assert claimed == [NoticeKind.READY]


@pytest.mark.parametrize(
    ("made", "limit", "kind"),
    [(0, 0, None), (79, 100, None), (80, 100, "quota-80"), (99, 100, "quota-80"), (100, 100, "quota-100"),
     (0, 1, None), (1, 1, "quota-100"), (4, 5, "quota-80"), (101, 100, "quota-100")],
)  # fmt: skip
def test_when_a_quota_is_told(made: int, limit: int, kind: str | None) -> None:
    """From 80 % on, and when it is used up; a key that may make none is not told so."""
    assert quota_kind(made, limit) == kind


def test_who_is_told_what() -> None:
    """Operators are told what they did not switch off; a person is told what concerns them, once."""
    given = NoticeSettings(smtp="smtp://h", sender="c@example.org", operators=(OPERATOR,), off=("report",))
    told = {kind: [each.whom for each in addressees(kind, given, ("hook",), OWNER)] for kind in NoticeKind}
    assert told[NoticeKind.REPORT] == []
    assert told[NoticeKind.QUOTA_80] == ["hook", OPERATOR, OWNER]
    assert told[NoticeKind.KEY_APPROVED] == told[NoticeKind.REPORT_DECIDED] == [OWNER]
    assert told[NoticeKind.KEY_ASKED] == told[NoticeKind.NOT_READY] == ["hook", OPERATOR]
    assert [each.whom for each in addressees(NoticeKind.QUOTA_80, given, (), OPERATOR)] == [OPERATOR]
    page = addressees(NoticeKind.KEY_APPROVED, given, (), "https://example.org/me")
    shy = NoticeSettings(smtp="smtp://h", sender="c@example.org", owners=False, reporters=False)
    assert page == addressees(NoticeKind.KEY_APPROVED, shy, (), OWNER) == []
    assert addressees(NoticeKind.REPORT_DECIDED, shy, (), OWNER) == []
    assert addressees(NoticeKind.QUOTA_80, NoticeSettings(), (), OWNER) == []


@pytest.mark.parametrize(
    "text",
    ["", "me", "a@b", "a,b@example.org", "a@b.org,c@d.org", "a b@example.org", "<a@example.org>",
     "a@exa mple.org",
     "a@example.org\nBcc: x@y.org", '"a"@example.org', "a@@example.org", "a..b@example.org", "a@-.",
     "a;b@x.org",
     "a@example.org>", "é@example.org", "a(b)@example.org", "https://example.org/a@b.org",
     "x" * 65 + "@a.org"],
)  # fmt: skip
def test_what_no_letter_goes_to(text: str) -> None:
    """Nothing that a server could read as several addresses, or as a command, is an address."""
    assert mail_address(text) == ""


def test_what_people_type_stays_in_the_text() -> None:
    """Line breaks, control and bidirectional characters in names and notes become no header and no line."""
    nasty = "Ours\r\nBcc: victim@example.org\r\n\r\n\u202e<b>hi</b>\x00 " + "x" * 999
    notice = replace(NOTICE, kind=NoticeKind.KEY_ASKED, facts=facts_of(
        label=nasty, contact=nasty, site=nasty, role="server", state="waiting", key="cp_abcd…", path="/admin"
    ))  # fmt: skip
    made = letter(
        replace(desk(), name="Covers\r\nX-Evil: 1"), [Delivery(1, notice, Addressee(Way.MAIL, OWNER))]
    )
    read = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    assert set(read.keys()) == {
        "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type",
        "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert read["To"] == OWNER
    assert "\u202e" not in read.get_content()
    assert not any(line.startswith("Bcc:") for line in read.get_content().splitlines())


@pytest.mark.parametrize("language", ["en", "de", "fr"])
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_has_a_letter(kind: NoticeKind, language: str) -> None:
    """In every language each kind fills all its gaps; its address leads to our own pages."""
    facts = facts_of(
        label="L", contact="C", site="S", role="server", state="open", key="cp_abcd…", path="/there",
        item="1", reason="wrong", text="T", code="X", answer="A", digest="d", who="W", note="N", source="Q",
        node="M", why="Y", limit=5, resets="tomorrow",
    )  # fmt: skip
    made = letter(desk(language), [Delivery(1, Notice(kind, "x", 1, facts), Addressee(Way.MAIL, OWNER))])
    assert "{" not in f"{made['Subject']}{made.get_content()}"
    assert "https://covers.example.org/there" in made.get_content()
    assert str(made["Subject"]).startswith("[Umschläge] ")


async def test_the_command_tries_it(box: Postbox) -> None:
    """`notices test` sends one letter to each operator, or to one address, and says what is wrong."""

    def run(*more: str, **env: str) -> Any:
        return CliRunner().invoke(main, ["notices", "test", *more], env=environment(box) | env)

    result = await asyncio.to_thread(run)
    assert (result.exit_code, result.output) == (0, f"mail {OPERATOR}: taken\n")
    result = await asyncio.to_thread(run, "--to", OWNER, "--json")
    assert orjson.loads(result.output) == [{"way": "mail", "to": OWNER, "fault": ""}]
    assert [to for to, _ in box.letters] == [OPERATOR, OWNER]
    box.refused = {OPERATOR: "550 no such person"}
    result = await asyncio.to_thread(run)
    assert (result.exit_code, "550 no such person" in result.output) == (1, True)
    assert CliRunner().invoke(main, ["notices", "test"]).exit_code == 1

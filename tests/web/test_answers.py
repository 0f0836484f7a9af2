"""The table of answers: what a client gets in each case, over the wire."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import orjson
import pytest
from cases import HARD, SOFT
from conftest import BROWSER, COVERED, UNCOVERED, Got, Running, Start

from coverproxy.domain import isbn
from coverproxy.domain.formats import PLACEHOLDER, Format, dimensions
from coverproxy.web import answers

JSON = "application/json"


Case = Callable[[Running], Awaitable[str]]


@pytest.mark.parametrize(("label", "case"), [(label, case) for label, (case, _) in SOFT.items()], ids=SOFT)
async def test_no_picture_is_200_with_the_placeholder(shared: Running, label: str, case: Case) -> None:
    """A cover that is merely not there is 200 with the 43-byte GIF, and X-Cover-Status says why."""
    got = await shared.get(await case(shared))

    assert (got.status, got.cover, got.body) == (200, label, PLACEHOLDER)
    assert got.headers["Content-Type"] == "image/gif"
    assert got.headers["Content-Length"] == "43"


@pytest.mark.parametrize("wish", ["404", "false"])
@pytest.mark.parametrize(("case", "status"), SOFT.values(), ids=SOFT)
async def test_asked_for_it_no_picture_is_an_error(
    shared: Running, case: Case, status: int, wish: str
) -> None:
    """With ?default=404 or =false the status tells, and the body is no picture that a browser would show."""
    got = await shared.get(f"{await case(shared)}?default={wish}")

    assert got.status == status
    assert got.headers["Content-Type"].startswith("text/plain")
    assert not got.body.startswith(b"GIF")


async def test_a_strict_key_gets_errors_unless_it_asks_otherwise(shared: Running) -> None:
    """A strict key needs no query; ?default=gif gives it the placeholder after all."""
    path = shared.path(UNCOVERED, key=(await shared.new_key(strict=True)).name)

    assert (await shared.get(path)).status == 404
    assert (await shared.get(f"{path}?default=gif")).status == 200


@pytest.mark.parametrize(("case", "status", "label"), HARD.values(), ids=HARD)
@pytest.mark.parametrize("query", ["", "?default=404"])
async def test_a_wrong_address_is_an_error_with_the_placeholder(
    shared: Running, case: Case, status: int, label: str, query: str
) -> None:
    """What can never work has its status for everybody, with the placeholder as its body."""
    got = await shared.get(await case(shared) + query)

    assert (got.status, got.cover, got.body) == (status, label, PLACEHOLDER)


@pytest.mark.parametrize(
    ("case", "status", "code"),
    [(case, status, label) for label, (case, status) in SOFT.items()] + list(HARD.values()),
    ids=[*SOFT, *HARD],
)
async def test_programs_get_problem_details(shared: Running, case: Case, status: int, code: str) -> None:
    """Accept: application/json turns every refusal into RFC 9457 problem details with its status."""
    got = await shared.get(await case(shared), Accept=JSON)

    problem = orjson.loads(got.body)
    assert got.headers["Content-Type"] == "application/problem+json"
    assert got.status == problem["status"] == status
    assert problem["code"] == code == got.cover
    assert problem["title"]
    assert problem["detail"]


@pytest.mark.parametrize("case", [case for case, _ in SOFT.values()] + [each[0] for each in HARD.values()])
async def test_every_answer_has_the_common_headers(shared: Running, case: Case) -> None:
    """Vary, CORS, CORP, nosniff and X-Cover-Status are on every answer, whatever happened."""
    got = await shared.get(await case(shared))

    assert got.headers["Vary"] == "Accept"
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert got.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert got.cover
    assert "aiohttp" not in got.headers["Server"]


async def test_a_cover_says_no_more_than_it_needs(shared: Running) -> None:
    """A cover, made or a hit, says all that other answers do but a policy for scripts: a JPEG has none."""
    placeholder = await shared.get(shared.path(UNCOVERED))
    for cover in (await shared.get(shared.path()), await shared.get(shared.path())):
        assert set(answers.COMMON) - set(cover.headers) == {"Content-Security-Policy"}
    assert set(answers.COMMON) <= set(placeholder.headers)


@pytest.mark.parametrize("label", ["quota", "pending", "unavailable"])
async def test_what_may_be_otherwise_soon_is_not_kept(shared: Running, label: str) -> None:
    """Quota, pending and unavailable are no-store, and say when to come back."""
    got = await shared.get(await SOFT[label][0](shared))

    assert got.headers["Cache-Control"] == "no-store"
    assert int(got.headers["Retry-After"]) >= 1


async def test_a_missing_cover_has_a_short_life_of_its_own(shared: Running) -> None:
    """Missing is kept an hour by default, a cover a week."""
    missing, cover = await shared.get(shared.path(UNCOVERED)), await shared.get(shared.path())

    assert missing.headers["Cache-Control"] == "public, max-age=3600"
    assert cover.headers["Cache-Control"].startswith("public, max-age=86400")


async def test_first_made_then_hit(server: Running) -> None:
    """The first answer says "made", the next "hit", with the same bytes and validators."""
    first, second = await server.get(server.path()), await server.get(server.path())

    assert (first.cover, second.cover) == ("made", "hit")
    assert first.body == second.body
    assert first.headers["ETag"] == second.headers["ETag"]
    assert dimensions(second.body, Format.JPEG) == (200, 300)
    assert second.headers["Content-Type"] == "image/jpeg"
    assert second.headers["X-Cover-Size"] == "200x300"
    assert second.headers["X-Cover-Original"] == "1000x1500"


async def test_both_spellings_are_one_cover(server: Running) -> None:
    """ISBN-10 and ISBN-13 get the same bytes and ETag, and are made and counted once."""
    ten = isbn.to_isbn10(COVERED)
    assert ten
    first, second = await server.get(server.path(ten)), await server.get(server.path(COVERED))

    assert (first.cover, second.cover) == ("made", "hit")
    assert first.headers["ETag"] == second.headers["ETag"]
    assert second.headers["X-RateLimit-Remaining"] == "999"


async def test_the_etag_is_what_nginx_computes_for_the_file(shared: Running) -> None:
    """ETag is hex mtime, dash, hex size of the file, and the mtime is the original's own."""
    got = await shared.get(shared.path())
    (file,) = shared.folder.cache.layout.top.glob(f"img/medium/jpg/*/isbn/*/*/{COVERED}.jpg")
    (original,) = shared.originals.rglob(f"{COVERED}-*")

    stat = file.stat()
    assert got.headers["ETag"] == f'"{int(stat.st_mtime):x}-{stat.st_size:x}"'
    assert int(stat.st_mtime) == int(original.stat().st_mtime)


ASKED = [server_case for server_case, _ in SOFT.values()] + [each[0] for each in HARD.values()]


@pytest.mark.parametrize("query", ["", "?default=404"])
@pytest.mark.parametrize("accept", ["*/*", JSON])
async def test_head_equals_get(shared: Running, query: str, accept: str) -> None:
    """HEAD has GET's status and every header of it, Content-Length too, and no body: made, hit or not."""
    for case in [*ASKED[:3], *ASKED[5:]]:
        path = await case(shared) + query
        await _head_equals_get(shared, path, accept)
    for path in (shared.path(), shared.path(COVERED + ".webp"), f"/devkey/{shared.key.name}/usage"):
        await shared.get(path)
        await _head_equals_get(shared, path, accept)


async def _head_equals_get(server: Running, path: str, accept: str) -> None:
    get, head = await server.get(path, Accept=accept), await server.get(path, "HEAD", Accept=accept)
    while _steady(get) != _steady(again := await server.get(path, Accept=accept)):  # counts came in meanwhile
        get, head = again, await server.get(path, "HEAD", Accept=accept)
    assert head.status == get.status
    assert head.body == b""
    assert _steady(head) == _steady(get), path


def _steady(got: Got) -> dict[str, str]:
    """The headers without what the clock changes."""
    moving = ("Date", "RateLimit", "Retry-After")
    return {name: value for name, value in got.headers.items() if name not in moving}


async def test_head_of_a_cold_cover_makes_it(server: Running) -> None:
    """A HEAD of a cover never seen has the true Content-Length: Umlaut and others decide by it alone."""
    head = await server.get(server.path(), "HEAD")
    get = await server.get(server.path())

    assert head.cover == "made"
    assert head.headers["Content-Length"] == str(len(get.body))


async def test_options_tells_what_another_site_may_ask(shared: Running) -> None:
    """A CORS preflight gets 204 with methods and headers, whatever the path."""
    for path in (shared.path(), shared.path(key="nosuchkey"), "/devkey/"):
        got = await shared.get(path, "OPTIONS", Origin="https://opac.example.org")
        assert got.status == 204
        assert got.headers["Access-Control-Allow-Origin"] == "*"
        assert "HEAD" in got.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_405(shared: Running, method: str) -> None:
    """A method that no cover has is 405 with Allow, on a cover's path as anywhere."""
    got = await shared.get(shared.path(), method)

    assert got.status == 405
    assert "GET" in got.headers["Allow"]
    assert got.cover == "method"


async def test_conditional_requests_cost_nothing(shared: Running) -> None:
    """If-None-Match and If-Modified-Since of what is had get 304 without a body, with the validators."""
    got = await shared.get(shared.path())
    for name in ("ETag", "Last-Modified"):
        header = {"ETag": "If_None_Match", "Last-Modified": "If_Modified_Since"}[name]
        again = await shared.get(shared.path(), **{header: got.headers[name]})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == got.headers["ETag"]
        assert again.headers["Vary"] == "Accept"
        assert again.headers["Cache-Control"] == got.headers["Cache-Control"]
    assert (await shared.get(shared.path(), If_None_Match='"other"')).status == 200
    assert (await shared.get(shared.path(), If_Match='"other"')).status == 412


async def test_ranges(shared: Running) -> None:
    """One range gives 206 with the total (Readarr asks bytes=0-0); one behind the end 416."""
    whole = (await shared.get(shared.path())).body
    first = await shared.get(shared.path(), Range="bytes=0-0")
    tail = await shared.get(shared.path(), Range="bytes=-100")
    behind = await shared.get(shared.path(), Range=f"bytes={len(whole)}-")

    assert (first.status, first.body) == (206, whole[:1])
    assert first.headers["Content-Range"] == f"bytes 0-0/{len(whole)}"
    assert tail.body == whole[-100:]
    assert behind.status == 416
    assert behind.headers["Content-Range"] == f"bytes */{len(whole)}"
    head = await shared.get(shared.path(), "HEAD", Range="bytes=0-0")
    assert (head.status, head.headers["Content-Length"]) == (206, "1")


async def test_formats(start: Start) -> None:
    """Accept chooses among the formats that are on; an ending forces one; JPEG is for everyone else."""
    server = await start(cache={"memory_bytes": 0})
    await server.get(server.path(f"{COVERED}.avif"))
    types = {
        "": "image/jpeg",
        "*/*": "image/jpeg",
        "image/webp,*/*;q=0.8": "image/jpeg",  # this size does not offer it
        "image/webp": "image/webp",
        "image/avif,image/webp,image/*;q=0.8": "image/avif",
        "image/webp;q=0.3,image/jpeg": "image/jpeg",
    }
    for accept, expected in types.items():
        got = await server.get(server.path(), Accept=accept)
        assert got.headers["Content-Type"] == expected
        assert got.headers["Vary"] == "Accept"
    for ending, expected in (("jpg", "image/jpeg"), ("webp", "image/webp"), ("avif", "image/avif")):
        got = await server.get(server.path(f"{COVERED}.{ending}"), Accept="image/webp")
        assert got.headers["Content-Type"] == expected
        assert got.headers["X-Cover-Size"] == "200x300"


async def test_the_ending_of_a_format_that_is_off_is_no_path(start: Start) -> None:
    """With AVIF off its ending is 404, not another format under its name."""
    server = await start(formats={"avif": False})
    got = await server.get(server.path(f"{COVERED}.avif"))

    assert (got.status, got.cover) == (404, "path")


@pytest.mark.parametrize(
    "path",
    [
        "/devkey/{key}/MEDIUM/isbn/{isbn}",
        "/devkey/{key}/Medium/ISBN/{isbn}.JPG",
        "/devkey/{key}/medium/isbn/{isbn}/",
        "//devkey/{key}//medium/isbn/{isbn}",
        "/devkey/{key}/medium/isbn/978-0-14-143951-8",
        "/devkey/{key}/medium/isbn/978%200%2014%20143951%208",
        "/devkey/{key}/medium/isbn/978%E2%80%910%E2%80%9114%E2%80%91143951%E2%80%918",
        "/devkey/{key}/medium/isbn/{isbn}%20%7C%200141439513",
        "/devkey/{key}/medium/isbn/ISBN:%20{isbn}%20(pbk.)",
        "/devkey/{key}/medium/isbn/%39780141439518",
    ],
)
async def test_what_catalogues_send_finds_the_cover(shared: Running, path: str) -> None:
    """Any case of the size, doubled slashes, spaces, dashes, lists and labels find the one cover."""
    got = await shared.get(path.format(key=shared.key.name, isbn=COVERED))
    plain = await shared.get(shared.path())

    assert (got.status, got.body) == (200, plain.body)
    assert got.cover in ("made", "hit")
    assert plain.cover == "hit"


@pytest.mark.parametrize(
    "tail",
    [
        "%FF%FE",
        "%00",
        "%zz",
        "..%2F..%2Fetc%2Fpasswd",
        "A" * 3000,
        "%D9%A9%D9%A7%D9%A8",
        "\u0661" * 10,
        "'><script>",
    ],
)
async def test_odd_bytes_are_just_no_isbn(shared: Running, tail: str) -> None:
    """Whatever stands where the ISBN should: the placeholder, 404 for what is no path, 414 for too much."""
    got = await shared.get(shared.path(tail))

    assert got.body == PLACEHOLDER
    assert (got.status, got.cover) in {(200, "invalid"), (404, "path"), (414, "long")}


async def test_automated_clients_get_new_covers_slowly_but_hits_always(
    start: Start, drawn_isbns: list[str]
) -> None:
    """Without a browser's headers a burst passes, the next new cover is throttled; hits never are."""
    server = await start(automated={"burst": 3, "covers_per_second": 0.01})
    program = {"Sec_Fetch_Dest": "empty"}
    statuses = [(await server.get(server.path(isbn), **program)).cover for isbn in drawn_isbns[:5]]
    again = [(await server.get(server.path(isbn), **program)).cover for isbn in drawn_isbns[:3]]

    assert statuses == ["made"] * 3 + ["throttled"] * 2
    assert again == ["hit"] * 3
    assert (await server.get(server.path(drawn_isbns[3]))).cover == "made"
    refused = await server.get(server.path(drawn_isbns[4]) + "?default=404", **program)
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 100


async def test_a_page_with_a_referer_is_no_automated_client(start: Start, drawn_isbns: list[str]) -> None:
    """An old browser that sends no Sec-Fetch-Dest is known by its Referer."""
    server = await start(automated={"burst": 1, "covers_per_second": 0.01})
    page = {"Sec_Fetch_Dest": "", "Referer": "https://opac.example.org/record/1"}

    assert {(await server.get(server.path(isbn), **page)).cover for isbn in drawn_isbns[:4]} == {"made"}


async def test_a_missing_cover_costs_neither_quota_nor_pace(start: Start) -> None:
    """Asking for what is not there leaves the quota and an automated client's burst as they were."""
    server = await start(automated={"burst": 1, "covers_per_second": 0.01})
    for _ in range(5):
        got = await server.get(server.path(UNCOVERED), Sec_Fetch_Dest="")
        assert (got.cover, got.headers["X-RateLimit-Remaining"]) == ("missing", "1000")
    assert (await server.get(server.path(), Sec_Fetch_Dest="")).cover == "made"


async def test_the_quota_stops_new_covers_only(server: Running, drawn_isbns: list[str]) -> None:
    """With the quota used up a cached size is still a hit; a new one is not made."""
    key = await server.new_key(daily_limit=2)
    made = [await server.get(server.path(isbn, key=key.name)) for isbn in drawn_isbns[:3]]

    assert [got.cover for got in made] == ["made", "made", "quota"]
    assert [got.headers["X-RateLimit-Remaining"] for got in made] == ["1", "0", "0"]
    assert (await server.get(server.path(drawn_isbns[0], key=key.name))).cover == "hit"
    assert made[2].headers["RateLimit"].startswith('"daily";r=0;t=')
    assert made[2].headers["RateLimit-Policy"] == '"daily";q=2;w=86400'


async def test_a_bound_key_works_on_its_sites_only(server: Running) -> None:
    """A key bound to sites wants a Referer or Origin of one of them, hits included."""
    key = await server.new_key(sites=("opac.example.org", "*.shop.example"))
    path = server.path(key=key.name)

    assert (await server.get(path, Referer="https://opac.example.org/x")).cover == "made"
    assert (await server.get(path, Origin="https://a.shop.example")).cover == "hit"
    for site in (
        "https://evil.example",
        "https://evilopac.example.org",
        "https://shop.example",
        "about:blank",
    ):
        assert (await server.get(path, Referer=site)).status == 403
    assert (await server.get(path)).status == 403


async def test_a_cover_that_takes_long_is_pending_and_then_there(start: Start) -> None:
    """After answer_within the placeholder says "pending"; the flight goes on, so the next view has it."""
    server = await start(render={"answer_within_seconds": 0.0005})
    first = await server.get(server.path(size="large"))
    for _ in range(100):
        await asyncio.sleep(0.02)
        if not len(server.service.flights):
            break
    second = await server.get(server.path(size="large"))

    assert (first.cover, first.body) == ("pending", PLACEHOLDER)
    assert first.headers["Cache-Control"] == "no-store"
    assert second.cover == "hit"
    assert second.headers["X-RateLimit-Remaining"] == "999"


async def test_a_full_queue_answers_at_once(start: Start) -> None:
    """With every place of the render queue taken, a new cover is refused without waiting."""
    server = await start(render={"queue": 1})
    async with AsyncExitStack() as stack:
        for number in range(2):
            await stack.enter_async_context(server.service.renders.place(str(number)))
        got = await server.get(server.path())
        assert got.cover == "pending"
    assert (await server.get(server.path())).cover == "made"


async def test_no_cover_needs_no_turn(start: Start) -> None:
    """A book that nothing is known of is told "no cover" at once, however many covers wait to be made.

    Who waited in vain is measured with all of the wait.
    """
    server = await start(render={"queue": 99, "answer_within_seconds": 0.3})

    async def hold(number: int) -> None:
        async with server.service.renders.place(str(number)):
            await asyncio.Event().wait()

    held = [asyncio.create_task(hold(number)) for number in range(20)]
    await asyncio.sleep(0)
    covered, uncovered = await server.get(server.path()), await server.get(server.path(UNCOVERED))
    for each in held:
        each.cancel()
    await asyncio.gather(*held, return_exceptions=True)

    assert (covered.cover, uncovered.cover) == ("pending", "missing")
    waited = server.service.metrics.registry.get_sample_value(
        "coverproxy_answer_seconds_sum", {"status": "pending"}
    )
    assert waited is not None
    assert waited >= 0.3


async def test_usage_tells_the_quota(server: Running) -> None:
    """The usage page says limit, made today, left, when it resets, and thirty days."""
    await server.get(server.path())
    got = await server.get(f"/devkey/{server.key.name}/usage")

    usage = orjson.loads(got.body)
    assert (usage["limit"], usage["made_today"], usage["left"]) == (1000, 1, 999)
    assert usage["resets_at"].endswith("T00:00:00Z")
    assert len(usage["days"]) == 30
    assert usage["days"][-1]["made"] == 1
    assert got.headers["Cache-Control"] == "no-store"
    assert (await server.get("/devkey/nosuchkey/usage")).headers["Content-Type"] == "application/problem+json"


async def test_health_and_metrics_have_an_address_of_their_own(server: Running) -> None:
    """/healthz, /readyz and /metrics answer on the ops address, and not on the covers'."""
    await server.get(server.path())
    ops = server.listeners.ops_url
    for path, text in (("/healthz", b"alive"), ("/readyz", b"ready"), ("/metrics", b'status="made"} 1.0')):
        async with server.client.get(ops + path) as response:
            assert response.status == 200
            assert text in await response.read()
        assert (await server.get(path)).status == 404


async def test_a_fault_of_the_data_folder_shows_in_readyz(server: Running) -> None:
    """A cache folder that is gone makes /readyz 503 and names it; covers are still answered."""
    top = server.folder.cache.layout.top
    top.rename(top.with_name("gone"))
    async with server.client.get(server.listeners.ops_url + "/readyz") as response:
        assert response.status == 503
        assert "cache" in (await response.json())["faults"]
    top.with_name("gone").rename(top)


async def test_no_answer_redirects(shared: Running) -> None:
    """The image path never redirects, however it is spelled: clients and CSP break on it."""
    for path in (shared.path() + "/", "/" + shared.path(), shared.path(isbn="0141439513")):
        async with shared.client.get(
            shared.listeners.url + path, headers=BROWSER, allow_redirects=False
        ) as got:
            assert got.status == 200

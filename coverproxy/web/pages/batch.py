"""The batch page: a list of identifiers becomes a gallery, a ZIP, or a sheet to print."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from coverproxy.domain.api_key import Key, is_secret
from coverproxy.domain.errors import (
    BadQuestion,
    Busy,
    CoverError,
    KeyNotForSite,
    QuotaUsedUp,
    SecretAsKey,
    TooMany,
    UnknownKey,
)  # fmt: skip
from coverproxy.domain.identifier import Identifier, Reading
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Wanted
from coverproxy.domain.titled_list import TitledItem, TitledList, read, written
from coverproxy.imaging.transform import target_size
from coverproxy.service.covers import Covers
from coverproxy.service.zip_covers import Packed, Packing, name_of
from coverproxy.stats.downloads import NATIVE
from coverproxy.web import answers
from coverproxy.web.api.page_schemas import BatchCover, BatchFound, BatchPage, BatchSheet
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, COVERS, DESK, KEY
from coverproxy.web.batch_form import (
    MAX_LIST_BYTES,
    MOST_AT_ONCE,
    MOST_ITEMS,
    PAPERS,
    PER_PAGE,
    BatchForm,
    parsed,
    received,
)
from coverproxy.web.errors import meaning
from coverproxy.web.pages.page import HEADERS, is_for_program, person, shown, texts_for
from coverproxy.web.pages.snippets import LIST_SIZE
from coverproxy.web.paths import path_of
from coverproxy.web.visitor import site, visitor
from coverproxy.web.waits import JSON_SECONDS

routes = web.RouteTableDef()

MOST_ZIPS = 4
"""ZIPs that a process packs at once, half of them for one key."""

ZIPS: web.AppKey[Counter[str]] = web.AppKey("zips", Counter)
"""ZIPs in progress by account."""

SHOWN_UNREAD = 200
"""Lines that were not understood that the page shows."""


@routes.get("/batch")
@person
async def ask(request: web.Request) -> web.StreamResponse:
    """Show the form; `?key=` fills in the key, and an owner's secret is not shown again."""
    key = request.query.get("key", "")[:80]
    return _form(request, {}, SecretAsKey()) if is_secret(key) else _form(request, {"key": key})


@routes.post("/batch")
@person
async def send(request: web.Request) -> web.StreamResponse:
    """Answer with what the form asks for; where it cannot be read, with the form and why.

    The form has no token: it changes nothing but the quota, which any page with the key's covers uses, too.
    """
    typed: dict[str, str] = {}
    try:
        fields = await received(request)
        typed |= {name: fields.get(name, b"").decode(errors="replace") for name in ("key", "list")}
        key = await _key(request, typed["key"].strip())
        return await _answer(request, key, parsed(fields, tuple(request.app[CONFIG].sizes)))
    except CoverError as exc:
        if is_for_program(request):
            raise
        return _form(request, typed, exc)


async def _key(request: web.Request, name: str) -> Key:
    """Return the key, which sites it is bound to keep from here too. Raises UnknownKey, KeyNotForSite."""
    if not name:
        raise UnknownKey("no key")
    key = request[KEY] = await request.app[ACCOUNTS].authorize(name, site(request))
    return key


async def _answer(request: web.Request, key: Key, form: BatchForm) -> web.StreamResponse:
    listed = read(form.text, MOST_ITEMS)
    if not listed.entries and not listed.unread:
        raise BadQuestion("the list is empty")
    listed = await _with_titles(request.app[COVERS], listed)
    wanted = {str(each.number): Wanted(LIST_SIZE, each.reading, None) for each in listed.entries}
    sought = await request.app[COVERS].find(wanted, JSON_SECONDS)
    covered = [
        (each, sought.found[str(each.number)]) for each in listed.entries if str(each.number) in sought.found
    ]
    part = covered[(form.part - 1) * MOST_AT_ONCE : form.part * MOST_AT_ONCE]
    if form.act == "zip" and part:
        return await _zip(request, key, form, [original.identifier for _, original in part])
    data = _told(request, key, listed, covered, is_settled=sought.is_settled)
    if form.act == "sheet" and part:
        return _sheet(request, key, form, data, part)
    return _gallery(request, key, data, covered)


async def _with_titles(covers: Covers, listed: TitledList) -> TitledList:
    """Give items that stand in the list without a title that of an import. Raises Unavailable."""
    bare = [each for each in listed.entries if not each.title]
    known = await covers.titles(item for each in bare for item in each.reading.identifiers)

    def titled(entry: TitledItem) -> TitledItem:
        names = () if entry.title else entry.reading.identifiers
        title = next((known[each] for each in names if each in known), None)
        return replace(entry, title=title.lines) if title else entry

    return replace(listed, entries=tuple(map(titled, listed.entries)))


def _gallery(
    request: web.Request, key: Key, data: BatchFound, covered: list[tuple[TitledItem, Original]]
) -> web.Response:
    """Show the covers, with forms for the ZIPs and sheets of each part."""
    names = [(original.identifier.listed, entry.title) for entry, original in covered]
    parts = range(1, -(-len(covered) // MOST_AT_ONCE) + 1)
    more: dict[str, Any] = {
        "key": key.name,
        "sizes": list(request.app[CONFIG].sizes),
        "papers": PAPERS,
        "per_page": PER_PAGE,
    }
    return shown(
        request, "batch_found.html", data, again=written(names), parts_of=parts, most=MOST_AT_ONCE,
        shown_unread=SHOWN_UNREAD, **more,
    )  # fmt: skip


def _told(
    request: web.Request,
    key: Key,
    listed: TitledList,
    covered: list[tuple[TitledItem, Original]],
    *,
    is_settled: bool,
) -> BatchFound:
    """Return the result as JSON: covers, items without one, lines without an item, and the quota."""
    allowance = request.app[ACCOUNTS].allowance(key)
    found = {entry.number for entry, _ in covered}
    return {
        "covers": [_cover(request, key, *each) for each in covered],
        "none": [
            {"line": each.number, "identifier": _name(each.reading), "title": list(each.title)}
            for each in listed.entries if each.number not in found
        ],
        "unread": [{"line": each.number, "text": each.text, "why": each.why} for each in listed.unread],
        "left": allowance.left, "limit": allowance.limit,
        "resets_at": allowance.resets_at.isoformat().replace("+00:00", "Z"),
        "is_settled": is_settled,
    }  # fmt: skip


def _cover(
    request: web.Request, key: Key, entry: TitledItem, original: Original, size: str = LIST_SIZE
) -> BatchCover:
    place = path_of(original.identifier)
    sides = (original.width, original.height)
    width, height = target_size(sides, request.app[CONFIG].sizes[size])
    return {
        "line": entry.number, "identifier": original.identifier.listed, "title": list(entry.title),
        "url": f"/devkey/{key.name}/{size}/{place}", "page": f"/item/{place}",
        "width": width, "height": height,
    }  # fmt: skip


def _name(reading: Reading) -> str:
    return (reading.sure or reading.identifiers[0]).listed


def _sheet(
    request: web.Request,
    key: Key,
    form: BatchForm,
    data: BatchFound,
    part: list[tuple[TitledItem, Original]],
) -> web.Response:
    """Show pages to print, with covers in the largest usual size."""
    sizes = request.app[CONFIG].usual_sizes
    largest = max(sizes, key=lambda name: sizes[name].width * sizes[name].height)
    covers = [_cover(request, key, *each, size=largest) for each in part]
    pages = [covers[at : at + form.per_page] for at in range(0, len(covers), form.per_page)]
    told: BatchSheet = {**data, "paper": form.paper, "per_page": form.per_page, "pages": pages}
    return shown(request, "batch_sheet.html", told)


async def _zip(
    request: web.Request, key: Key, form: BatchForm, items: list[Identifier]
) -> web.StreamResponse:
    """Send the ZIP while it is made. Raises QuotaUsedUp or Busy where it would be empty."""
    covers, unique = request.app[COVERS], list(dict.fromkeys(items))
    with _place(request.app[ZIPS], key.counted_as):
        packing = Packing(covers, unique, form.size, visitor(request, key), partial(_report, request, key))
        chunks = packing.chunks()
        first = await anext(chunks, None)
        if first is None:
            if Packed.QUOTA in packing.outcomes.values():
                raise QuotaUsedUp(key.counted_as, request.app[ACCOUNTS].allowance(key).resets_in)
            raise Busy("no cover could be made now")
        quota = answers.quota_headers(request.app[ACCOUNTS].allowance(key))
        response = web.StreamResponse(headers=HEADERS | _zip_headers(form) | quota)
        await response.prepare(request)
        try:
            await response.write(first)
            async for chunk in chunks:
                await response.write(chunk)
        finally:
            request.app[DESK].downloads.note(key.counted_as, form.size, NATIVE, packing.count)
        await response.write_eof()
    return response


def _zip_headers(form: BatchForm) -> dict[str, str]:
    name = f"covers-{form.size}" + (f"-{form.part}" if form.part > 1 else "")
    return {
        "Content-Type": "application/zip",
        "Content-Disposition": f'attachment; filename="{name}.zip"',
    }


@contextmanager
def _place(zips: Counter[str], account: str) -> Iterator[None]:
    """Hold one of the places for ZIPs. Raises Busy if none is free."""
    if zips.total() >= MOST_ZIPS or zips[account] >= MOST_ZIPS // 2:
        raise Busy("too many ZIPs are being packed")
    zips[account] += 1
    try:
        yield
    finally:
        zips[account] -= 1
        if not zips[account]:
            del zips[account]


def _report(request: web.Request, key: Key, outcomes: dict[Identifier, Packed]) -> str:
    """Return the ZIP's report: which covers it has, which it lacks, and how to get the rest."""
    texts = texts_for(request)
    counts = Counter(outcomes.values())
    told = [texts("batch.report_in", count=counts[Packed.IN], asked=len(outcomes))]
    if counts[Packed.QUOTA]:
        until = request.app[ACCOUNTS].allowance(key).resets_at.strftime("%Y-%m-%d %H:%M UTC")
        told.append(texts("batch.report_quota", count=counts[Packed.QUOTA], until=until))
    if counts[Packed.LATER]:
        told.append(texts("batch.report_later", count=counts[Packed.LATER]))
    each = [f"{item.listed}\t{name_of(item) if how is Packed.IN else how}" for item, how in outcomes.items()]
    return "\r\n".join([*told, "", *each, ""])


def _form(request: web.Request, typed: dict[str, str], fault: CoverError | None = None) -> web.Response:
    data: BatchPage = {
        "most_items": MOST_ITEMS, "most_at_once": MOST_AT_ONCE, "max_list_bytes": MAX_LIST_BYTES,
        "why": _why(request, fault) if fault else None,
        "detail": str(fault) if isinstance(fault, BadQuestion) else None,
    }  # fmt: skip
    more: dict[str, Any] = {
        "typed": {"key": "", "list": ""} | typed,
        "fault": meaning(fault).label if fault else "",
    }
    return shown(request, "batch.html", data, status=meaning(fault).status if fault else 200, **more)


def _why(request: web.Request, fault: CoverError) -> str:
    texts = texts_for(request)
    if isinstance(fault, KeyNotForSite):
        return texts("batch.bound")
    if isinstance(fault, TooMany):
        return texts("batch.many", most=MOST_ITEMS)
    if isinstance(fault, QuotaUsedUp):
        return texts("batch.quota")
    return texts("batch.unread" if isinstance(fault, BadQuestion) else meaning(fault).text)

"""GET /devkey/{key}/changes: which covers changed, read on from a number; as JSON or CSV."""

from datetime import UTC, datetime

from aiohttp import web

from coverproxy.domain.errors import BadQuestion
from coverproxy.service.changes_json import MOST_CHANGES, ChangeList, as_csv
from coverproxy.web import answers
from coverproxy.web.app_keys import COVERS
from coverproxy.web.shapes.info import authorize

routes = web.RouteTableDef()


@routes.get("/devkey/{key}/changes")
async def changes(request: web.Request) -> web.StreamResponse:
    """Return what changed since a number, or a moment: `?since=0&limit=1000&format=csv`."""
    await authorize(request)
    limit = _whole(request, "limit", MOST_CHANGES)
    if not 1 <= limit <= MOST_CHANGES:
        raise BadQuestion(f"limit: {limit} is not in 1 to {MOST_CHANGES}")
    form = request.query.get("format", "json")
    if form not in ("json", "csv"):
        raise BadQuestion(f"format: {form[:40]!r} is not json or csv")
    is_moment, since = _since(request)
    found = await request.app[COVERS].changes(since, limit, is_moment=is_moment)
    return answers.send(answers.json(found) if form == "json" else _csv(found))


def _csv(found: ChangeList) -> answers.Answer:
    told = {
        "Content-Type": "text/csv; charset=utf-8", "Cache-Control": "no-store",
        "X-Changes-Next": str(found["next"]), "X-Changes-More": str(int(found["more"])),
        "X-Changes-Complete": str(int(found["complete"])),
    }  # fmt: skip
    return answers.Answer(200, answers.COMMON | told, as_csv(found).encode())


def _since(request: web.Request) -> tuple[bool, int]:
    """Return (whether it is a moment, the number or seconds since 1970). Raises BadQuestion."""
    text = request.query.get("since", "0")
    if text.isascii() and text.isdecimal() and len(text) <= 18:
        return False, int(text)
    try:
        moment = datetime.fromisoformat(text)
        return True, int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    except (ValueError, OverflowError) as exc:
        raise BadQuestion(f"since: {text[:40]!r} is not a number or a date like 2027-01-31") from exc


def _whole(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BadQuestion(f"{name}: {text[:40]!r} is not a whole number")
    return int(text)

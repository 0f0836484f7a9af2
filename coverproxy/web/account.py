"""GET /devkey/{key}/usage: what a key has made, and what it may still make today."""

from aiohttp import web

from coverproxy.web import answers
from coverproxy.web.covers import site
from coverproxy.web.keys import COVERS, IS_PROGRAM, KEY

routes = web.RouteTableDef()


@routes.get("/devkey/{key}/usage")
async def usage(request: web.Request) -> web.StreamResponse:
    """Tell the quota as JSON: limit, made today, left, resets at, and the last 30 days."""
    request[IS_PROGRAM] = True
    accounts = request.app[COVERS].accounts
    key = request[KEY] = await accounts.authorize(request.match_info["key"], site(request))
    days = await accounts.usage(key)
    allowance = accounts.allowance(key)
    told = {
        "label": key.label,
        "limit": allowance.limit,
        "made_today": allowance.made,
        "left": allowance.left,
        "resets_at": allowance.resets_at.isoformat().replace("+00:00", "Z"),
        "days": [{"day": day.isoformat(), "made": made} for day, made in days.items()],
    }
    return answers.send(answers.json(told))

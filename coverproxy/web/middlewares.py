"""Around every handler: errors become answers, answers tell the quota, all is counted and logged."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from coverproxy.errors import CoverError, MalformedPath, Unavailable
from coverproxy.key import abridged
from coverproxy.log import abridged as network
from coverproxy.web import answers
from coverproxy.web.accept import accepted, wants_json
from coverproxy.web.client import client_address
from coverproxy.web.errors import Meaning, meaning
from coverproxy.web.keys import CONFIG, COVERS, HOT, IS_PROGRAM, KEY, METRICS, SPEC

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)
_access = logging.getLogger("coverproxy.access")


@web.middleware
async def remember(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer at once what was answered before and is in memory."""
    hot = request.app[HOT]
    return (hot.answer(request) if hot else None) or await handler(request)


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and time every answer for a cover; log it where the config asks for that."""
    started = time.perf_counter()
    response = await handler(request)
    label = response.headers.get("X-Cover-Status")
    seconds = time.perf_counter() - started
    if label:
        metrics = request.app[METRICS]
        metrics.answers.labels(label).inc()
        metrics.seconds.labels(label).observe(seconds)
    if request.app[CONFIG].log.access:
        _access.info("answer", extra=_told(request, response, seconds))
    return response


def _told(request: web.Request, response: web.StreamResponse, seconds: float) -> dict[str, object]:
    """What an access line tells: never the path, as it holds the key."""
    key = request.get(KEY)
    return {
        "method": request.method,
        "status": response.status,
        "cover": response.headers.get("X-Cover-Status", "-"),
        "spec": request.get(SPEC, "-"),
        "key": abridged(key.name) if key else "-",
        "from": network(client_address(request, request.app[CONFIG].front)),
        "ms": round(seconds * 1000, 1),
    }


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into its answer, and put the key's quota on whatever is answered."""
    try:
        response = await handler(request)
    except CoverError as exc:
        response = _refused(request, exc, meaning(exc))
    except web.HTTPMethodNotAllowed as exc:
        unfit = MalformedPath(f"{request.method} is not a method of this path")
        response = _refused(request, unfit, replace(meaning(unfit), label="method", status=405))
        response.headers["Allow"] = ", ".join(sorted(exc.allowed_methods))
    except web.HTTPException as exc:
        unfit = MalformedPath(exc.reason)
        response = _refused(request, unfit, replace(meaning(unfit), status=exc.status))
    except Exception:
        _log.exception("an answer failed", extra={"spec": request.get(SPEC, "-")})
        fault = Unavailable("an internal error")
        response = _refused(request, fault, meaning(fault))
    if key := request.get(KEY):
        response.headers.update(answers.quota_headers(request.app[COVERS].accounts.allowance(key)))
    return response


def _refused(request: web.Request, error: CoverError, how: Meaning) -> web.Response:
    as_json = wants_json(accepted(request.headers)) or request.get(IS_PROGRAM, False)
    refusal = answers.refusal(
        error, how, request.app[CONFIG].answers, is_strict=_is_strict(request), as_json=as_json
    )
    return answers.send(refusal)


def _is_strict(request: web.Request) -> bool:
    """Say whether errors are to be errors: by `?default=404` (Open Library: `false`), or by the key."""
    wish = request.query.get("default", "").lower()
    if wish in ("404", "false"):
        return True
    key = request.get(KEY)
    return wish != "gif" and key is not None and key.strict

"""Middlewares: errors become answers, answers report the quota, everything is counted and logged."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus

from aiohttp import web

from coverproxy import log
from coverproxy.domain.api_key import abridged
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.domain.errors import (
    CoverError,
    KeyNotForSite,
    MalformedPath,
    NoCover,
    StoreUnavailable,
    Unavailable,
)
from coverproxy.log import abridged as network
from coverproxy.web import answers
from coverproxy.web.accept import accepted, is_navigation, wants_json
from coverproxy.web.answers import Answer
from coverproxy.web.app_keys import ACCOUNTS, CONFIG, DESK, IS_PROGRAM, KEY, METRICS, SPEC
from coverproxy.web.bounds import in_form_of_others
from coverproxy.web.client_ip import client_address
from coverproxy.web.errors import Meaning, meaning
from coverproxy.web.navigation import page_of
from coverproxy.web.no_cover_image import CHOICES, stand_in
from coverproxy.web.own_misses import BEGAN
from coverproxy.web.shapes.base import SHAPE, shape_name
from coverproxy.web.titles import named
from coverproxy.web.visitor import site

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_DOWNLOADED = {CoverStatus.HIT, CoverStatus.MADE, CoverStatus.EDITION}

_log = logging.getLogger(__name__)

_access = logging.getLogger("coverproxy.access")


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and time every answer for a cover; log it if the config says so."""
    started = request.get(BEGAN) or time.perf_counter()
    response = await handler(request)
    label = response.headers.get("X-Cover-Status")
    seconds = time.perf_counter() - started
    if label:
        request.app[METRICS].note_answer(label, seconds)
        if label in _DOWNLOADED:
            _count_download(request, response)
    if request.app[CONFIG].log.access:
        _access.info("answer", extra=_access_fields(request, response, seconds))
    return response


def _count_download(request: web.Request, response: web.StreamResponse) -> None:
    """Count a cover that was sent whole, for its key; hits that nginx sends never come here."""
    is_whole = request.method == "GET" and response.status == HTTPStatus.OK
    if is_whole and response.content_type.startswith("image/"):
        key, spec = request.get(KEY), request.get(SPEC)
        if key and spec:
            request.app[DESK].downloads.note(key.counted_as, spec.size, shape_name(request))


def _access_fields(request: web.Request, response: web.StreamResponse, seconds: float) -> dict[str, object]:
    """Return the fields of an access log line; never the path, which contains the key."""
    key = request.get(KEY)
    return {
        "method": request.method,
        "status": response.status,
        "cover": response.headers.get("X-Cover-Status", "-"),
        "spec": str(request.get(SPEC, "-")),
        "key": abridged(key.name) if key else "-",
        "from": network(client_address(request, request.app[CONFIG].front)),
        "ms": round(seconds * 1000, 1),
    }


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into answers, and add the key's quota to every answer."""
    try:
        response = await handler(request)
    except CoverError as exc:
        response = _refused(request, exc, meaning(exc))
        _note(request, exc, meaning(exc).label)
    except web.HTTPMethodNotAllowed as exc:
        unfit = MalformedPath(f"{request.method} is not a method of this path")
        how = replace(meaning(unfit), label=CoverStatus.METHOD, status=405)
        response = _refused(request, unfit, how)
        response.headers["Allow"] = ", ".join(sorted(exc.allowed_methods))
    except web.HTTPException as exc:
        unfit = MalformedPath(exc.reason)
        response = _refused(request, unfit, replace(meaning(unfit), status=exc.status))
    except Exception as exc:
        response = _failed(request, exc)
    if key := request.get(KEY):
        if key.sites:
            _keep_from_others(response)
        accounts = request.app[ACCOUNTS]
        # Where the store cannot be read, no number is better than a wrong one.
        if accounts.counted_today(key) is not None:
            response.headers.update(answers.quota_headers(accounts.allowance(key)))
    return response


def _failed(request: web.Request, exc: Exception) -> web.Response:
    """Answer an unforeseen exception: a fault of ours, or of the machine."""
    log.fault(_log, "an answer failed", exc, trace=True, spec=str(request.get(SPEC, "-")))
    fault = Unavailable("an internal error")
    return _refused(request, fault, meaning(fault))


def _keep_from_others(response: web.StreamResponse) -> None:
    """Forbid shared caches to store the answer for a key bound to sites: they would serve it to every
    site.
    """
    kept = response.headers.get("Cache-Control", "")
    if kept.startswith("public"):
        response.headers["Cache-Control"] = kept.replace("public", "private", 1)


def _refused(request: web.Request, error: CoverError, how: Meaning) -> web.Response:
    is_sent = request.method not in ("GET", "HEAD")  # a client that sends something does not want a picture
    as_json = wants_json(accepted(request.headers)) or request.get(IS_PROGRAM, False) or is_sent
    is_strict = _is_strict(request)
    if (shape := request.get(SHAPE)) and (own := shape.refuse(request, error, how, is_strict)):
        return answers.send(own)
    why = meaning(MalformedPath("")).title if how.label == CoverStatus.PATH else how.title
    if not shape and (told_as := in_form_of_others(request.raw_path, why)):
        headers = answers.refusal_headers(error, how, request.app[CONFIG].answers)
        return answers.send(Answer(how.status, headers | {"Content-Type": told_as[0]}, told_as[1]))
    if not is_strict and not as_json and (answer := stand_in(request, how)):
        return answers.send(answer)
    if is_navigation(request.headers) and not request.get(IS_PROGRAM, False):
        return page_of(request, how)
    refusal = answers.refusal(error, how, request.app[CONFIG].answers, is_strict=is_strict, as_json=as_json)
    return answers.send(refusal)


def _note(request: web.Request, error: CoverError, label: CoverStatus) -> None:
    """Record for the key's owner what was refused, and why. Counts in memory: see KeyActivity.

    An unavailable store concerns the operator: it is logged.
    """
    key = request.get(KEY)
    account = key.counted_as if key else error.account if isinstance(error, KeyNotForSite) else ""
    if isinstance(error, StoreUnavailable):
        log.fault(_log, "a store cannot be used", error)
    if not account:
        return
    if isinstance(error, NoCover):
        if spec := request.get(SPEC):
            request.app[DESK].ledger.note_lacking(account, spec.identifier.listed, named(request.query))
    elif label.is_noted:
        request.app[DESK].ledger.note_refusal(account, label, _detail(request, error))


def _detail(request: web.Request, error: CoverError) -> str:
    """Describe a refused request; for a bound key, with the site."""
    asking = f" ({site(request) or 'the request names none'})" if isinstance(error, KeyNotForSite) else ""
    return f"{error}{asking}"


def _is_strict(request: web.Request) -> bool:
    """Return whether errors are answered as errors: by `?default=404` (Open Library: `false`), or by the
    key.
    """
    wish = request.query.get("default", "").lower()
    if wish in ("404", "false"):
        return True
    key = request.get(KEY)
    return wish not in CHOICES and key is not None and key.strict

"""A page: one value, shown as HTML to people and as JSON to programs, with security headers."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from types import CodeType
from typing import Any

import jinja2
import orjson
from aiohttp import web
from jinja2.bccache import Bucket

from coverproxy import __version__
from coverproxy.config import Config
from coverproxy.domain.counted import spaced
from coverproxy.domain.errors import CoverError, KeyRequestRefused
from coverproxy.web import answers, languages, texts
from coverproxy.web.accept import accepted, prefers_json, wants_html
from coverproxy.web.app_keys import CONFIG
from coverproxy.web.client_ip import base_url
from coverproxy.web.errors import meaning
from coverproxy.web.pages import charts, forms
from coverproxy.web.paths import name_for_people, path_of_name
from coverproxy.web.sub_path import told_below
from coverproxy.web.texts import Texts

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    # Only the origin, even between our own pages: a path may contain a key.
    "Referrer-Policy": "strict-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept",
    "Cache-Control": "no-store",
}


class _Compiled(jinja2.BytecodeCache):
    """The templates as this process has compiled them, which takes ten times as long as to render one."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """See BytecodeCache."""
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """See BytecodeCache. Only templates that ship with the pages are ever loaded: there are few."""
        if bucket.code:
            self._code[bucket.key, bucket.checksum] = bucket.code


_compiled = _Compiled()


class Pages:
    """The templates and texts of one application."""

    def __init__(self, config: Config) -> None:
        self.by_language = texts.load_all(config.site)
        self.offered = tuple(self.by_language)
        self._environment = jinja2.Environment(
            loader=jinja2.FunctionLoader(file), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, bytecode_cache=_compiled,
        )  # fmt: skip
        self._environment.globals |= {
            "site": config.site,
            "takes_reports": config.reports.enabled,
            "signup_mode": config.signup.mode,
            "version": __version__,
            "bars": charts.bars,
        }
        self._environment.filters |= {
            "number": number, "bytes": in_bytes, "path": path_of_name, "sentence": sentence,
            "called": name_for_people,
        }  # fmt: skip

    def render(self, name: str, texts: Texts, values: Mapping[str, Any]) -> str:
        """Render a template in the language of *texts*."""
        names = {each: told("language.name") for each, told in self.by_language.items()}
        more = {"t": texts, "language": texts.language, "language_names": names}
        return self._environment.get_template(name).render({**values, **more})


PAGES: web.AppKey[Pages] = web.AppKey("pages", Pages)

_MOST_KEPT = 12


def texts_for(request: web.Request) -> Texts:
    """Return the texts in the reader's language."""
    pages = request.app[PAGES]
    return pages.by_language[languages.spoken(request, pages.offered)]


def shown(
    request: web.Request,
    template: str,
    data: Mapping[str, Any],
    *,
    status: int = 200,
    by_default: str = "html",
    is_shared: bool = False,
    kept: dict[str, str] | None = None,
    **more: Any,
) -> web.Response:
    """Show *data*: with the template, as `d` next to *more*, or as JSON.

    `by_default`: for clients that name neither in Accept. `is_shared`: scripts of other sites may read the
    JSON. `kept`: this page as it was rendered of the same *data*, by language and the site's address.
    """
    if is_for_program(request, by_default):
        data = told_below(data, request.app[CONFIG].front.public_path)
        if is_shared:
            return answers.send(answers.json(data, status))
        body = orjson.dumps(data, option=orjson.OPT_APPEND_NEWLINE)
        return web.Response(status=status, headers=HEADERS | {"Content-Type": "application/json"}, body=body)
    offered = request.app[PAGES].offered
    switches = languages.switches(request, offered, is_kept=kept is not None)
    values = {
        "d": data,
        "base": base_url(request),
        "path": languages.here(request),
        "switches": switches,
        **more,
    }
    text = _rendered(request, template, values, {} if kept is None else kept)
    response = as_page(request, text.encode(), status)
    forms.set_cookie(request, response)
    return response


def as_page(request: web.Request, body: bytes, status: int = 200, cache: str = "no-store") -> web.Response:
    """Answer with a page in the reader's language, which the browser remembers if it was chosen."""
    pages = request.app[PAGES]
    told = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Language": texts_for(request).language,
        "Vary": languages.VARY,
        "Cache-Control": cache,
    }
    response = web.Response(status=status, headers=HEADERS | told, body=body)
    languages.keep(request, response, pages.offered)
    return response


def _rendered(request: web.Request, template: str, values: dict[str, Any], kept: dict[str, str]) -> str:
    """Render a page, unless it is kept. *kept* is bounded: clients choose the Host of the site's address."""
    spoken = texts_for(request)
    name = f"{spoken.language} {values['base']}"
    if name not in kept:
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        kept[name] = request.app[PAGES].render(template, spoken, values)
    return kept[name]


def is_for_program(request: web.Request, by_default: str = "html") -> bool:
    """Return whether the client wants JSON instead of a page."""
    accept = accepted(request.headers)
    return not wants_html(accept) if by_default == "json" else prefers_json(accept)


def person(handler: Handler) -> Handler:
    """Turn errors in a page's handler into pages; programs get problem details."""

    @functools.wraps(handler)
    async def handled(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except KeyRequestRefused as exc:
            return problem(request, meaning(exc).status, f"refused.{exc.reason}", exc.reason)
        except CoverError as exc:
            if is_for_program(request, _default(request)):
                raise
            how = meaning(exc)
            return problem(request, how.status, how.text, how.label)

    return handled


def problem(request: web.Request, status: int, text: str, code: str) -> web.Response:
    """Answer with a page that says what is wrong, or problem details (RFC 9457)."""
    title = texts_for(request)(text)
    told = {"type": "about:blank", "title": title, "status": status, "detail": title, "code": code}
    answer = shown(request, "error.html", told, status=status, by_default=_default(request))
    if answer.content_type == "application/json":
        answer.content_type = "application/problem+json"
    return answer


def _default(request: web.Request) -> str:
    """Return the default below a key: programs have always used these paths, and most send no Accept."""
    return "json" if request.path.startswith("/devkey/") else "html"


def number(value: float | None) -> str:
    """Format a number, whole ones in groups of three."""
    if value is None:
        return "–"
    return spaced(value) if isinstance(value, int) else f"{value:.1f}"


def sentence(text: str) -> str:
    """Return words as they begin a sentence; what follows stays as it is, since German has its capitals."""
    return text[:1].upper() + text[1:]


def in_bytes(value: float) -> str:
    """Format a number of bytes: 256 KiB, 1.5 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{f'{value:.1f}'.removesuffix('.0')} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


@functools.cache
def file(name: str) -> str:
    """Return a file that ships with the pages."""
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")

"""The home page: what this service answers to, and the covers of the demo where it is one."""

import functools
from dataclasses import dataclass
from importlib import resources

import jinja2
from aiohttp import web

from coverproxy.web import answers
from coverproxy.web.keys import CONFIG, SHOWN

routes = web.RouteTableDef()

_PAGE = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; style-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A book that the home page shows, with the key its covers are asked with."""

    isbn: str
    title: str
    author: str
    key: str
    has_cover: bool = True


@routes.get("/")
async def home(request: web.Request) -> web.StreamResponse:
    """Show the home page."""
    base = f"{request.scheme}://{request.host}"
    text = _template().render(base=base, sizes=request.app[CONFIG].sizes, shown=request.app[SHOWN])
    return answers.send(answers.Answer(200, dict(_PAGE), text.encode()))


@routes.get("/style.css")
async def style(request: web.Request) -> web.StreamResponse:
    """Serve the one stylesheet."""
    headers = {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=3600"}
    return answers.send(answers.Answer(200, headers, _file("style.css").encode()))


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_file), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("home.html")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath("templates", name).read_text(encoding="utf-8")

"""The page that asks once more, before what cannot be taken back is done."""

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from coverproxy.web.pages import forms
from coverproxy.web.pages.page import is_for_program, shown
from coverproxy.web.pages.session import who


@dataclass(frozen=True, slots=True)
class SureQuestion:
    """What is asked: a heading, what it is about, what it means, the button, and the page to go back to."""

    title: str
    about: str
    why: str
    button: str
    to: str


def is_sure(request: web.Request, fields: Mapping[str, str]) -> bool:
    """Return whether a person was asked; programs know what they send."""
    return "sure" in fields or is_for_program(request)


def ask(request: web.Request, question: SureQuestion, fields: Mapping[str, str]) -> web.Response:
    """Ask, with a form that sends *fields* again."""
    return shown(
        request, "admin_sure.html", {name: text for name, text in fields.items() if name != forms.FIELD},
        token=forms.token(request, who(request)), title=question.title, about=question.about,
        why=question.why, button=question.button, to=question.to,
    )  # fmt: skip

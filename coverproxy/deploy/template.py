"""Fills templates of configuration text with values."""

import functools
from importlib import resources

import jinja2


def filled(name: str, **values: object) -> str:
    """Fill the template with that file name. A missing value is an error."""
    return _environment().get_template(name).render(**values)


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=False,  # noqa: S701 - it writes nginx's and systemd's languages, not HTML
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")

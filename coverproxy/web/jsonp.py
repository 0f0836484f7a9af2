"""JSONP: checks the callback's name, and writes a script that calls it."""

import re
from collections.abc import Sequence

import orjson

from coverproxy.domain.errors import BadQuestion

_CALLBACK = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z_$][A-Za-z0-9_$]*)*")
MAX_CALLBACK = 128
PATTERN = f"^{_CALLBACK.pattern}$"


def callback(values: Sequence[str]) -> str | None:
    """Return the name of a JSONP callback: one name, in ASCII, dots allowed. Raises BadQuestion."""
    if not values:
        return None
    name = values[0]
    if len(values) > 1 or len(name) > MAX_CALLBACK or not _CALLBACK.fullmatch(name):
        raise BadQuestion(
            f"callback is not a JavaScript name, like a.b, of at most {MAX_CALLBACK} characters"
        )
    return name


def call(value: object, name: str) -> str:
    """Return a script that passes *value* to the function *name*, without a line's end: see assignment().

    The comment in front prevents the first bytes from being read as another file type (CVE-2014-4671).
    """
    return f"/**/{name}({in_script(value)});"


def assignment(value: object, name: str) -> str:
    """Return a script that sets the variable *name*.

    It ends in the semicolon, as those of Google and Open Library do: some clients cut off the last character.
    """
    return f"var {name} = {in_script(value)};"


def in_script(value: object) -> str:
    """Return *value* as JSON that is safe in a script.

    U+2028 and U+2029 end a line in JavaScript before ES2019, so its strings must not contain them.
    """
    return orjson.dumps(value).decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

"""JSON that other sites' pages take in: a callback's name checked, and a script that calls it."""

import re
from collections.abc import Sequence

import orjson

from coverproxy.domain.errors import BadQuestion

_CALLBACK = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(?:\.[A-Za-z_$][A-Za-z0-9_$]*)*")
MAX_CALLBACK = 128
PATTERN = f"^{_CALLBACK.pattern}$"


def callback(values: Sequence[str]) -> str | None:
    """Return the name of a JSONP callback: one, in ASCII, dots allowed. Raises BadQuestion."""
    if not values:
        return None
    name = values[0]
    if len(values) > 1 or len(name) > MAX_CALLBACK or not _CALLBACK.fullmatch(name):
        raise BadQuestion(
            f"callback is not one JavaScript name, like a.b, of at most {MAX_CALLBACK} characters"
        )
    return name


def call(value: object, name: str) -> str:
    """Write a script that hands *value* to the function *name*.

    The comment in front keeps the first bytes from being taken for another kind of file (CVE-2014-4671).
    """
    return f"/**/{name}({in_script(value)});\n"


def in_script(value: object) -> str:
    """Write *value* as JSON that may stand in a script.

    U+2028 and U+2029 end a line in JavaScript before ES2019, and may not stand in its strings.
    """
    return orjson.dumps(value).decode().replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

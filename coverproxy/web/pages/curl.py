"""Examples of requests, made from operations of the OpenAPI document: an address, and a line for curl."""

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

Operation = Mapping[str, Any]

_UNSAID = frozenset({"callback", "default", "fallback"})
"""Parameters that change how an answer looks, not what it is about: an example is shorter without."""

_FORM, _PARTS, _JSON = "application/x-www-form-urlencoded", "multipart/form-data", "application/json"


def address(path: str, operation: Operation, put: Mapping[str, str]) -> str:
    """Return a path with the examples of its parameters; *put*: texts of examples, and what replaces them."""
    asked: list[tuple[str, str]] = []
    for each in operation.get("parameters", ()):
        text = _replaced(_text(each["example"]), put)
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", quote(text, safe="/"))
        elif each["name"] not in _UNSAID and text and "requestBody" not in operation:
            asked.append((each["name"], text))
    return f"{path}?{urlencode(asked, safe=',:/')}" if asked else path


def line(url: str, method: str, operation: Operation, schemas: Mapping[str, Any]) -> str:
    """Return the command, or "" for a form that only our own page can send."""
    words = ["curl"] if method == "get" else ["curl", "-X", method.upper()]
    if "Bearer" in operation.get("description", ""):
        words += ["-H", "Authorization: Bearer SECRET"]
    if "requestBody" in operation:
        sent = _sent(operation["requestBody"]["content"], schemas)
        if not sent:
            return ""
        words += sent
    return " ".join(word if word.startswith("-") else shlex.quote(word) for word in [*words, url])


def _sent(content: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """Return curl's options for a body of the first kind that can be shown; [] if there is none."""
    bodies = {kind: _resolved(told["schema"], schemas) for kind, told in content.items()}
    if _PARTS in bodies:
        return [] if "token" in bodies[_PARTS]["required"] else ["-F", "file=@cover.jpg"]
    if _JSON in bodies:
        body = orjson.dumps(_sample(bodies[_JSON])).decode()
        return ["-H", f"Content-Type: {_JSON}", "-d", body]
    if _FORM in bodies:
        fields = bodies[_FORM].get("required", ())
        return [word for name in fields for word in ("-d", f"{name}=9780141439518")]
    kind = next(iter(bodies))
    name = "cover.jpg" if kind.startswith("image/") else "request.xml"
    return ["-H", f"Content-Type: {kind}", "--data-binary", f"@{name}"]


def _sample(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest object of a schema: its required fields."""
    fields = schema["properties"]
    return {name: _value(name, fields[name]) for name in schema.get("required", ())}


def _value(name: str, schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "array":
        return ["9780141439518"]
    return "https://covers.example.org/9780141439518.jpg" if name == "url" else "9780141439518"


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return schemas[reference.rpartition("/")[2]] if reference else schema


def _text(example: Any) -> str:
    if isinstance(example, list):
        return ",".join(map(str, example))
    return "" if example is None else str(example)


def _replaced(text: str, put: Mapping[str, str]) -> str:
    for old, new in put.items():
        text = text.replace(old, new)
    return text

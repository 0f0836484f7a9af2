"""The addresses of pages, and those that administrators have."""

from typing import Any

from coverproxy.domain.report import ReportReason
from coverproxy.web.api import bodies
from coverproxy.web.api.address import Address, Parameter

JSON = "application/json"
HTML = "text/html"

_TEXT: dict[str, Any] = {"type": "string"}
_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_OBJECT: dict[str, Any] = {"type": "object"}


def shown(path: str, summary: str, *parameters: Parameter) -> Address:
    """Describe a page that is also available as JSON."""
    return Address(path, summary, {HTML: _TEXT, JSON: _OBJECT}, parameters=parameters, is_page=True)


def form(path: str, summary: str, *parameters: Parameter) -> Address:
    """Describe the target of a page's form: it contains a token that only our pages issue."""
    takes = {"application/x-www-form-urlencoded": bodies.FORM}
    gives: dict[str, Any] = {HTML: _TEXT, JSON: _OBJECT}
    return Address(path, summary, gives, "post", parameters=parameters, takes=takes, is_page=True)


def table(path: str, summary: str, *parameters: Parameter) -> Address:
    """Describe a list as CSV."""
    return Address(path, summary, {"text/csv": _TEXT}, parameters=parameters, is_page=True)


def _list(*orders: str) -> tuple[Parameter, Parameter]:
    """Describe how a list is searched and sorted."""
    return (
        Parameter("find", "query", "A part of what is listed.", {"type": "string"}, "9780"),
        Parameter("sort", "query", "The order.", {"type": "string", "enum": [*orders]}, orders[0]),
    )


TYPED = Parameter("isbn", "query", "An ISBN to look up, as it was typed.", {"type": "string"}, "0141439513")

_STATE = Parameter(
    "state", "query", "Only keys in this state; asks: for another role.",
    {"type": "string", "enum": ["waiting", "asks", "active", "revoked", "expired"]}, "waiting",
)  # fmt: skip
_KEYS = (*_list("waiting", "created", "label", "made", "limit"), _STATE)
_WANTED = _list("asked", "last", "isbn")

_REASON = Parameter(
    "reason", "query", "Only reports of this reason.",
    {"type": "string", "enum": [each.value for each in ReportReason]}, "wrong",
)  # fmt: skip
_REPORTS = (_REASON, _list("reporters", "at", "isbn")[1])

ADMIN = (
    form("/admin/login", "Log in"),
    form("/admin/logout", "Log out"),
    Address("/admin/login", "Redirects to what waits", {}, is_page=True),
    Address("/admin/logout", "Redirects to the keys", {}, is_page=True),
    shown("/admin", "What waits for an administrator"),
    shown("/admin/wanted", "What was asked for and has no cover, for all keys", *_WANTED),
    table("/admin/wanted.csv", "The same list as CSV", *_WANTED),
    shown("/admin/keys", "The keys and their use", *_KEYS),
    table("/admin/keys.csv", "The same keys as CSV", *_KEYS),
    form("/admin/keys", "Approve, limit, bind, replace or revoke a key"),
    shown("/admin/new-key", "The form for a new key"),
    form("/admin/new-key", "Create a key that works at once"),
    shown("/admin/new-key/given", "The key just created; else redirects to the form (303)"),
    shown("/admin/book", "A book's originals and derivatives", TYPED),
    form("/admin/book", "Remove a book's derivatives"),
    Address(
        "/admin/original/{digest}", "An original, rendered small", {"image/jpeg": _BINARY},
        parameters=(
            Parameter("isbn", "query", "An ISBN, or scheme:value.", {"type": "string"}, "9780141439556"),
            Parameter("digest", "path", "The original's digest.",
                      {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "0" * 32),
        ),
        is_page=True, route="/admin/original/{digest:[0-9a-f]{32}}",
    ),
    Address("/admin/decide", "Redirects to what waits", {}, is_page=True),
    form("/admin/decide", "Choose, hide, restore or approve an original, or undo a decision"),
    shown("/admin/review", "Pictures that wait for approval"),
    form("/admin/review", "Approve or turn down pictures that wait"),
    shown("/admin/reports", "What readers report", *_REPORTS),
    table("/admin/reports.csv", "The open reports as CSV", *_REPORTS),
    form("/admin/reports", "Close a report"),
    shown("/admin/service", "Quarantine, cache and sources"),
    form("/admin/service", "Release an original from quarantine"),
)  # fmt: skip
"""Without a way to log in (config: [admin]) all of them are 404."""

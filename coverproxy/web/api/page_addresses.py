"""The addresses of pages, and those that administrators have."""

from typing import Any

from coverproxy.domain.report import ReportReason
from coverproxy.web.api import admin_schemas as schemas
from coverproxy.web.api import bodies
from coverproxy.web.api.address import Address, Parameter
from coverproxy.web.api.page_schemas import GivenKey

JSON = "application/json"
HTML = "text/html"

_TEXT: dict[str, Any] = {"type": "string"}
_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}


def shown(path: str, summary: str, as_json: Any, *parameters: Parameter) -> Address:
    """Describe a page that is also available as JSON, of the type *as_json*."""
    return Address(path, summary, {HTML: _TEXT, JSON: as_json}, parameters=parameters, is_page=True)


def form(path: str, summary: str, as_json: Any, *parameters: Parameter, status: int = 200) -> Address:
    """Describe the target of a page's form: it contains a token that only our pages issue."""
    takes = {"application/x-www-form-urlencoded": bodies.FORM}
    return Address(
        path, summary, {HTML: _TEXT, JSON: as_json}, "post", parameters=parameters, takes=takes,
        is_page=True, statuses=(status,),
    )  # fmt: skip


def _redirecting(path: str, summary: str) -> Address:
    """Describe the target of a form that leads to another page."""
    takes = {"application/x-www-form-urlencoded": bodies.FORM}
    return Address(path, summary, {}, "post", takes=takes, is_page=True)


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
_REVIEW = _list("oldest", "newest", "isbn", "who")[1]
_REPORTS = (_REASON, _list("reporters", "at", "isbn")[1])

ADMIN = (
    _redirecting("/admin/login", "Log in; redirects to what waits (303)"),
    _redirecting("/admin/logout", "Log out; redirects to the home page (303)"),
    Address("/admin/login", "Redirects to what waits", {}, is_page=True),
    Address("/admin/logout", "Redirects to what waits", {}, is_page=True),
    shown("/admin", "What waits for an administrator", schemas.AdminHome),
    shown("/admin/wanted", "Requested items without a cover, for all keys", schemas.AdminWanted, *_WANTED),
    table("/admin/wanted.csv", "The same list as CSV", *_WANTED),
    shown("/admin/keys", "The keys and their use", schemas.AdminKeys, *_KEYS),
    table("/admin/keys.csv", "The same keys as CSV", *_KEYS),
    form("/admin/keys", "Approve, limit, bind, replace or revoke a key", schemas.AdminKeys),
    shown("/admin/new-key", "The form for a new key", schemas.NewKeyPage),
    form("/admin/new-key", "Create a key that works at once", GivenKey, status=201),
    shown("/admin/new-key/given", "The key just created; else redirects to the form (303)", GivenKey),
    shown("/admin/book", "A book's originals and derivatives", schemas.AdminBook, TYPED),
    form("/admin/book", "Remove a book's derivatives", schemas.AdminBook),
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
    form("/admin/decide", "Choose, hide, restore or approve an original; undo a decision", schemas.AdminBook),
    shown("/admin/review", "Pictures that wait for approval", schemas.AdminReview, _REVIEW),
    table("/admin/review.csv", "The same pictures as CSV", _REVIEW),
    form("/admin/review", "Approve or turn down pictures that wait", schemas.AdminReview),
    shown("/admin/reports", "What readers report", schemas.AdminReports, *_REPORTS),
    table("/admin/reports.csv", "The open reports as CSV", *_REPORTS),
    form("/admin/reports", "Close a report", schemas.AdminReports),
    shown("/admin/service", "Quarantine, cache and sources", schemas.AdminService),
    form("/admin/service", "Release an original from quarantine", schemas.AdminService),
)  # fmt: skip
"""Without a way to log in (config: [admin]) all of them are 404."""

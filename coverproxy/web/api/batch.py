"""The batch page's addresses, as /openapi.json describes them."""

from typing import Any

from coverproxy.web.api.address import EXAMPLE_KEY, Address, Parameter
from coverproxy.web.api.page_schemas import BatchFound, BatchPage, BatchSheet
from coverproxy.web.batch_form import MOST_AT_ONCE, MOST_ITEMS, PAPERS, PER_PAGE

_TEXT = {"type": "string"}
_KEY = Parameter("key", "query", "A key, to fill in.", _TEXT, EXAMPLE_KEY)


def addresses(sizes: tuple[str, ...]) -> tuple[Address, ...]:
    """Describe them. *sizes*: those of the config."""
    return (
        Address(
            "/batch", "The form for a list of identifiers",
            {"text/html": _TEXT, "application/json": BatchPage}, parameters=(_KEY,), is_page=True,
        ),
        Address(
            "/batch", "Covers of a list: gallery, ZIP, or sheet to print",
            {"text/html": _TEXT, "application/json": BatchSheet | BatchFound, "application/zip": {}}, "post",
            tells=(
                f"At most {MOST_ITEMS} lines, and {MOST_AT_ONCE} covers in a ZIP or sheet; `part` counts on. "
                "Covers that exist cost no quota, so asking again goes on where the quota ended."
            ),
            is_page=True, takes={"multipart/form-data": _form(sizes)},
        ),
    )  # fmt: skip


def _form(sizes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["key"],
        "additionalProperties": False,
        "properties": {
            "key": _TEXT,
            "list": _TEXT | {"description": "One identifier per line, its title behind it; or a table."},
            "file": {"type": "string", "format": "binary", "description": "The same as a file."},
            "as": {"type": "string", "enum": ["gallery", "zip", "sheet"]},
            "size": {"type": "string", "enum": [*sizes]},
            "paper": {"type": "string", "enum": [*PAPERS]},
            "per_page": {"type": "integer", "minimum": PER_PAGE[0], "maximum": PER_PAGE[-1]},
            "part": {"type": "integer", "minimum": 1, "maximum": MOST_ITEMS // MOST_AT_ONCE},
        },
    }

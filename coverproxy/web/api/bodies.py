"""What addresses take as JSON, as schemas: each says what its handler refuses, so that a check can tell."""

from typing import Any

from coverproxy.domain.report import DECIDED, ReportReason
from coverproxy.web.bodies import MAX_FORM_FIELDS

TEXT: dict[str, Any] = {"type": "string"}

_MAIL = r'^([^\s@<>,;"]+@[^\s@<>,;"]+)?$'

FORM: dict[str, Any] = {"type": "object", "maxProperties": MAX_FORM_FIELDS, "additionalProperties": TEXT}
"""A form's fields, each of them once: the handlers say in words what they lack."""


def _object(required: list[str], others: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return an object's schema. *others*: the schema of further fields; anything without it."""
    told: dict[str, Any] = {"type": "object", "required": required, "properties": fields}
    return told if others is None else told | {"additionalProperties": others}


REPORT = _object(
    ["reason"], TEXT,
    reason={"type": "string", "enum": [each.value for each in ReportReason]},
    text={"type": "string", "description": "Its first 1000 characters count."},
    mail={"type": "string", "maxLength": 254, "pattern": _MAIL},
)  # fmt: skip
"""A reader's report, as web/pages/report.py reads it."""

DECISION = _object(["state"], state={"type": "string", "enum": [each.value for each in DECIDED]}, note=TEXT)
"""An administrator's decision about a report, as web/reports_api.py reads it."""

_ACTS = ["pin", "unpin", "hide", "restore", "remove", "approve", "undo"]

ACT = _object(
    ["act"], act={"type": "string", "enum": _ACTS}, note=TEXT,
    digest={"type": "string", "pattern": "^([0-9a-f]{2,32})?$"},
    number={"type": "integer", "minimum": 1, "maximum": 2**62 - 1},
)  # fmt: skip
"""A decision about an original, as web/originals_api.py reads it."""

BY_URL = _object(["url"], TEXT, url={"type": "string", "format": "uri", "minLength": 1})
"""A picture's address. Further fields are details of the picture, as in the query of PUT."""

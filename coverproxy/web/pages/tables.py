"""Lists of pages as CSV, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence

from aiohttp import web

from coverproxy.web.pages.page import HEADERS

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> web.Response:
    """Answer with a table as a file to save."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    headers = HEADERS | {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}.csv"',
    }
    return web.Response(headers=headers, body=text.getvalue().encode())


def _cell(value: object) -> object:
    """Return a value as it is written: what strangers typed must be no formula in a spreadsheet (OWASP)."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value

"""Presets: public services that give covers by ISBN, with their URL and how they say "none"."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # https://openlibrary.org/dev/docs/api/covers. Without default=false a missing one is a 1x1 GIF with 200.
    # Larger ones redirect to archive.org, twice. Their robots.txt asks for one page in 5 s, but people who
    # look at a result page are not robots, and 400 requests a minute are allowed, all of them at once.
    "openlibrary": {
        "url": "https://covers.openlibrary.org/b/isbn/{isbn13}-L.jpg?default=false",
        "requests_per_second": 2.0,
    },
    # Terms: storing is not allowed. zoom=1 is the front cover, 0 and 2 to 6 can be an inside page. Its two
    # "image not available" pictures are known by MD5 (calibre's list).
    "googlebooks": {
        "url": "https://books.google.com/books/content"
        "?vid=ISBN{isbn13}&printsec=frontcover&img=1&zoom=1&source=gbs_api",
        "missing_hashes": ["0de4383ebad0adad5eeb8975cd796657", "a64fa89d7ebc97075c1d363fc5fea71f"],
        "missing_under_bytes": 1000,
        "requests_per_second": 1.0,
        "burst": 20,
        "concurrency": 4,
        "keep": "never",
    },
    # Our own URL shape, so that one coverproxy can stand before another: with default=404 its errors are
    # statuses, so "try again" differs from "none". LibraryThing's own service says "none" with a 1x1 GIF, and
    # sometimes with a redirect to a page. Its terms: one request a second.
    "librarything": {
        "url": "https://covers.librarything.com/devkey/{env:LIBRARYTHING_KEY}/large/isbn/{isbn13}?default=404",
        "missing_statuses": [400, 404, 410],
        "missing_redirects": ["coverthing404"],
        "missing_under_px": 10,
        "requests_per_second": 1.0,
        "burst": 20,
        "concurrency": 4,
    },
    # https://openbd.jp. Terms: pictures must not be cropped; we never crop.
    "openbd": {
        "url": "https://cover.openbd.jp/{isbn13}.jpg",
        "requests_per_second": 2.0,
        "burst": 20,
        "concurrency": 4,
    },
}
"""By name. Keys that an operator writes beside `preset` override it."""

"""Services that give covers by ISBN, as settings of a source: how each is asked, and how it says "none"."""

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    # https://openlibrary.org/dev/docs/api/covers. Without default=false a missing one is a 1x1 GIF with 200.
    # Larger ones are redirected to archive.org, twice. Their site asks robots for one page in 5 s; people
    # who look at a result page are no robots, and 400 a minute are let through.
    "openlibrary": {
        "url": "https://covers.openlibrary.org/b/isbn/{isbn13}-L.jpg?default=false",
        "requests_per_second": 2.0,
        "timeout_seconds": 8.0,
    },
    # Terms: not to be stored. zoom=1 is the front cover, 0 and 2 to 6 can be an inside page. Its two "image
    # not available" pictures are known by MD5 (calibre's list).
    "googlebooks": {
        "url": "https://books.google.com/books/content"
        "?vid=ISBN{isbn13}&printsec=frontcover&img=1&zoom=1&source=gbs_api",
        "missing_hashes": ["0de4383ebad0adad5eeb8975cd796657", "a64fa89d7ebc97075c1d363fc5fea71f"],
        "missing_under_bytes": 1000,
        "requests_per_second": 1.0,
        "keep": "never",
    },
    # The shape that this service has itself, so that one can stand before another: with default=404 its
    # errors are statuses, and "ask again" is told from "none". LibraryThing's own says "none" with a 1x1
    # GIF, at times by leading to a page. Its terms: one request a second.
    "librarything": {
        "url": "https://covers.librarything.com/devkey/{env:LIBRARYTHING_KEY}/large/isbn/{isbn13}?default=404",
        "missing_statuses": [400, 404, 410],
        "missing_redirects": ["coverthing404"],
        "missing_under_px": 10,
        "requests_per_second": 1.0,
    },
    # https://openbd.jp. Terms: pictures are not to be cropped, and none is.
    "openbd": {
        "url": "https://cover.openbd.jp/{isbn13}.jpg",
        "requests_per_second": 2.0,
    },
}
"""By name. Whatever an operator writes beside `preset` wins over it."""

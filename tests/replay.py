"""Requests of real clients, and the rules by which each decides what it got, for tests that replay them."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO

import orjson
from conftest import BROWSER, Got, Running
from lxml import etree
from PIL import Image

from coverproxy.domain import isbn

BOOK = isbn.parse("014143984X").isbns[0]
"""It has a cover, and an ISBN-10 that ends in X: some clients strip that."""

PERL = {"User-Agent": "libwww-perl/6.36"}
K = "/devkey/{k}"

MAGIC = "fc94fb0c3ed8a8f909dbc7630a0987ff"
"""The MD5 of the placeholder that Evergreen's ChiliFresh module compares."""

Fill = Callable[[str], str]
Says = Callable[[Got, Fill], bool]


def sides(got: Got) -> tuple[int, int]:
    """What getimagesize() says; nothing where the bytes are not a picture."""
    try:
        return Image.open(BytesIO(got.body)).size
    except OSError:
        return 0, 0


def more_than_a_pixel(got: Got, _: Fill) -> bool:
    """VuFind, Koha's Amazon pages and Aspen: a picture of more than one pixel, and no error."""
    return got.status < 300 and min(sides(got)) >= 2


def longer_than(least: int) -> Says:
    """Clients that go by the length in the head."""
    return lambda got, _: got.status == 200 and int(got.headers.get("Content-Length", 0)) > least


def is_ok(got: Got, _: Fill) -> bool:
    """Clients for which 200 is a cover and 404 is none."""
    return got.status == 200


def opens(got: Got, _: Fill) -> bool:
    """BookWyrm: whatever is not refused and opens as a picture is kept."""
    return got.status < 400 and min(sides(got)) > 0


def no_magic(got: Got, _: Fill) -> bool:
    """Evergreen's ChiliFresh module."""
    return got.status == 200 and hashlib.md5(got.body, usedforsecurity=False).hexdigest() != MAGIC


def has(*way: str | int) -> Says:
    """JSON, or JSON in a script read as VuFind reads it, that has something behind these names."""

    def says(got: Got, fill: Fill) -> bool:
        found = re.fullmatch(r"[^{]*({.*})[^}]*", got.body.decode(), re.DOTALL)
        assert got.status == 200, got
        assert found, got
        told = orjson.loads(found[1])
        try:
            for name in way:
                told = told[fill(name) if isinstance(name, str) else name]
        except (KeyError, IndexError):
            return False
        return str(told).startswith("http")

    return says


def has_record(got: Got, fill: Fill) -> bool:
    """Evergreen looks up the key that it asked with, and takes the first record's cover."""
    records = orjson.loads(got.body).get(fill("isbn:{i}"), {}).get("records", {})
    return got.status == 200 and any(each["data"]["cover"]["small"] for each in records.values())


def has_page(got: Got, _: Fill) -> bool:
    """VuFind goes on only where the index names the page."""
    return got.status == 200 and etree.fromstring(got.body).findtext("MC") == "MC.GIF"


def has_address(got: Got, _: Fill) -> bool:
    """bookcover-api's and openBD's answers name an address, or are none."""
    return got.status == 200 and b'":"http' in got.body


def is_jpeg_by_name(got: Got, _: Fill) -> bool:
    """calibre-web compares the type for equality."""
    return got.status == 200 and got.headers["Content-Type"] in ("image/jpeg", "image/jpg")


def has_total(got: Got, _: Fill) -> bool:
    """Readarr reads the length behind the slash of Content-Range."""
    return got.status == 206 and int(got.headers["Content-Range"].rpartition("/")[2]) > 2048


def is_picture_for_axios(got: Got, _: Fill) -> bool:
    """A program that goes by status, type and length."""
    return got.status == 200 and got.headers["Content-Type"].startswith("image/") and len(got.body) > 1000


@dataclass(frozen=True)
class Row:
    """A client's request; `path` has {i} for an ISBN-13, {t} for the ISBN-10, {k} for the key.

    `is_front`: a web server in front answers it without the app, once the cover is made.
    """

    client: str
    path: str
    is_cover: Says = more_than_a_pixel
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_front: bool = False


def filling(key: str, thirteen: str) -> Fill:
    """What a client puts into its template for a book."""
    ten = isbn.to_isbn10(thirteen) or ""
    hyphens = f"{thirteen[0]}-{thirteen[1:8]}-{thirteen[8:]}"
    values = {"k": key, "i": thirteen, "t": ten, "n": ten.rstrip("X"), "h": hyphens}
    return lambda text: re.sub(r"\{([kitnh])\}", lambda found: values[found[1]], text)


async def played(server: Running, row: Row, base: str, book: str) -> tuple[Got, bool]:
    """Ask as a client does, and decide as it does."""
    fill = filling(server.key.name, book)
    headers = {**({} if row.headers else BROWSER), **row.headers}
    url = base + fill(row.path)
    request = server.client.request(row.method, url, headers=headers, allow_redirects=False)
    async with request as response:
        got = Got(response.status, response.headers, await response.read())
    return got, row.is_cover(got, fill)

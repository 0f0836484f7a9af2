"""The addresses whose hits nginx serves, as expressions: a pure function from the config to text."""

import re
from typing import Any, NamedTuple

from coverproxy.config import Config, ShapeName
from coverproxy.domain import schemes
from coverproxy.domain.api_key import KEY_PREFIX, NAME_PATTERN
from coverproxy.domain.formats import ENDINGS

_SHARDS = "(?<coverproxy_a>[0-9]{2})(?<coverproxy_b>[0-9]{2})"
_NOT_MUSIC = "(?!9790[0-9]{9})"
_ISBN = f"(?<coverproxy_isbn>{_NOT_MUSIC}(?:97[89])?[0-9]{{5}}{_SHARDS}[0-9X])"
_BAR_CODE = "[0-9]{13}"
_ISMN = f"(?<coverproxy_isbn>9790[0-9]{{4}}{_SHARDS}[0-9])"

_OPENLIBRARY = rf"/b/(?:isbn|ISBN|id(?=/{_BAR_CODE}-))/{_ISBN}"
_AMAZON = rf"/images/P/{_ISBN}(?:\.[0-9]{{2}})?"
_OPENBD = rf"/(?={_BAR_CODE}\.){_ISBN}(?<coverproxy_mark>\.)jpg\z"

_SHAPES: tuple[tuple[ShapeName, str], ...] = (
    ("openlibrary", rf"{_OPENLIBRARY}-(?<coverproxy_mark>[SMLsml])\.jpg\z"),
    (
        "amazon",
        rf"{_AMAZON}(?:\.(?=(?:THUMBZ+|[TML]Z+|_SC[TMLZR][A-Z]*_)\.)"
        r"(?:_SC)?(?<coverproxy_mark>[TMLZR])[A-Z_]*)?\.(?:jpg|gif)\z",
    ),
    ("openbd", _OPENBD),
)
"""Other services' addresses, after the key, whose hits nginx serves: plain spellings only."""

_OF_ONE_SIZE: tuple[tuple[ShapeName, str, str], ...] = (
    ("openlibrary", rf"{_OPENLIBRARY}-[Mm]\.jpg\z", "medium"),
    ("amazon", rf"{_AMAZON}(?:\.(?:MZ+|_SCM[A-Z]*_))?\.(?:jpg|gif)\z", "medium"),
    ("openbd", _OPENBD, "large"),
)
"""Those of them that are asked for most, with their size, which need not be found then."""

_OTHERS = (
    ("isbn", rf"(?:isbn|asin|(?:ean|upc)(?=/{_BAR_CODE}))/{_ISBN}"),
    (schemes.ISMN, rf"(?:isbn|ean|upc|asin)/{_ISMN}"),
)
"""Own addresses, below the size, that mean another scheme's identifier: most bar codes are ISBNs."""

_CONTENT_LOCATION = """
        add_header Content-Location "/devkey/%s/%s/isbn/%s";"""


class KnownAddress(NamedTuple):
    """An address of an ISBN whose format is known before it is read, so that groups may go by number.

    *name*: of its location. *pattern*: of the whole path; `%s` is where an ending may stand. *at* and *file*:
    the path in the cache before the format and after it, without the ending. *location*: a header.
    """

    name: str
    shape: str
    pattern: str
    at: str
    file: str
    location: str = ""


def addresses(config: Config) -> dict[str, Any]:
    """Return what the expressions of addresses are made from."""
    table = config.size_table
    endings = [(ending, form.value) for ending, form in ENDINGS.items() if form in config.formats.enabled]
    sizes = "|".join(sorted([*table.sizes, *table.aliases]))
    key = _key(config, is_logged=True)
    return {
        "endings": endings,
        "ending_pattern": "|".join(ending for ending, _ in endings),
        "keyed": key,
        "sized": f"^/devkey/(?<coverproxy_at>{key}/(?<coverproxy_size>{sizes}))/",
        "schemes": "|".join((*schemes.ALL, *schemes.ALIASES, f"{schemes.LOCAL}{schemes.AGENCY}")),
        "canonical": _canonical(),
        "isbn": _ISBN,
        "others": _OTHERS,
        "shapes": [(name, pattern) for name, pattern in _SHAPES if name not in config.shapes.off],
        "known_addresses": _known_addresses(config, sizes),
        "content_location": _CONTENT_LOCATION
        % ("$coverproxy_key", "$coverproxy_shape_size", "$coverproxy_isbn"),
    }


def _key(config: Config, *, is_logged: bool) -> str:
    """Return the expression of a key, with what an access log needs: its start, and what follows it."""
    key = f"(?<coverproxy_key>(?>{NAME_PATTERN}))" if is_logged else f"({NAME_PATTERN})"
    if not config.front.access_log:
        return key
    return f"(?=(?<coverproxy_four>(?:{KEY_PREFIX})?.{{4}})){key}(?=(?<coverproxy_after>/.*))"


def _known_addresses(config: Config, sizes: str) -> list[KnownAddress]:
    """Return the addresses of known format, the most wanted first.

    Names cost a hit a tenth of its time, so only those are in them that a log needs.
    """
    is_logged = bool(config.front.access_log or config.front.downloads_log)
    key, before = _key(config, is_logged=is_logged), 2 if config.front.access_log else 0
    if is_logged:
        own, first = f"({key}/(?<coverproxy_size>{sizes}))", before + 4
    else:
        own, first = f"({NAME_PATTERN}/(?:{sizes}))", 2
    found = [
        KnownAddress("isbn", "librarything", f"^/devkey/{own}/isbn/{_ISBN}%s\\z", "$1", _file(first)),
        *(
            _of_shape(f"{shape}-{size}", shape, f"^/devkey/{key}{pattern}", size, before)
            for shape, pattern, size in _OF_ONE_SIZE
        ),
        *(
            _of_shape(f"{shape}-known", shape, f"^/devkey/{key}{pattern}", "$coverproxy_shape_size", before)
            for shape, pattern in _SHAPES
            if pattern != _OPENBD
        ),
    ]
    return [
        each._replace(pattern=re.sub(r"\?<coverproxy_(?:isbn|a|b)>", "", each.pattern))
        for each in found
        if each.shape not in config.shapes.off
    ]


def _of_shape(name: str, shape: str, pattern: str, size: str, before: int) -> KnownAddress:
    key, isbn = (f"${2 if before else 1}", before + 2)
    location = _CONTENT_LOCATION % (key, size, f"${isbn}")
    return KnownAddress(name, shape, pattern, f"{key}/{size}", _file(isbn), location)


def _file(isbn: int) -> str:
    """Return the path below a scheme by numbered groups: the number's, and the two after it."""
    return f"${isbn + 1}/${isbn + 2}/${isbn}"


def _canonical() -> str:
    """Return the expression for every canonical identifier that is not an ISBN, as `scheme/value`."""
    own = f"{schemes.LOCAL}{schemes.AGENCY}/{schemes.PLAIN_LOCAL}"
    others = (
        f"{scheme.name}/(?:{scheme.pattern})"
        for scheme in schemes.ALL.values()
        if scheme.name != schemes.ISBN
    )
    return "|".join((*others, own))


DOWNLOAD_SHAPES = sorted({"librarything", *(name for name, _ in _SHAPES)})
"""The forms of address by which downloads are counted."""

"""The size that a request asks for: by its name in the path, and by pixels."""

import re
from collections.abc import Mapping

from aiohttp import web

from coverproxy.config import SizeTable
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import NoSuchSize
from coverproxy.web.app_keys import NAMED_SIZES, SIZES

MOST_WISHED = 9999
"""A larger number of pixels, or an invalid one, is ignored: the size in the path counts."""

_SHARP = re.compile(r"(.+)@([123])x")
_PX = re.compile("[1-9][0-9]{0,3}")
_WIDTH = re.compile(f"w({_PX.pattern})")


def sizes_for(request: web.Request, key: Key) -> SizeTable:
    """Return the sizes that a key may use: all, or only the named ones of the config."""
    return request.app[NAMED_SIZES if key.named_sizes_only else SIZES]


def asked(table: SizeTable, name: str, query: Mapping[str, str]) -> tuple[str, bool]:
    """Return the size on disk for `medium`, `medium@2x` or `w320` and `?w= ?h= ?dpr=`.

    And whether it was chosen by pixels, which lead to the next rung that is not smaller: `w300` to w320.
    Raises NoSuchSize.
    """
    sharp = _SHARP.fullmatch(name)
    plain, factor = (sharp[1], int(sharp[2])) if sharp else (name, 1)
    size = table.named(plain)
    width = _WIDTH.fullmatch(plain) if size is None else None
    if size is None and width is None:
        raise NoSuchSize(name, (*table.sizes, *table.aliases))
    factor = max(factor, min(_px(query.get("dpr", "")), 3))
    wished = [_px(query.get(side, "")) for side in ("w", "h")]
    if width and not any(wished):
        wished[0] = int(width[1])
    if size is None or any(wished):
        return table.snapped(*(px * factor for px in wished)), True
    if factor == 1:
        return (size, False) if (given := table.given(size)) == size else (given, True)
    box = table.sizes[size]
    sharp_size = table.snapped(box.width * factor, box.height * factor)
    is_smaller = table.sizes[sharp_size].width < box.width  # nothing larger than this one
    return (table.given(size) if is_smaller else sharp_size), True


def _px(text: str) -> int:
    return int(text) if _PX.fullmatch(text) else 0

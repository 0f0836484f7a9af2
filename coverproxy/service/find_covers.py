"""Finds which of many books have a cover: here, or at the sources within some seconds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from coverproxy.domain.errors import Busy, NoCover, Pending, Unavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Wanted
from coverproxy.imaging.render_pool import INTERNAL
from coverproxy.originals.aliases import AliasStore
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.maker import DerivativeMaker

MOST_ASKED = 100
"""Most books of one request that sources are asked for: more than any result page has."""

AT_ONCE = 16
"""Of these at a time: one request must not occupy the whole queue (`asking.queue`)."""


@dataclass(frozen=True, slots=True)
class Sought:
    """The result: by the requested text, the original of its cover.

    `is_settled`: whether "none" is final for all others, or only for now.
    """

    found: Mapping[str, Original]
    is_settled: bool = True


def here(maker: DerivativeMaker, aliases: AliasStore, wanted: Mapping[str, Wanted]) -> dict[str, Original]:
    """Return the best local original of each book, under the name to report. Blocks.

    That is the requested ISBN, else the item's name: by links, an OCLC number can be an ISBN.
    """
    found: dict[str, Original] = {}
    for text, each in wanted.items():
        try:
            book = maker.choose(each.reading)
            name = book if book.scheme == ISBN else aliases.item(book)
            found[text] = replace(maker.originals(book)[0], identifier=name)
        except NoCover:
            continue
    return found


async def ask(fetcher: OriginalFetcher, wanted: Mapping[str, Wanted], within: float) -> bool:
    """Ask the sources for books; return whether all of them have answered.

    Answers after *within* seconds are still ingested, for the next request.
    """
    if not wanted or not fetcher.has_sources:
        return True
    places = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()
    end = loop.time() + within

    async def one(each: Wanted) -> bool:
        async with places:
            left = end - loop.time()
            return left > 0 and await _is_answered(fetcher, each, left)

    asked = list(wanted.values())[:MOST_ASKED]
    return all(await asyncio.gather(*map(one, asked))) and len(asked) == len(wanted)


async def _is_answered(fetcher: OriginalFetcher, wanted: Wanted, within: float) -> bool:
    try:
        await fetcher.choose(wanted.reading, INTERNAL, within)
    except NoCover:
        return True
    except (Busy, Pending, Unavailable):
        return False
    return True

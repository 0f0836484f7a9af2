"""Which of many books have a cover: what is here, and what the sources say within some seconds."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from coverproxy.domain.errors import Busy, NoCover, Pending, Unavailable
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Wanted
from coverproxy.imaging.render_pool import INTERNAL
from coverproxy.service.covers import Covers

MOST_ASKED = 100
"""Books of one question that the sources are asked for: more than any result page has."""

AT_ONCE = 16
"""Of these at a time: one question must not take the places of all others (`asking.queue`)."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What was found: by the text that asked for it, the original that its cover is made from.

    `is_settled`: whether "none" is an answer for all others, or only for now.
    """

    found: Mapping[str, Original]
    is_settled: bool = True


def here(covers: Covers, wanted: Mapping[str, Wanted]) -> dict[str, Original]:
    """Return the best original of each book that has one here, under the name to tell of it by. Blocks.

    That is the ISBN that asked, else what the item is called: links make an ISBN of many an OCLC number.
    """
    found: dict[str, Original] = {}
    for text, each in wanted.items():
        try:
            book = covers.maker.choose(each.reading)
            name = book if book.scheme == ISBN else covers.catalogue.aliases.item(book)
            found[text] = replace(covers.maker.originals(book)[0], identifier=name)
        except NoCover:
            continue
    return found


async def ask(covers: Covers, wanted: Mapping[str, Wanted], within: float) -> bool:
    """Ask the sources for books; return whether they have said all that they will.

    What comes later than *within* seconds comes in all the same, for the next who asks.
    """
    if not wanted or not covers.asking.chain.gates:
        return True
    places = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()
    end = loop.time() + within

    async def one(each: Wanted) -> bool:
        async with places:
            left = end - loop.time()
            return left > 0 and await _is_answered(covers, each, left)

    asked = list(wanted.values())[:MOST_ASKED]
    return all(await asyncio.gather(*map(one, asked))) and len(asked) == len(wanted)


async def _is_answered(covers: Covers, wanted: Wanted, within: float) -> bool:
    try:
        await covers.asking.choose(wanted.reading, INTERNAL, within)
    except NoCover:
        return True
    except (Busy, Pending, Unavailable):
        return False
    return True

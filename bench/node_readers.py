"""Who asks the nodes of `bench nodes`, and judges what they answer."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from bench import books
from bench.node import Node
from bench.node_books import Stock
from coverproxy.domain.formats import Format, dimensions

AT_ONCE = 16
SIZE = "small"
_PATIENCE_SECONDS = 60
_KNOWN_SECONDS = 5.0
"""How long a new key may take until it works everywhere."""


@dataclass
class Seen:
    """What was answered: labels, each book's first bytes, the books made, and what should not be."""

    labels: Counter[str] = field(default_factory=Counter)
    bodies: dict[int, bytes] = field(default_factory=dict)
    made: set[int] = field(default_factory=set)
    torn: int = 0
    wrong: int = 0
    made_again: int = 0
    made_again_while_cut: int = 0
    is_cut: bool = False

    def take(self, number: int, label: str, body: bytes, *, was_there: bool, is_charged: bool) -> None:
        """Judge an answer. `was_there`: the object store had this cover when it was asked for."""
        self.labels[label] += 1
        if label not in ("made", "hit"):
            return
        self.torn += not dimensions(body, Format.JPEG)
        self.wrong += self.bodies.setdefault(number, body) != body
        if label == "made":
            if is_charged:
                self.made.add(number)
            self.made_again += was_there and not self.is_cut
            self.made_again_while_cut += was_there and self.is_cut


class Asking:
    """Asks any of some nodes, AT_ONCE at a time."""

    def __init__(self, stock: Stock, chance: random.Random) -> None:
        self._stock, self._chance = stock, chance
        self.seen = Seen()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Asking"]:
        """Open its connections."""
        patience = aiohttp.ClientTimeout(_PATIENCE_SECONDS)
        async with aiohttp.ClientSession(headers={"Sec-Fetch-Dest": "image"}, timeout=patience) as client:
            self.client = client
            yield self

    async def ask(self, nodes: Sequence[Node], numbers: Iterable[int], key: str = "") -> float:
        """Ask for books, each at any of the nodes; return how many seconds it took."""
        started, waiting = time.monotonic(), iter(numbers)

        async def one_reader() -> None:
            for number in waiting:
                await self._ask(self._chance.choice(nodes), number, key)

        await asyncio.gather(*(one_reader() for _ in range(AT_ONCE)))
        return time.monotonic() - started

    async def _ask(self, node: Node, number: int, key: str) -> None:
        was_there = number in self._stock.objects.covers
        label, body = await self._got(node, number, key or self._stock.key)
        self.seen.take(number, label, body, was_there=was_there, is_charged=not key)

    async def _got(self, node: Node, number: int, key: str) -> tuple[str, bytes]:
        path = f"/devkey/{key}/{SIZE}/isbn/{books.isbn(number)}"
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.client.get(node.url + path) as answer:
                return answer.headers.get("X-Cover-Status", "none"), await answer.read()
        return "no answer", b""

    async def refused(self, nodes: Sequence[Node], keys: Iterable[str]) -> int:
        """Return how many keys do not work at one of the nodes, a while after they were made."""
        lost, deadline = 0, time.monotonic() + _KNOWN_SECONDS
        for key in keys:
            for node in nodes:
                while (await self._got(node, 0, key))[0] != "hit":
                    if time.monotonic() > deadline:
                        lost += 1
                        break
                    await asyncio.sleep(0.2)
        return lost

"""Asks several sources for one cover, one after the other or all at once, keeping answers apart."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from coverproxy.domain.spec import Identifier
from coverproxy.sources.base import Answer, Fetched, SourceUnavailable
from coverproxy.sources.limits import LimitedSource

T = TypeVar("T")

Take = Callable[[str, Fetched], Awaitable[T | None]]
"""Ingests what a source (by name) returned; None if it is not a cover: then the source has none."""


@dataclass(frozen=True, slots=True)
class ChainOutcome(Generic[T]):
    """The result of asking. Without `found` there is no cover, but only if `silent` is empty.

    `silent`: the sources that were unavailable; `waits`: the seconds that some of those asked us to wait.
    """

    found: T | None = None
    silent: tuple[str, ...] = ()
    waits: Mapping[str, float] = field(default_factory=dict)


class Chain:
    """The sources, the preferred one first."""

    def __init__(self, gates: Sequence[LimitedSource], *, side_by_side: bool) -> None:
        self.gates = tuple(gates)
        self._is_side_by_side = side_by_side

    @property
    def expected_wait(self) -> float:
        """Seconds that one more book will take at least, as its sources' queues say."""
        return min((gate.expected_wait for gate in self.gates), default=0.0)

    async def ask(
        self, identifier: Identifier, take: Take[T], paused: Mapping[str, float] | None = None
    ) -> ChainOutcome[T]:
        """Ask until a source has a cover that *take* accepts; of several, the most preferred source's wins.

        *paused*: remaining seconds to wait for sources, by name.
        """
        paused = paused or {}
        start = {
            gate.name: partial(gate.fetch, identifier, None, paused.get(gate.name, 0.0))
            for gate in self.gates
        }
        at_once = self.gates if self._is_side_by_side else ()
        running = {gate.name: asyncio.ensure_future(start[gate.name]()) for gate in at_once}
        silent: list[str] = []
        waits: dict[str, float] = {}
        try:
            for name in start:
                try:
                    answer = await (running.get(name) or start[name]())
                except SourceUnavailable as exc:
                    silent.append(name)
                    if exc.retry_after is not None:
                        waits[name] = exc.retry_after
                    continue
                if isinstance(answer, Fetched) and (found := await take(name, answer)) is not None:
                    return ChainOutcome(found, tuple(silent), waits)
        finally:
            await _end(running.values())
        return ChainOutcome(None, tuple(silent), waits)

    async def aclose(self) -> None:
        """Close all sources."""
        for gate in self.gates:
            await gate.aclose()


async def _end(tasks: Collection[asyncio.Future[Answer]]) -> None:
    """Cancel pending requests and wait for their end, so that their connections are returned."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

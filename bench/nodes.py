"""What is wrong, torn, lost or made twice when nodes share a PostgreSQL and an object store, and all suffer?

    python -m bench nodes [--covers DIR] [--popularity TSV] [--books 400] [--kills 20] [--seed 1]

Three `coverproxy serve` processes with data folders and nginxes of their own, a PostgreSQL that this starts,
and the S3 server of the tests in this process. New covers are asked of one node, then of all three; then
3,000 of a key that has 300. Then books are asked for by popularity at any node, 16 at a time, while nodes are
killed (SIGKILL, --kills times), PostgreSQL crashes and comes back, and one node is cut off from PostgreSQL,
another from the object store, without a word, for some seconds each. At the end every book is asked for once
more, and an empty fourth node is asked for all.

Wrong: other bytes than the first answer of that book. Lost: a book that is not served at the end, a key that
was made meanwhile and does not work everywhere, a cover that was made and is not counted. Made again: made
although the object store had it when it was asked for; those that a node made while it was cut off from the
store are told apart. Everything shares the cores: figures compare within a run only. Exits with 1 where any
of this does not hold.
"""

import asyncio
import contextlib
import importlib
import random
import sys
import time
from pathlib import Path
from typing import Any

import click

from bench import command, node_books, readers, report, scratch, serve
from bench.node import Node
from bench.node_books import LIMIT, TAKES, Stock
from bench.node_readers import AT_ONCE, Asking

NEW = 200
"""New covers that one node is asked for, and then all."""

CUT_SECONDS = 6.0
TESTS = Path(__file__).parents[1] / "tests"


@command.command(__name__, __doc__)
@command.covers
@click.option(
    "--popularity", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TSV: ISBN, count."
)
@click.option("--books", "count", type=click.IntRange(20, 100_000), default=400, show_default=True)
@click.option("--kills", type=click.IntRange(0, 1000), default=20, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@command.out
def main(covers: Path | None, popularity: Path | None, count: int, kills: int, seed: int, out: Path) -> None:
    """Start everything, have it suffer, and tell what was found."""
    sys.path.insert(0, str(TESTS))
    postgres = importlib.import_module("postgres_server")
    weights = readers.counted(popularity, count) if popularity else readers.zipf(count)
    try:
        with scratch.folder() as name, postgres.cluster_of_its_own() as cluster:
            stock = Stock(Path(name), covers, len(weights), 2 * NEW)
            figures = asyncio.run(_Run(stock, cluster, weights, kills, seed).all())
    except serve.Skipped as exc:
        raise click.ClickException(str(exc)) from exc
    report.show(figures)
    settings: dict[str, Any] = {"books": count, "kills": kills, "seed": seed, "at_once": AT_ONCE, "nodes": 3}
    settings |= {"covers": "real" if covers else "drawn", "popularity": "real" if popularity else "Zipf"}
    print(report.write("nodes", settings, figures, out))
    sys.exit(0 if figures["holds"] else 1)


class _Run:
    """One run."""

    def __init__(self, stock: Stock, cluster: Any, weights: list[float], kills: int, seed: int) -> None:
        self._stock, self._cluster, self._kills = stock, cluster, kills
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._weights = weights
        self._nodes = [Node(stock.folder / f"node{number}") for number in range(4)]

    async def all(self) -> dict[str, Any]:
        """Do everything; return the figures."""
        ways = importlib.import_module("cut_proxy").CutProxy
        async with contextlib.AsyncExitStack() as stack:
            s3 = await stack.enter_async_context(importlib.import_module("s3_server").running())
            self._stock.objects = s3.objects = node_books.Noted()
            s3_port = int(s3.url.rpartition(":")[2])
            self._database = stack.enter_context(ways(self._cluster.port))
            self._objects = stack.enter_context(ways(s3_port))
            env = node_books.environment(self._cluster.new_database(), s3.url)
            self._env = [dict(env) for _ in self._nodes]
            cut = (
                ("COVERPROXY_STORE__URL", self._cluster.port, self._database.port),
                ("COVERPROXY_STORE__OBJECTS_ENDPOINT", s3_port, self._objects.port),
            )
            for its, (name, port, way) in zip(self._env, cut, strict=False):  # one node's way to each
                its[name] = env[name].replace(f":{port}", f":{way}")
            await asyncio.to_thread(self._stock.prepare, env)
            self._asking = await stack.enter_async_context(Asking(self._stock, self._chance).opened())
            for node in self._nodes:
                stack.push_async_callback(node.end)
                await asyncio.to_thread(node.begin)
            for node, its in list(zip(self._nodes, self._env, strict=True))[:3]:
                await node.start(its)
            return await self._phases()

    async def _phases(self) -> dict[str, Any]:
        stock, asking, nodes = self._stock, self._asking, self._nodes[:3]
        _tell("new covers")
        one = await asking.ask(nodes[2:], stock.new(0, NEW))
        three = await asking.ask(nodes, stock.new(NEW, 2 * NEW))
        _tell("a quota")
        quota = await self._quota(nodes)
        _tell("kills, a crash of the database, cuts")
        await self._suffer(nodes)
        _tell("every book")
        await asking.ask(nodes, range(stock.count))
        await self._written()
        counted = await asyncio.to_thread(stock.counted, stock.key)
        seen = asking.seen
        lost = stock.count - len(seen.bodies.keys() & set(range(stock.count)))
        _tell("an empty node")
        newcomer = await self._newcomer()
        again = await asyncio.to_thread(stock.counted, stock.key) - counted
        keys = await asking.refused(self._nodes, stock.others)
        made = len(seen.made)
        wrong = {
            "torn": seen.torn, "wrong": seen.wrong, "lost_books": lost + newcomer, "lost_keys": keys,
            "lost_counts": max(made - counted, 0), "counted_by_an_empty_node": again,
            "made_again": seen.made_again,
        }  # fmt: skip
        most = made + (self._kills + 1) * AT_ONCE + seen.made_again_while_cut
        return {
            "new_covers_per_second": {
                "one_node": round(NEW / one, 1), "three_nodes": round(NEW / three, 1),
                "ratio": round(one / three, 2),
            },
            "quota": quota, "answers": dict(seen.labels), "kills": [node.kills for node in nodes],
            "database_crashes": 1, "cuts_of_seconds": CUT_SECONDS, **wrong,
            "made_again_while_cut_off": seen.made_again_while_cut, "covers_made": made,
            "covers_counted": counted,
            "holds": not any(wrong.values()) and counted <= most and quota["passed"] == LIMIT,
        }  # fmt: skip

    async def _quota(self, nodes: list[Node]) -> dict[str, Any]:
        """Ask all nodes for more new covers than a key has; what passed must be its quota exactly."""
        before = self._asking.seen.labels["made"]
        seconds = await self._asking.ask(nodes, self._stock.takes(), self._stock.small)
        passed = self._asking.seen.labels["made"] - before
        counted = await asyncio.to_thread(self._stock.counted, self._stock.small)
        return {
            "takes": TAKES, "limit": LIMIT, "passed": passed, "counted": counted,
            "takes_per_second": round(TAKES / seconds),
        }  # fmt: skip

    async def _suffer(self, nodes: list[Node]) -> None:
        """Ask on while nodes are killed, the database crashes, and networks are cut."""
        asking = asyncio.ensure_future(self._asking.ask(nodes, self._popular()))
        try:
            for _ in range(self._kills):
                await asyncio.sleep(self._chance.uniform(0.2, 1.0))
                number = self._chance.randrange(3)
                await nodes[number].kill()
                await nodes[number].start(self._env[number])
            made = asyncio.to_thread(self._stock.make_another_key)
            await asyncio.gather(made, self._cut(self._database, nodes))
            await asyncio.to_thread(self._cluster.stop)
            await asyncio.sleep(2)
            await asyncio.to_thread(self._cluster.start)
            await self._ready(nodes)
            self._asking.seen.is_cut = True
            await self._cut(self._objects, nodes)
            self._asking.seen.is_cut = False
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    async def _cut(self, way: Any, nodes: list[Node]) -> None:
        """Cut a way silently for a while, and wait until all is well again."""
        way.fall_silent()
        await asyncio.sleep(CUT_SECONDS)
        await asyncio.to_thread(way.heal)
        await self._ready(nodes)

    async def _ready(self, nodes: list[Node]) -> None:
        deadline = time.monotonic() + 60
        while not all([await node.is_ready(self._asking.client) for node in nodes]):
            assert time.monotonic() < deadline, "a node did not recover"
            await asyncio.sleep(0.2)

    def _popular(self) -> Any:
        """Yield books by popularity, for ever."""
        while True:
            yield self._chance.choices(range(self._stock.count), cum_weights=self._weights)[0]

    async def _written(self) -> None:
        """Wait until the object store has all covers that were made."""
        deadline = time.monotonic() + 60
        while missing := set(range(self._stock.count)) - self._stock.objects.covers:
            assert time.monotonic() < deadline, f"not in the object store: {len(missing)} covers"
            await asyncio.sleep(0.2)

    async def _newcomer(self) -> int:
        """Ask an empty node for all books; return how many it did not have."""
        await self._nodes[3].start(self._env[3])
        before = self._asking.seen.labels["hit"]
        await self._asking.ask(self._nodes[3:], range(self._stock.count))
        return self._stock.count - (self._asking.seen.labels["hit"] - before)


def _tell(phase: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {phase}", file=sys.stderr, flush=True)

"""Covers made past the router: the answer, the errors and the counts are those that the router gives."""

import orjson
import pytest
from conftest import COVERED, UNCOVERED, Got, Running

from coverproxy.domain.spec import ISBN, Identifier

BOOK = Identifier(ISBN, COVERED)
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


def told(got: Got) -> dict[str, str]:
    """An answer's headers, but for those of the moment and of what the key has made."""
    moment = ("Date", "RateLimit", "X-RateLimit-Remaining")
    return {name: value for name, value in got.headers.items() if name not in moment}


@pytest.mark.parametrize("accept", ["*/*", CHROME])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_made_cover_says_what_the_router_says(server: Running, accept: str, method: str) -> None:
    """By our own address and by an odd spelling of it, which the router has to read: one answer."""
    made = []
    for path in (server.path(), server.path() + "/"):
        made.append(await server.get(path, method, Accept=accept))
        await server.covers.purge(BOOK)
    assert told(made[0]) == told(made[1])
    assert [each.cover for each in made] == ["made", "made"]
    assert made[0].body == made[1].body
    assert bool(made[0].body) == (method == "GET")
    assert [each.headers["X-RateLimit-Remaining"] for each in made] == ["999", "998"]
    registry = server.service.metrics.registry
    assert registry.get_sample_value("coverproxy_answers_total", {"status": "made"}) == 2
    assert registry.get_sample_value("coverproxy_answer_seconds_count", {"status": "made"}) == 2


async def test_refusals_are_the_routers(server: Running) -> None:
    """What cannot be made is told in every form that an address has for it."""
    strict = await server.new_key(strict=True)
    spent = await server.new_key(daily_limit=0)
    invalid = COVERED[:-1] + str((int(COVERED[-1]) + 1) % 10)
    answers = [
        await server.get(server.path(UNCOVERED)), await server.get(server.path(UNCOVERED, key=strict.name)),
        await server.get(server.path(key=spent.name)), await server.get(server.path(invalid)),
    ]  # fmt: skip
    assert [(each.status, each.cover) for each in answers] == [
        (200, "missing"), (404, "missing"), (200, "quota"), (200, "invalid"),
    ]  # fmt: skip
    problem = await server.get(server.path(key=spent.name), Accept="application/json")
    assert orjson.loads(problem.body)["code"] == "quota"

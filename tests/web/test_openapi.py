"""The OpenAPI document: it has every address and no other, and what it promises is kept."""

import asyncio
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from aiohttp import web
from conftest import Running, Start, configured

from coverproxy.stats.metrics import Metrics
from coverproxy.web.api import openapi
from coverproxy.web.api.addresses import addresses
from coverproxy.web.api.openapi import MADE
from coverproxy.web.app import build
from coverproxy.web.errors import TABLE
from coverproxy.web.shapes.table import not_allowed

IMPLIED = {"HEAD", "OPTIONS"}
"""Methods that every address has; the document says so once."""


def described(config_folder: Path) -> dict[tuple[str, str], str]:
    """Route pattern and method of each address in the document, with its path."""
    return {
        (each.route or each.path, each.method.upper()): each.path
        for each in addresses(configured(config_folder))
    }


def pattern(route: web.AbstractRoute) -> str:
    """A route's pattern as the code has it: the router itself keeps a regular expression only for some."""
    resource = route.resource
    assert resource is not None
    return getattr(resource, "_orig_path", resource.canonical)


def test_every_route_is_described_and_no_other(tmp_path: Path) -> None:
    """The application's routes and the document's addresses are the same set, method by method."""
    app = build(configured(tmp_path), Metrics())
    routes = {
        (pattern(route), route.method)
        for route in app.router.routes()
        if route.method not in IMPLIED and route.handler is not not_allowed
    }

    assert described(tmp_path).keys() == routes


def test_each_path_names_its_parameters(tmp_path: Path) -> None:
    """The {names} of a path are its path parameters, and each list of addresses has a method only once."""
    found = addresses(configured(tmp_path))

    for each in found:
        named = {parameter.name for parameter in each.parameters if parameter.place == "path"}
        assert named == set(re.findall(r"{([^}]*)}", each.path))
    assert len({(each.path, each.method) for each in found}) == len(found)


async def test_the_document_is_openapi_3_1(server: Running) -> None:
    """It is served as JSON, says its version, and no reference in it leads nowhere."""
    got = await server.get("/openapi.json", Accept_Encoding="identity")
    document = orjson.loads(got.body)

    assert (got.status, got.headers["Content-Type"]) == (200, "application/json")
    assert document["openapi"].startswith("3.1.")
    for reference in references(document):
        part = document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]


def references(part: object) -> list[str]:
    if isinstance(part, list):
        return [found for each in part for found in references(each)]
    if not isinstance(part, dict):
        return []
    own = [value for name, value in part.items() if name == "$ref" and isinstance(value, str)]
    return own + [found for value in part.values() for found in references(value)]


async def test_it_is_made_once_and_kept_in_both_forms(server: Running) -> None:
    """Two requests get the same bytes and tag; who takes gzip gets the kept copy, which has its own tag."""
    codings = ("identity, gzip;q=0", "br;q=1, GZIP;q=0.5")
    plain, small = [
        [await server.get("/openapi.json", Accept_Encoding=coding) for _ in range(2)] for coding in codings
    ]
    forms = server.app[MADE].forms

    assert forms is not None
    kept = forms[1]
    assert [each.body for each in small] == [kept.body] * 2
    assert small[0].headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain[0].headers
    assert [each.body for each in plain] == [gzip.decompress(kept.body)] * 2
    tags = [each.headers["ETag"] for each in (*plain, *small)]
    assert (tags[0], tags[2]) == (tags[1], tags[3])
    assert tags[0] != tags[2]
    assert {each.headers["Vary"] for each in (*plain, *small)} == {"Accept, Accept-Encoding"}
    again = await server.get("/openapi.json", Accept_Encoding="gzip", If_None_Match=tags[2])
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tags[2])
    assert (await server.get("/openapi.json", Accept_Encoding="gzip", If_None_Match=tags[0])).status == 200


def test_two_processes_make_the_same_bytes(tmp_path: Path) -> None:
    """What two workers make is alike, byte for byte: a client's tag fits whichever answers."""
    config = configured(tmp_path)

    assert openapi._made(config) == openapi._made(config)


async def test_it_follows_the_config(start: Start) -> None:
    """Sizes and formats in it are those of the config."""
    server = await start(
        sizes={"poster": {"width": 900, "height": 1200}}, formats={"avif": True, "webp": False}
    )
    document = orjson.loads((await server.get("/openapi.json", Accept_Encoding="identity")).body)
    cover = document["paths"]["/devkey/{key}/{size}/{scheme}/{value}"]["get"]
    size = next(each for each in cover["parameters"] if each["name"] == "size")

    assert size["schema"]["enum"][:6] == ["small", "medium", "large", "xlarge", "poster", "w60"]
    assert set(cover["responses"]["200"]["content"]) == {"image/jpeg", "image/avif", "image/gif"}


def test_a_cover_can_be_refused_as_the_table_says(tmp_path: Path) -> None:
    """Every status that the one table of errors has for a cover is described."""
    cover = next(each for each in addresses(configured(tmp_path)) if each.is_image)

    assert {TABLE[error].status for error in cover.refuses} == {400, 403, 404, 429, 503}


EXAMPLES = os.environ.get("COVERPROXY_TEST_EXAMPLES", "3")
"""How many requests are made up for an address; more take longer and find more."""


@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing,stateful"])
async def test_schemathesis_finds_nothing(server: Running, tmp_path: Path, phases: str) -> None:
    """Asked with examples, edge cases and made-up ones, the service answers as the document says."""
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(f'[parameters]\n"path.key" = "{server.key.name}"\n')
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run",
        f"{server.listeners.url}/openapi.json", "--phases", phases, "--max-examples", EXAMPLES, "--no-color",
        "--generation-deterministic",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path,
    )  # fmt: skip
    said, _ = await process.communicate()

    assert process.returncode == 0, said.decode().partition("= FAILURES =")[2][:6000]
    assert b" passed" in said

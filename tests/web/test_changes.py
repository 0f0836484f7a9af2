"""/devkey/KEY/changes: what programs read that keep covers for ever."""

import asyncio
import csv
from pathlib import Path
from typing import Any

import images
import pytest
from conftest import UNCOVERED, Running, take_in

from coverproxy.domain.decisions import Decision
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.web.app_keys import CURATOR

NAME = Identifier(ISBN, UNCOVERED)


@pytest.fixture
async def changed(server: Running, tmp_path: Path) -> Running:
    """A service in which a cover came, was replaced, hidden, restored, purged, chosen and removed."""
    for number, side in enumerate((300, 400)):
        folder = tmp_path / f"in{number}"
        folder.mkdir()
        (folder / f"{UNCOVERED}.jpg").write_bytes(images.jpeg(images.cover(side, side * 3 // 2)))
        await asyncio.to_thread(take_in, server.config, folder, "copy")
    curator, by = server.app[CURATOR], Decision("eva", 1)
    last = server.folder.catalogue.find(NAME)[-1].digest
    curator.hide(NAME, None, by)
    curator.restore(NAME, None, by)
    await server.covers.purge(NAME)
    curator.pin(NAME, last, by)
    curator.remove(NAME, None, by)
    return server


async def told(server: Running, query: str = "") -> dict[str, Any]:
    """The answer as JSON."""
    got = await server.client.get(f"{server.listeners.url}/devkey/{server.key.name}/changes{query}")
    assert got.status == 200
    found: dict[str, Any] = await got.json()
    return found


async def test_every_change_is_told_once(changed: Running) -> None:
    """Page by page, whatever the limit, each change comes once and in order; then there is nothing more."""
    whole = await told(changed)
    kinds = [each["kind"] for each in whole["changes"]]
    assert kinds[0] == "replaced"
    assert kinds[-1] == "removed"
    assert {"hidden", "restored", "purged"} <= set(kinds)
    assert {each["isbn13"] for each in whole["changes"]} == {UNCOVERED}
    assert [each["has_cover"] for each in whole["changes"]] == [
        each not in ("hidden", "removed") for each in kinds
    ]
    found, page = [], await told(changed, "?limit=1")
    while page["changes"]:
        found += page["changes"]
        page = await told(changed, f"?limit=1&since={page['next']}")
    assert found == whole["changes"]
    assert (page["more"], page["complete"], page["next"]) == (False, True, whole["next"])


async def test_changes_come_as_csv_too(changed: Running) -> None:
    """The same, with where to go on in the headers."""
    url = f"{changed.listeners.url}/devkey/{changed.key.name}/changes?format=csv&limit=2"
    got = await changed.client.get(url)
    rows = list(csv.DictReader((await got.text()).splitlines()))
    assert got.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["number"] for row in rows][-1] == got.headers["X-Changes-Next"]
    assert (got.headers["X-Changes-More"], got.headers["X-Changes-Complete"]) == ("1", "1")


async def test_a_number_of_another_catalogue_is_not_believed(changed: Running) -> None:
    """After a number that was never given one has to begin anew: so a restored backup shows."""
    found = await told(changed, "?since=999999")
    assert (found["complete"], found["changes"]) == (False, [])
    assert found["next"] == (await told(changed))["next"]
    assert (await told(changed, "?since=2000-01-01"))["changes"] == (await told(changed))["changes"]


@pytest.mark.parametrize("query", ["?since=x", "?since=-1", "?limit=0", "?limit=1001", "?format=xml"])
async def test_bad_questions_are_refused(server: Running, query: str) -> None:
    """The field is named, and what was expected."""
    got = await server.client.get(f"{server.listeners.url}/devkey/{server.key.name}/changes{query}")
    assert got.status == 400
    assert query[1:].partition("=")[0] in (await got.json())["detail"]


async def test_only_known_keys_read_changes(server: Running) -> None:
    """Without a key there is nothing to see."""
    got = await server.client.get(f"{server.listeners.url}/devkey/{'a' * 16}/changes")
    assert got.status == 403

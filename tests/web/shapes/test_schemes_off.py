"""Schemes of identifiers by which other services' addresses are to find nothing."""

import asyncio
from pathlib import Path

import pytest
from conftest import COVERED, UNCOVERED, Start, take_in
from images import small_jpeg

from coverproxy.config import load
from coverproxy.domain.errors import ConfigError
from coverproxy.domain.formats import PLACEHOLDER


async def test_what_is_off_is_found_by_our_own_addresses_only(start: Start, tmp_path: Path) -> None:
    """Wrong links of LCCNs, as Google has them, need not reach a catalogue: its shapes find nothing by such a
    number, and go on to the next; all other schemes are found."""
    server = await start(shapes={"schemes_off": ["lccn"]})
    (tmp_path / "a.jpg").write_bytes(small_jpeg(200, 300))
    (tmp_path / "list.csv").write_text("lccn,oclc,file\n2001-000002,77,a.jpg\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    key = f"/devkey/{server.key.name}"

    assert (await server.get(f"{key}/medium/lccn/2001-000002")).cover == "made"
    got = await server.get(f"{key}/b/lccn/2001000002-M.jpg")
    assert (got.cover, got.body) == ("missing", PLACEHOLDER)
    keys = f"LCCN:2001000002,OCLC:77,{COVERED},{UNCOVERED}"
    got = await server.get(f"{key}/api/books?bibkeys={keys}&format=json")
    assert b"LCCN" not in got.body
    assert b'"OCLC:77"' in got.body
    assert COVERED.encode() in got.body
    assert got.headers["Cache-Control"].startswith("public")
    assert (await server.get(f"{key}/iiif/3/lccn:2001000002/info.json")).status == 404
    assert (await server.get(f"{key}/b/oclc/77-M.jpg")).cover in ("made", "hit")


@pytest.mark.parametrize("name", ["isbn", "nonsense", "upc"])
def test_only_schemes_can_be_off(name: str) -> None:
    """ISBNs, which everything has, cannot; a word that is no scheme is a mistake."""
    with pytest.raises(ConfigError, match="is not a scheme that can be off"):
        load(None, {"COVERPROXY_SHAPES__SCHEMES_OFF": f'["{name}"]'})

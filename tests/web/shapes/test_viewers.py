"""Tools of others against our IIIF shape: the validator of its editors, and a viewer in Chromium.

They are not installed with the project. `pip install iiif-validator` (with libmagic) into an environment of
its own, and name its interpreter in COVERPROXY_IIIF_PYTHON; `npm install openseadragon`, and name its
openseadragon.min.js in COVERPROXY_OPENSEADRAGON. Without them these tests are skipped.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest
from browser import Page
from conftest import COVERED, Start, take_in
from link_host import link_host
from PIL import Image

PYTHON = os.environ.get("COVERPROXY_IIIF_PYTHON", "")
VIEWER = os.environ.get("COVERPROXY_OPENSEADRAGON", "")

SQUARE_PX = 100
COLOURS = (
    "import json; from iiif_validator.validator import ValidationInfo; "
    "print(json.dumps(ValidationInfo().colorInfo))"
)


async def run(*command: str) -> tuple[int, str]:
    """Run a program; return its exit code and what it said."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace")


async def squares(path: Path) -> None:
    """Draw the picture that the validator knows: squares in the colours of its own table."""
    _, said = await run(PYTHON, "-W", "ignore", "-c", COLOURS)
    table = json.loads(said.splitlines()[-1])
    picture = Image.new("RGB", (SQUARE_PX * len(table), SQUARE_PX * len(table[0])))
    for column, colours in enumerate(table):
        for row, colour in enumerate(colours):
            box = (column * SQUARE_PX, row * SQUARE_PX, (column + 1) * SQUARE_PX, (row + 1) * SQUARE_PX)
            picture.paste(tuple(colour), box)
    picture.save(path)


@pytest.mark.skipif(not PYTHON, reason="COVERPROXY_IIIF_PYTHON names no interpreter with iiif-validator")
@pytest.mark.parametrize(("version", "prefix"), [("3.0", "iiif/3"), ("2.0", "iiif/2")])
async def test_the_validator_finds_no_fault_at_level_0(
    start: Start, tmp_path: Path, version: str, prefix: str
) -> None:
    """Every test of level 0, and those of the HTTP features that we name, pass; it knows 2.1 as 2.0."""
    server = await start()
    await squares(tmp_path / "squares.png")
    (tmp_path / "list.csv").write_text("oclc,file\n1,squares.png\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    script = str(Path(PYTHON).with_name("iiif-validate.py"))
    common = (
        PYTHON, "-W", "ignore", script, "-s", server.listeners.url.removeprefix("http://"),
        "-p", f"devkey/{server.key.name}/{prefix}", "-i", "oclc%3A1", f"--version={version}", "-v",
    )  # fmt: skip
    features = ("--test=baseurl_redirect", "--test=cors", "--test=jsonld")
    for wish, least in ((("--level=0",), 4), (features, len(features))):
        code, said = await run(*common, *wish)
        assert code == 0, said
        assert int(said.rpartition("Done (")[2].split()[0]) >= least, said


@pytest.mark.skipif(not VIEWER, reason="COVERPROXY_OPENSEADRAGON names no openseadragon.min.js")
@pytest.mark.parametrize("version", ["2", "3"])
async def test_openseadragon_opens_a_cover(start: Start, tab: Page, version: str) -> None:
    """The viewer opens a cover by its description, draws it, and asks for nothing that is not there."""
    server = await start()
    about = f"{server.listeners.url}/devkey/{server.key.name}/iiif/{version}/{COVERED}/info.json"
    page = f"""<!doctype html><div id="view" style="width: 600px; height: 800px"></div>
<script src="/viewer.js"></script><script>
window.failed = [];
const view = OpenSeadragon({{id: 'view', tileSources: {json.dumps(about)}, showNavigationControl: false,
  crossOriginPolicy: 'Anonymous'}});
for (const name of ['open-failed', 'tile-load-failed'])
  view.addHandler(name, each => failed.push(each.message));
view.addHandler('open', () => window.isOpen = true);
view.addHandler('tile-loaded', () => window.isDrawn = true);
</script>"""
    files: dict[str, bytes | str] = {"/": page.encode(), "/viewer.js": Path(VIEWER).read_bytes()}
    with link_host(files) as host:
        await tab.open(f"{host.url}/")
        await tab.until("(window.isOpen && window.isDrawn) || failed.length")
        failed, sides = await tab.ask(
            "[failed, view.world.getItemAt(0) && [view.world.getItemAt(0).getContentSize().x, "
            "view.world.getItemAt(0).getContentSize().y]]"
        )

    assert failed == []
    assert sides == [1000, 1500]

"""Readers' pages in Chromium: covers of a slow source appear by themselves, and scripts of catalogues run."""

import asyncio
import json
from pathlib import Path

import pytest
from browser import Page
from certificates import self_signed
from conftest import COVERED, UNCOVERED, Running, Start
from fronting import before
from images import distinct
from link_host import link_host
from ports import free_port
from samples import book
from upstream import Asked, Upstream, gives, picture

from coverproxy.domain.isbn import to_isbn10

COLD = 60
LATENCY_SECONDS = 1.5

SHOWN_WIDTHS = """Promise.all(COVERS.map(address => new Promise(done => {
  const image = new Image();
  image.onload = image.onerror = () => done(image.naturalWidth);
  image.src = address;
  document.body.append(image);
})))"""
"""Puts the covers on a page, as it would have them, and tells how wide each turned out to be."""

PROTOCOLS = """[...new Set(performance.getEntriesByType('resource')
  .filter(each => each.initiatorType == 'img').map(each => each.nextHopProtocol).filter(each => each))]"""
"""What covers came over, as far as the page may know."""

LIMITS = ("requests_per_second", "burst", "concurrency", "timeout_seconds", "idle_seconds")
"""Keys of a source that stay as they are by default."""


class Slow:
    """A source with latency, that has each book; `most`: how many it was asked for at once."""

    under_way = most = 0

    async def __call__(self, asked: Asked) -> None:
        """Answer, late."""
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(LATENCY_SECONDS)
        self.under_way -= 1
        await gives(distinct(picture(), int(asked.path[1:14])))(asked)


async def test_a_page_of_cold_books_ends_with_all_covers(start: Start, tab: Page, tmp_path: Path) -> None:
    """60 books that nobody asked for before, all at once over HTTP/2, from a slow source with the limits of
    the defaults: each shows its cover at the first view, without a reload, and the source is asked for no
    more at once than those allow."""
    books, slow = [book(number) for number in range(COLD)], Slow()
    made, port = self_signed(tmp_path), free_port()
    secure = {
        "tls": "http2", "listen_tls": [f"127.0.0.1:{port}"],
        "certificate": str(made.file), "certificate_key": str(made.key),
    }  # fmt: skip
    async with Upstream(slow).running() as upstream:
        source = upstream.source()
        usual = {name: value for name, value in source.items() if name not in LIMITS}
        server = await start(source=[usual])
        async with before(server, tmp_path / "nginx", **secure):
            covers = [f"https://127.0.0.1:{port}{server.path(each)}" for each in books]
            with link_host({"/": b"<!doctype html><title>Results</title>"}) as host:
                await tab.call("Security.setIgnoreCertificateErrors", ignore=True)
                await tab.open(f"{host.url}/")
                widths = await tab.ask(SHOWN_WIDTHS.replace("COVERS", json.dumps(covers)))
                spoken = await tab.ask(PROTOCOLS)

    assert len(widths) == COLD
    assert min(widths) > 100
    assert spoken == ["h2"]
    assert (len(upstream.asked), slow.most) == (COLD, server.config.source[0].concurrency)


def page(script: str, **elements: str) -> bytes:
    """A result page as Koha makes it: an element for each book, with its id as a class, and a script."""
    marks = "".join(f'<div id="{name}" class="{value}"></div>' for name, value in elements.items())
    return f"<!doctype html><title>Koha</title>{marks}<script>{script}</script>".encode()


HELP = """
function jsonp(address) {
  const tag = document.createElement('script');
  tag.onload = () => window.isDone = true;
  tag.onerror = () => window.isBlocked = true;
  tag.src = address;
  document.head.append(tag);
}
function show(element, address) {
  const image = new Image();
  image.onload = () => { if (image.naturalWidth == 1) image.remove(); };
  image.src = address;
  element.append(image);
}
"""
"""What Koha's pages have from jQuery: a script with a callback, and a picture that goes if it is a pixel."""

SCRIPTS: dict[str, str] = {
    "coce": HELP
    + """
window.jQuery1_2 = answer => {
  for (const id in answer) show(document.getElementsByClassName(id)[0], answer[id]);
};
jsonp('BASE/cover?id=THIRTEEN,NONE&provider=gb,ol,aws&callback=jQuery1_2&_=1');
""",
    "openlibrary": HELP
    + """
window.KOHA = {OpenLibrary: {olCallBack: answer => {
  for (const id in answer) {
    const at = document.getElementsByClassName(id.replace('ISBN:', ''))[0];
    if (answer[id].cover) show(at, answer[id].cover.medium); else at.append('no image');
  }
}}};
jsonp('BASE/api/books?bibkeys=' + escape('ISBN:TEN,ISBN:NONE') +
      '&callback=KOHA.OpenLibrary.olCallBack&jscmd=data');
""",
    "google": HELP
    + """
window.KOHA = {Google: {gbsCallBack: answer => {
  for (const id in answer) {
    const at = document.getElementsByClassName(answer[id].bib_key)[0];
    if (answer[id].thumbnail_url) show(at, answer[id].thumbnail_url.replace('zoom=5', 'zoom=1'));
  }
}}};
jsonp('BASE/books?bibkeys=' + escape('TEN,NONE') + '&jscmd=viewapi&callback=KOHA.Google.gbsCallBack');
""",
    "gbv": HELP
    + """
window.seen = answer => {
  if (answer[0]) show(document.getElementById('thirteen'), 'BASE/covers/' + answer[3][0]);
};
jsonp('BASE/covers/?id=THIRTEEN&format=seealso&callback=seen');
""",
}
"""What each service's script does in Koha's pages, and GBV's in a catalogue's, in few words of our own."""


@pytest.mark.parametrize("name", SCRIPTS)
async def test_catalogues_scripts_run(server: Running, tab: Page, name: str) -> None:
    """The script of an answer with a callback is run, not blocked; the book with a cover gets a picture of
    more than one pixel, and the one without gets nothing."""
    ten = to_isbn10(COVERED) or ""
    put = {"BASE": f"{server.listeners.url}/devkey/{server.key.name}", "THIRTEEN": COVERED, "TEN": ten}
    script = SCRIPTS[name]
    for word, value in (put | {"NONE": UNCOVERED}).items():
        script = script.replace(word, value)
    with link_host({"/": page(script, thirteen=COVERED, ten=ten, none=UNCOVERED)}) as host:
        await tab.open(f"{host.url}/")
        await tab.until("window.isDone || window.isBlocked")
        await tab.until("[...document.images].every(each => each.complete)")
        found = await tab.ask("[...document.images].map(each => [each.parentNode.id, each.naturalWidth])")
        blocked, none = await tab.ask("[!!window.isBlocked, document.getElementById('none').innerHTML]")

    assert (blocked, none) == (False, "")
    assert [at for at, _ in found] == ["ten" if "TEN" in SCRIPTS[name] else "thirteen"]
    assert found[0][1] > 10

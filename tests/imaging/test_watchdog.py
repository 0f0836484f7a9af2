"""The time limit: a slow render is stopped in the middle of libvips, a hanging one is told of."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import images
import pytest
from conftest import Start, take_in

from coverproxy.config import Config
from coverproxy.domain.errors import UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.render import render
from coverproxy.imaging.vips import library
from coverproxy.imaging.watchdog import Watchdog

CONFIG = Config()
ISBN = "9781853260001"


@cache
def slow(kind: str) -> bytes:
    """An original of some 40 megapixels, as a baseline PNG or one that is decoded in a single call."""
    noise = library().Image.gaussnoise(5000, 8000, mean=128, sigma=3).cast("uchar")
    picture = noise.bandjoin([noise, noise]).copy(interpretation="srgb")
    if kind == "jpeg":
        return images.jpeg(picture)
    return images.png(picture, interlace=kind == "interlaced", compression=1)


class Told:
    """What a watchdog tells."""

    def __init__(self) -> None:
        self.stopped = 0
        self.hung: list[int] = []

    def stop(self) -> None:
        self.stopped += 1


@contextmanager
def watching(limit: float, told: Told) -> Iterator[Watchdog]:
    watchdog = Watchdog(limit, told.stop, told.hung.append)
    watchdog.start()
    yield watchdog
    watchdog.close()


def rendered(body: bytes, hold: Callable[..., None]) -> float:
    started = time.perf_counter()
    render(body, CONFIG.sizes["large"], Format.JPEG, CONFIG.limits, hold)
    return time.perf_counter() - started


@pytest.mark.parametrize("kind", ["plain", "jpeg"])
def test_a_slow_render_is_stopped_in_its_middle(kind: str) -> None:
    """At a tenth of the time that it needs, a render ends long before its picture is decoded: "slow"."""
    body, told = slow(kind), Told()
    whole = rendered(body, lambda *images: None)
    with watching(whole / 10, told) as watchdog, watchdog.watching() as hold:
        started = time.perf_counter()
        with pytest.raises(UnusableOriginal, match="not rendered within") as refused:
            rendered(body, hold)
        took = time.perf_counter() - started

    assert refused.value.reason == "slow"
    assert took < whole * 0.7
    assert told.stopped == 1


def test_one_call_of_a_decoder_is_not_stopped_but_its_picture_is_dropped() -> None:
    """An interlaced PNG is decoded in one call: the limit is heeded when that ends; at twice it is a hang."""
    body, told = slow("interlaced"), Told()
    with watching(0.05, told) as watchdog, watchdog.watching() as hold:
        with pytest.raises(UnusableOriginal) as refused:
            rendered(body, hold)
        thread = threading.get_ident()

    assert refused.value.reason == "slow"
    assert set(told.hung) == {thread}


def test_a_render_in_time_is_let_be() -> None:
    """Renders that keep to the limit are none of the watchdog's business, however many there are."""
    body, told = images.small_jpeg(400, 600), Told()
    with watching(1.0, told) as watchdog:
        for _ in range(300):
            with watchdog.watching() as hold:
                rendered(body, hold)

    assert (told.stopped, told.hung) == (0, [])


def test_a_stopped_render_does_not_begin_another_decode() -> None:
    """What is tried after the limit (a JPEG's second reading) is refused before libvips sees it."""
    told = Told()
    with watching(0.02, told) as watchdog, watchdog.watching() as hold:
        while not told.stopped:
            time.sleep(0.001)
        with pytest.raises(UnusableOriginal, match="slow"):
            hold("an image")


async def test_a_slow_original_is_passed_over_and_can_be_released(start: Start, tmp_path: Path) -> None:
    """Served: the render is stopped and counted, the original faulty for good; released, it is tried anew."""
    server = await start(
        render={"time_limit_seconds": 0.1, "answer_within_seconds": 30.0}, limits={"max_bytes": 2**28}
    )
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / f"{ISBN}.png").write_bytes(slow("plain"))
    assert take_in(server.config, tmp_path / "slow").added == 1
    assert (await server.get(server.path(ISBN, "large"))).cover == "missing"
    async with server.client.get(server.listeners.ops_url + "/metrics") as metrics:
        text = await metrics.text()
    catalogue = server.covers.catalogue
    (held,) = catalogue.find(Identifier("isbn", ISBN))

    assert "coverproxy_renders_killed_total 1.0" in text
    assert (held.fault or "").startswith("slow: not rendered within 0.1 s")
    assert [each.fault for each in catalogue.release(held.digest)] == [held.fault]
    assert catalogue.find(held.identifier)[0].fault is None

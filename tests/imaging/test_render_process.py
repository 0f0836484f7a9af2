"""Render processes: real ones, what they can do, what they cannot, and what they make."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import images
import pytest

from coverproxy.config import Config
from coverproxy.domain.errors import DecoderDied, Unavailable, UnusableOriginal
from coverproxy.domain.formats import Format, Loader, sniff
from coverproxy.imaging.decoder import ProcessDecoder
from coverproxy.imaging.render import render
from coverproxy.imaging.render_process import Bounds
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.imaging.vips import library

CONFIG = Config()
MIB = 2**20
PROBE = (sys.executable, "-P", str(Path(__file__).parents[1] / "probing_child.py"))

Start = Callable[..., RenderProcesses]


@pytest.fixture
def start() -> Iterator[Start]:
    """A function that starts one render process."""
    running: list[RenderProcesses] = []

    def starting(*command: str, seconds: float = 30.0, memory: int = 384 * MIB) -> RenderProcesses:
        running.append(RenderProcesses(1, Bounds(seconds, memory, 64 * MIB), command))
        return running[-1]

    yield starting
    for each in running:
        each.close()


KINDS = [
    "jpeg-420", "jpeg-cmyk-bare", "png-rgb", "gif", "gif-animated", "webp", "webp-animated", "tiff",
    "tiff-pages", "avif",
]  # fmt: skip


def test_every_format_is_made_as_in_this_process(start: Start) -> None:
    """Confined, each loader and each encoder gives the bytes that it gives without any bounds."""
    decoder = ProcessDecoder(start())
    size = CONFIG.sizes["medium"].quick
    for kind in KINDS:
        body = images.drawn(kind)
        for form in Format:
            assert decoder.render(body, size, form, CONFIG.limits) == render(body, size, form, CONFIG.limits)
        loader = sniff(body[:32])
        assert loader is not None
        assert decoder.measure(body, loader, 2**30).sides == (240, 360)


def test_a_taken_over_decoder_can_do_nothing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and their facts, sockets, programs, other processes, more memory: all refused. Threads are not:
    libvips has some.

    Secrets are not in its environment.
    """
    monkeypatch.setenv("COVERPROXY_ADMIN__TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    target = tmp_path / "file"
    target.write_bytes(b"here")
    facts = start(*PROBE).run("probe", (), str(target).encode()).facts

    assert facts["possible"] == ["thread"]
    assert not {"COVERPROXY_ADMIN__TOKEN", "AWS_SECRET_ACCESS_KEY"} & set(facts["environment"])
    assert target.read_bytes() == b"here"


def test_what_is_in_force_is_told(start: Start) -> None:
    """Each bound stands in the text; where landlock or seccomp is missing the text says NOT."""
    processes = start()
    processes.start()
    in_force = processes.confinement

    assert in_force is not None
    assert in_force.no_new_privs
    assert in_force.memory_bytes == 384 * MIB
    (process,) = processes.numbers()
    assert Path(f"/proc/{process}/oom_score_adj").read_text() == "1000\n"
    assert ("landlock is NOT" in in_force.text) == (not in_force.landlock)
    assert ("seccomp is NOT" in in_force.text) == (not in_force.seccomp)


def test_renders_give_way() -> None:
    """A render process that is ready is nicer by as much as it is asked to be, and so is what it decodes.

    So is its session, as the kernel may weigh sessions against each other first: nginx has its own.
    """
    processes = RenderProcesses(1, Bounds(30.0, 384 * MIB, MIB, niceness=10))
    processes.start()
    (process,) = processes.numbers()
    niceness = os.getpriority(os.PRIO_PROCESS, process)
    group = Path(f"/proc/{process}/autogroup")
    session, told = os.getsid(process), group.read_text() if group.exists() else "nice 10"
    processes.close()

    assert niceness == min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    assert session == process
    assert told.split()[-2:] == ["nice", "10"]


def test_a_memory_bomb_dies_alone(start: Start) -> None:
    """An AVIF of some 1,400 bytes and 50 megapixels needs 700 MiB: it is refused, and the next is made."""
    black = library().Image.black(7000, 7100, bands=3).copy(interpretation="srgb")
    bomb = black.heifsave_buffer(compression="av1", effort=0)
    decoder = ProcessDecoder(start(memory=256 * MIB))
    trusting = CONFIG.limits.model_copy(update={"max_decoded_bytes": 2**40})
    with pytest.raises(DecoderDied, match="it needs more than 256 MiB of memory"):
        decoder.render(bomb, CONFIG.sizes["large"], Format.JPEG, trusting)

    assert len(bomb) < 2000
    assert decoder.render(images.drawn("jpeg-420"), CONFIG.sizes["small"], Format.JPEG, CONFIG.limits).body


def test_a_slow_original_is_ended(start: Start) -> None:
    """An interlaced PNG, which no decoder can be stopped in, ends with its process at the limit."""
    noise = library().Image.gaussnoise(200, 6000, mean=128, sigma=3).cast("uchar").copy_memory()
    coloured = noise.bandjoin([noise, noise]).copy(interpretation="srgb")
    slow = images.png(coloured.replicate(20, 1), interlace=True, compression=1)
    # it takes more than twenty times the kernel's least wait, and than others may keep a process from a core
    processes = start(seconds=0.01)
    processes.start()
    started = time.monotonic()
    with pytest.raises(DecoderDied, match=r"not finished after 0\.01 s") as died:
        ProcessDecoder(processes).render(slow, CONFIG.sizes["large"], Format.JPEG, CONFIG.limits)

    assert died.value.is_late
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    "facts",
    [
        {}, {"size": [1, 2]}, {"size": [1, 2], "original": [1]}, {"size": [1, 2], "original": ["1", 2]},
        {"size": [1, 2], "original": [-1, 2]}, {"size": [1, 2], "original": [1, 10**12]},
        {"size": {}, "original": 7}, {"size": [1, 2], "original": [1, 2]},
        {"length": 2**62}, {"length": 2**63}, {"length": -1}, {"length": "1"}, {"length": 1e3},
    ],
)  # fmt: skip
def test_a_wrong_answer_is_not_believed(start: Start, facts: dict[str, object]) -> None:
    """Numbers that are missing, of another kind or impossible, bytes of no picture: never passed on."""
    decoder = ProcessDecoder(start(*PROBE))
    with pytest.raises(UnusableOriginal):
        decoder.render(repr(facts).encode(), CONFIG.sizes["small"], Format.JPEG, CONFIG.limits)


def test_one_that_died_at_rest_condemns_no_picture(start: Start) -> None:
    """A process that ends while it waits, in whatever way, is replaced, and the next picture is made."""
    processes = start()
    decoder = ProcessDecoder(processes)
    for number in (signal.SIGSEGV, signal.SIGKILL):
        processes.start()
        (process,) = processes.numbers()
        os.kill(process, number)
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        made = decoder.render(images.drawn("jpeg-420"), CONFIG.sizes["small"], Format.JPEG, CONFIG.limits)
        assert made.size == (100, 150)
        assert processes.numbers() != [process]


def test_one_that_is_killed_as_it_starts_is_started_again(start: Start) -> None:
    """A process that somebody kills before it is ready condemns nobody and keeps no cover from being made."""
    processes = start()
    killing = threading.Thread(target=_kill_three, args=(processes,))
    killing.start()
    made = ProcessDecoder(processes).render(
        images.drawn("jpeg-420"), CONFIG.sizes["small"], Format.JPEG, CONFIG.limits
    )
    killing.join()
    assert made.size == (100, 150)
    assert processes.fault is None


def _kill_three(processes: RenderProcesses) -> None:
    killed = {0}
    while len(killed) < 4:
        (process,) = processes.numbers() or [0]
        if process not in killed:
            os.kill(process, signal.SIGKILL)
        killed.add(process)


def test_each_process_shares_memory_of_its_own(start: Start) -> None:
    """What a process that is gone may have left behind sees no later picture, and cannot change its cover."""
    processes = start()
    places = []
    for _ in range(2):
        processes.start()
        (process,) = processes.numbers()
        handles = Path(f"/proc/{process}/fd").iterdir()
        places += [each.stat().st_ino for each in handles if "memfd" in str(each.readlink())]
    assert len(set(places)) == len(places) == 2


@pytest.mark.parametrize("side", [2**24, 2**31 - 1])
def test_a_header_that_claims_too_much_is_refused_for_that(start: Start, side: int) -> None:
    """Sides of millions of px are a refusal with its reason; the process is not taken for a liar."""
    processes = start()
    processes.start()
    before = processes.numbers()
    body = images.png_saying(side, side)
    with suppress(UnusableOriginal):
        measured = ProcessDecoder(processes).measure(body, Loader.PNG, 2**30)
        assert (measured.sides, bool(measured.too_large)) == ((side, side), True)
    assert processes.numbers() == before


def test_a_damaged_avif_is_no_lack_of_memory(start: Start) -> None:
    """libheif calls a box of exabytes a memory allocation error: it is a refused header, and nobody dies."""
    processes = start()
    processes.start()
    before, body = processes.numbers(), bytearray(images.drawn("avif"))
    at = body.index(b"meta") - 4
    body[at : at + 4] = (1).to_bytes(4)
    body[at + 8 : at + 16] = (2**62).to_bytes(8)
    with pytest.raises(UnusableOriginal, match="ecurity limit exceeded") as refused:
        ProcessDecoder(processes).render(bytes(body), CONFIG.sizes["small"], Format.JPEG, CONFIG.limits)
    assert refused.value.reason == "header"
    assert processes.numbers() == before


def test_shared_memory_is_given_back(start: Start) -> None:
    """After an original of 20 MB the memory that it was handed over in is freed."""
    processes = start()
    with pytest.raises(UnusableOriginal):
        processes.run("measure", (Loader.JPEG, 2**30), b"\xff\xd8" + bytes(20_000_000))
    assert processes.shared_bytes() < 2_000_000


def test_a_process_that_does_not_start_is_a_fault(start: Start) -> None:
    """A program that is not there, or ends: each picture is unavailable, never faulty, and fault says why."""
    for command, why in ((("/no/such/program",), "No such file"), (("/bin/false",), "exit code 1")):
        processes = start(*command)
        with pytest.raises(Unavailable, match=why):
            processes.start()
        assert why in (processes.fault or "")


def test_it_verifies_as_this_process_does(start: Start) -> None:
    """Confined, a whole picture passes and a damaged one is refused; covers of every size are the same."""
    decoder, whole = ProcessDecoder(start()), images.jpeg(images.cover(800, 1200))
    for size in CONFIG.sizes.values():
        decoder.verify(whole, size, CONFIG.limits)
        with pytest.raises(UnusableOriginal, match="decode"):
            decoder.verify(images.broken(images.drawn("jpeg-444"), 0.5), size, CONFIG.limits)
        here = render(whole, size, Format.JPEG, CONFIG.limits)
        assert decoder.render(whole, size, Format.JPEG, CONFIG.limits) == here


def test_its_program_loads_little() -> None:
    """It loads neither the config nor asyncio: each dead decoder costs one start, and a start its imports."""
    program = "import sys, coverproxy.imaging.render_child; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "coverproxy.imaging.render" in loaded
    assert not loaded & {"pydantic", "coverproxy.config", "asyncio", "aiohttp", "stdnum"}

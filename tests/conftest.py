"""What the tests share: drawn covers, and a real server on a free port over a data folder of its own."""

import asyncio
import fcntl
import gc
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from browser import Chromium, Page
from cost import pytest_addoption, pytest_runtest_makereport, pytest_sessionstart, pytest_terminal_summary
from decoders import processes
from ending import end
from hypothesis import HealthCheck, settings
from library import open_taker
from order import pytest_collection_modifyitems
from standing import Standing

from coverproxy import demo
from coverproxy.config import Config, load
from coverproxy.demo.classics import CLASSICS, MISSING
from coverproxy.domain.api_key import Key, new_name
from coverproxy.log import forget_faults
from coverproxy.server.application import SERVICE, Listeners, application, listen
from coverproxy.service.covers import Covers
from coverproxy.service.import_file import offered
from coverproxy.service.import_results import ImportReport
from coverproxy.service.import_steps import Sender
from coverproxy.web import bounds
from coverproxy.web.app_keys import COVERS
from coverproxy.web.connections import BoundedRunner
from coverproxy.wiring.data_folder import DataFolder, open_shelf
from coverproxy.wiring.service import Service

__all__ = [
    "pytest_addoption", "pytest_collection_modifyitems", "pytest_runtest_makereport", "pytest_sessionstart",
    "pytest_terminal_summary",
]  # fmt: skip

# A shell's background job ignores Ctrl-C, and so would every program that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start hundreds of processes. Where the environment forbids bytecode beside the sources, as containers
# do, each would compile the whole product again: twice the time, so theirs is kept elsewhere.
if sys.dont_write_bytecode:
    kept_bytecode = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONDONTWRITEBYTECODE"], os.environ["PYTHONPYCACHEPREFIX"] = "", kept_bytecode
    sys.dont_write_bytecode, sys.pycache_prefix = False, kept_bytecode

# pytest shuts its folder of temporary ones to others at each start, and nginx's workers are others: a second
# run on this machine, of another checkout, would take the covers away from them. Each checkout has its own.
checkout = hashlib.sha256(str(Path(__file__).parents[1]).encode()).hexdigest()[:8]
temporary = Path(tempfile.gettempdir(), f"coverproxy-{os.geteuid()}-{checkout}")
temporary.mkdir(mode=0o755, exist_ok=True)
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(temporary))

# Every process that speaks HTTP reads the file of all authorities that the environment names, for a tenth of
# a second. OpenSSL finds them one by one in their folder, and the tests ask nobody whom they know.
os.environ.pop("SSL_CERT_FILE", None)

# Machines are slow and busy: how long an example takes proves nothing here (speed is measured in bench/).
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

COVERED = CLASSICS[0].isbns[0]
"""An ISBN-13 that has a cover."""

UNCOVERED = MISSING.isbns[0]
"""An ISBN-13 that has none."""

BROWSER = {"Sec-Fetch-Dest": "image"}
"""What a browser sends with an image; without it a client counts as automated."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes test: none beside this one for a single file, which is over before they are there.

    Else two more than there are cores, as tests wait two thirds of their time, for servers that start and for
    limits that pass; but at most four, as many a test starts two or four processes of its own.
    --dist=worksteal keeps a module's tests together, and so what they share, as long as no process has run
    out of work.
    """
    named = {argument.partition("::")[0] for argument in config.args}
    if len(named) == 1 and Path(named.pop()).is_file():
        return 0
    return min(len(os.sched_getaffinity(0)) + 2, 4)


# Until all tests are collected the garbage collector would look again and again at what stays.
gc.disable()


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over what stays to the end: 300,000 objects, 0.2 s at each look."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def drawn(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's covers. Drawing takes long, so they are kept in .pytest_cache by the code that draws them.

    Each process gets a copy on the disk of its data folders, as these take hard links. A process of its own
    draws them, as this one blocks libvips' SVG loader.
    """
    code = b"".join(path.read_bytes() for path in sorted(Path(demo.__file__).parent.glob("*.py")))
    root = pytestconfig.rootpath / ".pytest_cache" / "drawn"
    root.mkdir(parents=True, exist_ok=True)
    kept = root / hashlib.sha256(code).hexdigest()[:16]
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            drawing = kept.with_suffix(".drawing")
            shutil.rmtree(drawing, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "coverproxy.demo.draw", str(drawing)], check=True)
            drawing.rename(kept)
    return Path(shutil.copytree(kept, tmp_path_factory.mktemp("drawn") / "covers"))


@pytest.fixture(scope="session")
def stocked(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the drawn covers imported once. fill() copies it: quicker than an import a test."""
    folder = tmp_path_factory.mktemp("stocked") / "data"
    take_in(configured(folder), drawn)
    return folder


def fill(config: Config, stocked: Path, drawn: Path) -> None:
    """Put the drawn covers into the config's data folder.

    Import them where the folder exists or the import's rules are changed; else copy what an import by the
    default rules has made, which is ten times as fast.
    """
    folder = Path(config.data.dir)
    if folder.exists() or (config.imports, config.limits) != (Config().imports, Config().limits):
        take_in(config, drawn)
        return
    shutil.copytree(stocked / "originals", folder / "originals", copy_function=os.link)
    for path in stocked.glob("*.db"):
        shutil.copy2(path, folder)


def take_in(config: Config, path: Path, mode: str = "link") -> ImportReport:
    """Import *path* into the config's data folder, by hard links unless told otherwise."""
    linked = config.model_copy(update={"imports": config.imports.model_copy(update={"mode": mode})})
    with open_shelf(linked) as shelf, open_taker(linked, shelf, lambda refusal: None) as importer:
        return importer.run(offered(path, Sender("test")), lambda report: None)


def configured(data: Path, **sections: Any) -> Config:
    """The default config over the data folder *data*, on free ports, with some keys changed."""
    base: dict[str, Any] = {"server": {"port": 0, "stop_seconds": 5.0}, "ops": {"port": 0}}
    base["data"] = {"dir": str(data)}
    base["render"] = {
        "answer_within_seconds": 30.0
    }  # the machine may be busy; what is late is tested on purpose
    for name, values in sections.items():
        base[name] = values if isinstance(values, list) else base.get(name, {}) | values
    # what is late is tested by one figure, whoever asks; test_waits.py sets the other
    base["render"].setdefault("browser_answer_within_seconds", base["render"]["answer_within_seconds"])
    return load(None, {}, base)


@dataclass
class Running:
    """A server that runs in this process, a client for it, and one key."""

    config: Config
    app: web.Application
    listeners: Listeners
    client: aiohttp.ClientSession
    key: Key

    @property
    def covers(self) -> Covers:
        """The service that it asks: its verbs, and nothing behind them."""
        return self.app[COVERS]

    @property
    def service(self) -> Service:
        """Everything that the server has opened."""
        return self.app[SERVICE]

    @property
    def folder(self) -> DataFolder:
        """Its data folder: catalogue, originals, cache."""
        return self.service.folder

    @property
    def originals(self) -> Path:
        """The folder of originals."""
        return self.folder.data / "originals"

    def path(self, isbn: str = COVERED, size: str = "medium", key: str | None = None) -> str:
        """A cover's path."""
        return f"/devkey/{key or self.key.name}/{size}/isbn/{isbn}"

    async def get(self, path: str, method: str = "GET", **headers: str) -> "Got":
        """Ask for a path as a browser would, with other headers where given (a name's _ is a -)."""
        sent = BROWSER | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, self.listeners.url + path, headers=sent) as response:
            return Got(response.status, response.headers, await response.read())

    async def new_key(self, **values: Any) -> Key:
        """Make another key."""
        fields: dict[str, Any] = {"label": "another", "daily_limit": 1000} | values
        key = Key(new_name(), **fields)
        await self.enter(key)
        return key

    async def enter(self, key: Key) -> None:
        """Enter a key, or what has changed of it."""
        await self.service.accounts.save(key)


@dataclass
class Shared(Running):
    """A server that many tests ask: each has a client and a key of its own, and changes nothing else.

    What a test asks for may be there already, as another has had it made.
    """

    standing: Standing

    async def enter(self, key: Key) -> None:
        """Enter a key."""
        await self.standing.do(super().enter(key))


@dataclass(frozen=True)
class Got:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cover(self) -> str:
        """What X-Cover-Status says."""
        return self.headers.get("X-Cover-Status", "")


Start = Callable[..., Awaitable[Running]]

Stand = Callable[..., tuple[Config, Standing]]


@pytest.fixture(autouse=True)
def _no_fault_before() -> None:
    """A fault that another test met is logged all the same."""
    forget_faults()


@pytest.fixture
async def start(tmp_path: Path, drawn: Path, stocked: Path) -> AsyncIterator[Start]:
    """A function that starts a server with the drawn covers in, over a new data folder unless one is given.

    Keyword arguments are config sections.
    """
    closing: list[Callable[[], Awaitable[None]]] = []

    async def starting(folder: Path | None = None, **sections: Any) -> Running:
        config = configured(folder or tmp_path / f"data{len(closing)}", **sections)
        await asyncio.to_thread(fill, config, stocked, drawn)
        listeners = listen(config)
        app = application(config, listeners, lambda: None, processes=processes(config))
        runner = BoundedRunner(app, around=bounds.around(app), shutdown_timeout=2.0)
        await runner.setup()
        await web.SockSite(runner, listeners.covers).start()
        client = aiohttp.ClientSession(auto_decompress=False)
        closing.append(partial(end, runner))
        closing.append(client.close)
        running = Running(config, app, listeners, client, Key(new_name(), "tests", 1000))
        await running.service.accounts.save(running.key)
        return running

    yield starting
    for close in reversed(closing):
        await close()


@pytest.fixture
async def server(start: Start) -> Running:
    """A server with default settings."""
    return await start()


@pytest.fixture(scope="module")
def stand(drawn: Path, stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A function that returns the module's server of some config sections, which its first call starts."""
    known: dict[str, tuple[Config, Standing]] = {}

    def standing(**sections: Any) -> tuple[Config, Standing]:
        if (name := repr(sections)) not in known:
            config = configured(tmp_path_factory.mktemp("standing") / "data", **sections)
            fill(config, stocked, drawn)
            listeners = listen(config)
            app = application(config, listeners, lambda: None, processes=processes(config))
            known[name] = config, Standing(app, listeners)
        return known[name]

    yield standing
    for _, each in known.values():
        each.close()


@pytest.fixture
async def share(stand: Stand) -> AsyncIterator[Start]:
    """A function that returns the module's server of some config sections: for tests that change nothing.

    Each test has a client and a key of its own. Starting a server takes longer than most answers.
    """
    given: list[Running] = []
    async with AsyncExitStack() as stack:

        async def sharing(**sections: Any) -> Running:
            config, standing = stand(**sections)
            client = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
            key = Key(new_name(), "tests", 1000)
            shared = Shared(config, standing.app, standing.listeners, client, key, standing)
            await shared.enter(key)
            given.append(shared)
            return shared

        yield sharing
    for each in given:
        each.service.renders.taken = 0  # a test may have filled the queue


@pytest.fixture
async def shared(share: Start) -> Running:
    """The module's server with default settings, for tests that change nothing."""
    return await share()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One Chromium for all tests: starting it takes longer than most of them."""
    browser = Chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
async def tab(chromium: Chromium) -> AsyncIterator[Page]:
    """A tab of a real browser, with cookies of its own."""
    async with chromium.tab() as page:
        yield page


@pytest.fixture(scope="session")
def drawn_isbns() -> list[str]:
    """Every ISBN-13 that has a drawn cover."""
    return [value for book in CLASSICS for value in book.isbns]

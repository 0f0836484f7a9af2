"""The programs that an operator would pick instead: installed into the bench's own folder, and run.

From PyPI, npm and Debian, at the versions named here. What cannot be had is skipped with its reason. Each has
its own defaults for the picture: quality, chroma and sharpening are what one gets who changes nothing.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench import books
from bench.serve import Skipped, free_port, nginx, program, running
from coverproxy.domain.formats import Format

FOLDER = Path(__file__).parents[1] / ".bench"
THUMBOR = "thumbor==7.8.0"
NODE = ("ipx@3.1.1", "sharp@0.35.5")

_INSTALL_SECONDS = 600
_FILTER = "/usr/lib/nginx/modules/ngx_http_image_filter_module.so"


class Peer(NamedTuple):
    """A running peer: its URL, and a derivative's path by the original's name, (width, height), format."""

    url: str
    path: Callable[[str, tuple[int, int], Format], str]
    formats: tuple[Format, ...]
    processes: tuple[int, ...] = ()
    """Those that share the work, each with what is below it; not the nginx that distributes it."""


def shelve(folder: Path, originals: Sequence[Path], count: int) -> list[str]:
    """Lay *count* originals for peers, named by the books' ISBNs: hard links to one copy of each."""
    folder.mkdir(parents=True)
    copies = [Path(shutil.copy(path, folder / f"original-{at}.jpg")) for at, path in enumerate(originals)]
    for number in range(count):
        os.link(copies[number % len(copies)], folder / f"{books.isbn(number)}.jpg")
    return [f"{books.isbn(number)}.jpg" for number in range(count)]


@contextlib.contextmanager
def thumbor(
    originals: Path, folder: Path, *, keeps: bool, processes: int = 2, settings: str = ""
) -> Iterator[Peer]:
    """Run thumbor over a folder of originals, some processes behind one nginx; *keeps*: it stores results.

    Originals are read from their folder and not copied to a storage first: in its favour. By its own
    `--processes`, whichever wakes first takes all the few connections of a benchmark: in some runs one did
    all the work, and thumbor made 170 covers a second, in others 330. nginx shares them out evenly.
    *settings*: more lines of its configuration.
    """
    binary = thumbor_binary()
    folder.mkdir(parents=True)
    storage = "thumbor.result_storages." + ("file_storage" if keeps else "no_storage")
    (folder / "thumbor.conf").write_text(
        f"LOADER = 'thumbor.loaders.file_loader'\nFILE_LOADER_ROOT_PATH = {str(originals)!r}\n"
        f"STORAGE = 'thumbor.storages.no_storage'\nRESULT_STORAGE = {storage!r}\n"
        f"RESULT_STORAGE_FILE_STORAGE_ROOT_PATH = {str(folder / 'results')!r}\n"
        "RESULT_STORAGE_STORES_UNSAFE = True\nRESULT_STORAGE_EXPIRATION_SECONDS = 0\n"
        f"ALLOW_UNSAFE_URL = True\n{settings}",
        encoding="utf-8",
    )
    ports = [free_port() for _ in range(processes)]
    command = [str(binary), "-i", "127.0.0.1", "-c", str(folder / "thumbor.conf"), "-l", "error", "-p"]

    def path(name: str, box: tuple[int, int], form: Format) -> str:
        turned = "" if form is Format.JPEG else f"filters:format({form.name.lower()})/"
        return f"/unsafe/fit-in/{box[0]}x{box[1]}/{turned}{name}"

    with contextlib.ExitStack() as stack:
        each_of = [
            stack.enter_context(running([*command, str(each)], [each], folder / f"said-{each}.log"))
            for each in ports
        ]
        url = stack.enter_context(_shared_out(folder, ports))
        yield Peer(url, path, tuple(Format), tuple(each_of))


@contextlib.contextmanager
def _shared_out(folder: Path, ports: Sequence[int], cache: str = "", using: str = "") -> Iterator[str]:
    """Run an nginx that takes turns among *ports*; *cache* is for its http context, *using* for location."""
    port = free_port()
    backends = " ".join(f"server 127.0.0.1:{each};" for each in ports)
    http = f"""{cache} access_log off; keepalive_requests 1000000; sendfile on; tcp_nopush on;
        upstream peer {{ {backends} keepalive 32; }}
        server {{ listen 127.0.0.1:{port}; location / {{
            proxy_pass http://peer; proxy_http_version 1.1; proxy_set_header Connection ""; {using} }} }}"""
    with nginx(folder / "nginx", http, port) as url:
        yield url


@contextlib.contextmanager
def ipx(originals: Path, folder: Path, *, keeps: bool, processes: int = 2) -> Iterator[Peer]:
    """Run ipx, some processes behind one nginx; *keeps*: that nginx has a cache on disk, as ipx has none."""
    script = node_modules() / "ipx" / "bin" / "ipx.mjs"
    folder.mkdir(parents=True)
    ports = [free_port() for _ in range(processes)]
    cache = (
        f"proxy_cache_path {folder}/cache levels=1:2 keys_zone=c:64m max_size=4g use_temp_path=off;"
        if keeps
        else ""
    )
    using = "proxy_cache c; proxy_cache_key $uri; proxy_cache_valid 200 30d; proxy_cache_lock on;"

    def path(name: str, box: tuple[int, int], form: Format) -> str:
        turned = "" if form is Format.JPEG else f",f_{form.name.lower()}"
        return f"/s_{box[0]}x{box[1]},fit_inside{turned}/{name}"

    each_of: list[int] = []
    with contextlib.ExitStack() as stack:
        for each in ports:
            command = [program("node", "nodejs"), str(script), "serve", "--dir", str(originals)]
            env = {"HOST": "127.0.0.1", "PORT": str(each), "IPX_MAX_AGE": "31536000"}
            each_of.append(stack.enter_context(running(command, [each], folder / f"said-{each}.log", env)))
        url = stack.enter_context(_shared_out(folder, ports, cache, using if keeps else ""))
        yield Peer(url, path, tuple(Format), tuple(each_of))


@contextlib.contextmanager
def image_filter(originals: Path, folder: Path, *, workers: int = 2) -> Iterator[Peer]:
    """Run nginx's own image filter, without a cache. It reads and writes one type each.

    Each worker is an nginx of its own, behind one that shares out the connections, as for thumbor.
    """
    if not Path(_FILTER).exists():
        raise Skipped("libnginx-mod-http-image-filter is not installed (Debian: apt install it)")
    ports = [free_port() for _ in range(workers)]
    http = """access_log off; keepalive_requests 1000000;
        server {{ listen 127.0.0.1:{port}; location ~ ^/(?<w>[0-9]+)x(?<h>[0-9]+)/(?<f>[0-9a-z.-]+)$ {{
            alias {originals}/$f; image_filter resize $w $h; image_filter_buffer 20M; }} }}"""

    def path(name: str, box: tuple[int, int], form: Format) -> str:
        return f"/{box[0]}x{box[1]}/{name}"

    with contextlib.ExitStack() as stack:
        for port in ports:
            each = http.format(port=port, originals=originals)
            opened = nginx(folder / str(port), each, port, workers=1, main=f"load_module {_FILTER};")
            stack.enter_context(opened)
        url = stack.enter_context(_shared_out(folder, ports))
        pids = [int((folder / str(port) / "nginx.pid").read_text(encoding="ascii")) for port in ports]
        yield Peer(url, path, (Format.JPEG,), tuple(pids))


def sharp(originals: Sequence[Path], folder: Path, box: tuple[int, int], form: Format) -> list[bytes]:
    """Return each original's derivative by sharp."""
    folder.mkdir(parents=True, exist_ok=True)
    _sharp_once("write", originals, box, form, str(folder))
    return [(folder / str(number)).read_bytes() for number in range(len(originals))]


def sharp_per_second(
    originals: Sequence[Path], box: tuple[int, int], processes: int, seconds: float
) -> float:
    """Return how many covers sharp makes a second in a loop in *processes* processes, one thread each."""
    command = _sharp_command("loop", originals, box, Format.JPEG, str(seconds))
    env = {**os.environ, "UV_THREADPOOL_SIZE": "1"}
    loops = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)
        for _ in range(processes)
    ]
    try:
        for loop in loops:  # each has started up and made a few when it says so
            assert loop.stdout
            loop.stdout.readline()
        said = [loop.stdin for loop in loops]
        for pipe in said:
            assert pipe
            pipe.write("go\n")
            pipe.flush()
        rates = [float(loop.communicate(timeout=seconds + 60)[0]) for loop in loops]
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    return sum(rates)


def _sharp_once(*arguments: object) -> None:
    subprocess.run(_sharp_command(*arguments), check=True, timeout=300, stdin=subprocess.DEVNULL)  # type: ignore[arg-type]


def _sharp_command(
    task: str, originals: Sequence[Path], box: tuple[int, int], form: Format, last: str
) -> list[str]:
    script = str(Path(__file__).with_name("sharp_loop.cjs"))
    told = {"task": task, "box": box, "form": form.name.lower(), "last": last}
    told["files"] = [str(path) for path in originals]
    return [program("node", "nodejs"), script, str(node_modules() / "sharp"), json.dumps(told)]


def thumbor_binary() -> Path:
    """Return thumbor's program, installing it where it is not there yet. Raises Skipped."""
    home = FOLDER / "thumbor"
    binary = home / "bin" / "thumbor"
    if not binary.exists():
        _install([sys.executable, "-m", "venv", str(home)], home)
        _install([str(home / "bin" / "pip"), "install", "--quiet", THUMBOR], home)
    return binary


def node_modules() -> Path:
    """Return the folder with ipx and sharp, installing them where they are not there yet. Raises Skipped."""
    home = FOLDER / "node"
    modules = home / "node_modules"
    if not (modules / "ipx").is_dir() or not (modules / "sharp").is_dir():
        home.mkdir(parents=True, exist_ok=True)
        command = [program("npm", "npm"), "install", "--prefix", str(home), "--no-audit", "--no-fund"]
        _install([*command, *NODE], home)
    return modules


def _install(command: list[str], home: Path) -> None:
    """Run an installer. What it leaves half done is removed: the next run would take it for whole."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except (subprocess.SubprocessError, OSError) as exc:
        shutil.rmtree(home, ignore_errors=True)
        said = (getattr(exc, "stderr", "") or str(exc)).strip().splitlines()
        raise Skipped(f"not installed: {said[-1] if said else exc}") from exc


def versions() -> dict[str, str]:
    """Return what is installed of the peers and the programs around them."""
    found = {}
    for name in ("ipx", "sharp"):
        manifest = FOLDER / "node" / "node_modules" / name / "package.json"
        with contextlib.suppress(OSError, ValueError):
            found[name] = str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
    nested = FOLDER / "node" / "node_modules" / "ipx" / "node_modules" / "sharp" / "package.json"
    with contextlib.suppress(OSError, ValueError):
        found["sharp in ipx"] = str(json.loads(nested.read_text(encoding="utf-8"))["version"])
    packages = FOLDER / "thumbor" / "lib"
    for wheel in packages.glob("python*/site-packages/*.dist-info"):
        name, _, version = wheel.name.removesuffix(".dist-info").partition("-")
        if name in ("thumbor", "pillow"):
            found[f"{name} in thumbor" if name == "pillow" else name] = version
    for name, flag in (("nginx", "-v"), ("node", "--version"), ("wrk", "-v")):
        with contextlib.suppress(Skipped, OSError):
            done = subprocess.run([program(name, name), flag], capture_output=True, text=True, check=False)
            lines = (done.stdout + done.stderr).splitlines()
            found[name] = lines[0].removeprefix("nginx version: ")[:60] if lines else ""
    return found

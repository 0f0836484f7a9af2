"""Commands that serve: serve, demo; and check-config."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coverproxy import log
from coverproxy.cli.common import changed, faults_told, mistakes_told, options, tell, with_secrets
from coverproxy.cli.progress import progress
from coverproxy.concurrency.frozen_imports import frozen_imports
from coverproxy.concurrency.held_signals import held
from coverproxy.config import Config, without_secrets
from coverproxy.server import sd_notify
from coverproxy.stats.process_folder import metrics_folder

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Makes prometheus_client keep values in files that all workers sum (metrics.MULTIPROCESS).

Repeated here because importing coverproxy.stats.metrics would import prometheus_client before it is set.
"""

if TYPE_CHECKING:
    from coverproxy.server.application import Listeners
    from coverproxy.web.pages import Shown


@click.command()
@options
@click.option("--host", help="Address to serve covers on (default: 127.0.0.1; 0.0.0.0: all).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port (default: 8080; 0: a free one).")
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Worker processes; up to one per core (default: 1)."
)
def serve(config: Config, as_json: bool, host: str | None, port: int | None, workers: int | None) -> None:
    """Serve covers until stopped.

    Prints one line with its address when it is ready. SIGTERM and Ctrl-C end it cleanly: requests in progress
    are finished first. Health and metrics have a separate address (default: http://127.0.0.1:8081/healthz,
    /readyz and /metrics).

    A worker that dies is replaced. SIGHUP loads the config file again and replaces all workers without
    refusing requests; only the addresses and the data folder stay as they are.
    """

    def given(config: Config) -> Config:
        with_secrets(config)
        return changed(config, "server", host=host, port=port, workers=workers)

    reread = click.get_current_context().obj
    with mistakes_told():
        first = given(config)
    run_master(first, lambda: given(reread()), as_json)


def run_master(config: Config, reread: Callable[[], Config], as_json: bool) -> None:
    """Listen, serve in worker processes, and print the address.

    Imports late: prometheus_client looks for its folder when it is imported.
    """
    log.set_up(config.log)
    with metrics_folder() as folder:
        os.environ[MULTIPROCESS] = folder
        with frozen_imports():
            from coverproxy.server.application import listen
            from coverproxy.server.boot_checks import unwritable
            from coverproxy.server.supervisor import supervise
            from coverproxy.service import databases

        data = Path(config.data.dir)
        with faults_told():
            for line in unwritable(data):
                click.echo(f"Warning: {line}", err=True)
            databases.check(data)
            listeners = listen(config, sd_notify.listeners(os.environ))
            notify = sd_notify.notifier(os.environ)

            def ready() -> None:
                _announce(listeners, as_json)
                notify("READY=1")

            supervise(config, listeners, ready, reread)


def run_alone(config: Config, as_json: bool, shown: "tuple[Shown, ...]", tour: Callable[[str], str]) -> None:
    """Listen, serve in this process, and print the address; JSON output includes the demo's key."""
    with frozen_imports():
        from coverproxy.server import application

    log.set_up(config.log)
    with faults_told():
        listeners = application.listen(config)
        application.serve(
            config, listeners, lambda: _announce(listeners, as_json, tour, key=shown[0].key), shown
        )


def _announce(
    listeners: "Listeners", as_json: bool, tour: Callable[[str], str] = lambda url: "", **more: str
) -> None:
    urls = {"url": listeners.url, "ops_url": listeners.ops_url, **more}
    text = f"coverproxy is ready at {listeners.url} (health and metrics: {listeners.ops_url})"
    tell(as_json, urls, text + tour(listeners.url))
    sys.stdout.flush()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to serve on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def demo(host: str, port: int, as_json: bool) -> None:
    """Show it working, with covers of its own: no setup, and nothing left behind.

    Draws some twenty covers of classics under their real ISBNs, imports them into a temporary data folder,
    creates a key and serves. Open the printed address in a browser; Ctrl-C ends it.
    """
    # The demo waits for covers instead of showing gaps: no catalogue depends on its answer within a second.
    with tempfile.TemporaryDirectory(prefix="coverproxy-demo-") as folder, faults_told():
        config = Config.model_validate(
            {
                "server": {"host": host, "port": port},
                "ops": {"port": 0},
                "data": {"dir": str(Path(folder, "data"))},
                "render": {"answer_within_seconds": 15.0},
                "log": {"level": "warning"},
                "signup": {"mode": "open"},
            }
        )
        _look_for_port(config)  # before some seconds of drawing
        drawn = Path(folder, "drawn")
        _draw(drawn, quiet=as_json)
        shown = _shelve(config, drawn, quiet=as_json)
        run_alone(config, as_json, shown, partial(_tour, shown))


def _look_for_port(config: Config) -> None:
    """Check that the demo's port is free. Raises ClickException that says what to do."""
    from coverproxy.server.application import listen

    try:
        listeners = listen(config)
    except OSError as exc:
        raise click.ClickException(f"{exc}; choose another with --port") from None
    listeners.covers.close()
    listeners.ops.close()


def _draw(drawn: Path, *, quiet: bool) -> None:
    """Draw the covers, and show how many there are already."""
    from coverproxy.demo.classics import CLASSICS

    total = sum(len(book.isbns) for book in CLASSICS)
    # In a separate process: it reads SVG, which the service blocks in its own libvips.
    command = [sys.executable, "-m", "coverproxy.demo.draw", str(drawn)]
    # Only we end it: Ctrl-C would have it write a traceback while it starts.
    with (
        progress("drawing", "cover", quiet=quiet) as show, held(frozenset({signal.SIGINT})) as let_in,
        subprocess.Popen(command) as drawing,  # noqa: S603 - our own program
    ):  # fmt: skip
        try:
            let_in()
            while drawing.poll() is None:
                show(len(list(drawn.iterdir())) if drawn.is_dir() else 0, total)
                with suppress(subprocess.TimeoutExpired):
                    drawing.wait(0.1)
        finally:
            drawing.terminate()  # if it was interrupted: else the demo would draw to the end first
        show(total, total)
    if drawing.returncode:
        raise click.ClickException("the covers cannot be drawn")


def _shelve(config: Config, drawn: Path, *, quiet: bool) -> "tuple[Shown, ...]":
    """Import the drawn covers, create a key, and return what the home page shows."""
    from coverproxy.demo.classics import CLASSICS, MISSING
    from coverproxy.service.import_file import offered
    from coverproxy.service.import_steps import Sender
    from coverproxy.web.pages import Shown
    from coverproxy.wiring.commands import open_importer
    from coverproxy.wiring.data_folder import open_shelf

    with open_shelf(config) as shelf, open_importer(config, shelf, lambda refusal: None) as importer:
        total = len(list(drawn.iterdir()))
        with progress("importing", "cover", quiet=quiet) as show:
            done = importer.run(offered(drawn, Sender("demo")), lambda report: show(report.seen, total))
    if done.interrupted:
        raise KeyboardInterrupt
    key = asyncio.run(_demo_key(config)).name
    books = [Shown(isbn, book.title, book.author, key) for book in CLASSICS for isbn in book.isbns]
    missing = Shown(MISSING.isbns[0], MISSING.title, MISSING.author, key, has_cover=False)
    return (*books, missing)


async def _demo_key(config: Config) -> Any:
    from coverproxy.cli.key_store import created
    from coverproxy.wiring.accounts import open_accounts
    from coverproxy.wiring.data_folder import DataFolder

    shelf = DataFolder(config)
    try:
        async with open_accounts(config, shelf) as accounts:
            return await created(accounts, "Demo", config.quota.daily_limit)
    finally:
        shelf.close()


def _tour(shown: "tuple[Shown, ...]", base: str) -> str:
    """Return the links to try."""
    base = base.replace("//0.0.0.0:", "//127.0.0.1:").replace(
        "//[::]:", "//[::1]:"
    )  # an address that browsers can open
    first, missing = shown[0], shown[-1]
    path = f"{base}/devkey/{first.key}"
    return f"""

  {base}/   the covers, and the HTML to copy
  {path}/medium/isbn/{first.isbn}   {first.title}
  {path}/large/isbn/{first.isbn}.webp   the same, large, as WebP
  {path}/medium/isbn/{missing.isbn}   {missing.title}: no cover, a transparent pixel
  {path}/usage   how many covers the key has made today

Next, with your own covers: coverproxy import FOLDER; coverproxy key create --label NAME; coverproxy serve

Open {base}/ in a browser. Ctrl-C ends the demo and removes everything it made."""


@click.command("check-config")
@options
def check_config(config: Config, as_json: bool) -> None:
    """Check the config file and the environment, and print the effective config.

    Reports all mistakes at once, each with its path in the TOML file; the exit code is then 2.
    """
    with mistakes_told():
        with_secrets(config)
    tree = without_secrets(config.model_dump(mode="json", by_alias=True))
    _note_certificates(config)
    tell(as_json, tree, "\n".join(["The config is valid. In effect:", *_lines(tree, "")]))


def _note_certificates(config: Config) -> None:
    """Warn on standard error about files that nginx will lack. The config is valid nevertheless."""
    from coverproxy.doctor.checks import front
    from coverproxy.doctor.checks.finding import Level

    for finding in front.certificates(config.front):
        if finding.level is not Level.OK:
            click.echo(f"Warning: {finding.found}; {finding.advice}", err=True)


def _lines(tree: dict[str, Any], path: str) -> list[str]:
    lines = []
    for name, value in tree.items():
        if isinstance(value, dict):
            lines += _lines(value, f"{path}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += _lines({str(number): each for number, each in enumerate(value)}, f"{path}{name}.")
        else:
            lines.append(f"  {path}{name} = {value!r}")
    return lines

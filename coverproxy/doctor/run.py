"""Runs every check of an installation in turn; findings come with advice."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from coverproxy.config import PREFIX, Config
from coverproxy.doctor.checks import (
    folder,
    front,
    machine,
    network,
    notices,
    objects,
    pictures,
    records,
    rendering,
)
from coverproxy.doctor.checks.finding import Finding, fine, problem
from coverproxy.domain.errors import Unavailable
from coverproxy.service.databases import CATALOGUE, STATE
from coverproxy.wiring.data_folder import DataFolder, open_shelf
from coverproxy.wiring.notices import mail_server, notice_post

CONFIG = "config"


def examine(
    config: Config, file: Path | None, environ: Mapping[str, str], url: str | None
) -> Iterator[Finding]:
    """Run all checks. Nothing is changed: files written to test a disk are removed again.

    `url`: the public address of the service, if that is to be checked.
    """
    data, shelf = Path(config.data.dir), DataFolder(config)
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        CONFIG: partial(_config, file, environ),
        folder.DATA: partial(folder.look, data, shelf.layout, config.cache.min_free_bytes),
        **_records(config, shelf),
        objects.STORE: partial(objects.look, shelf.objects),
        machine.VERSIONS: partial(machine.look, config.quota),
        pictures.VERSION: partial(pictures.look, config.formats),
        rendering.PROCESSES: partial(rendering.look, config),
        network.SERVER: partial(network.look, config.server, config.ops, shelf.layout.top, url),
        notices.NOTICES: partial(_notices, config, data),
        front.CERTIFICATE: partial(front.certificates, config.front),
        front.FILES: partial(front.look, config.front.open_files),
    }
    try:
        for name, look in checks.items():
            yield from _findings(name, look)
    finally:
        shelf.close()


def _records(config: Config, shelf: DataFolder) -> dict[str, Callable[[], Iterator[Finding]]]:
    """Return the checks of what the databases say: of files, or of a database that nodes share."""
    is_shared = config.store.is_shared
    look = partial(_shared, config) if is_shared else partial(records.databases, shelf.data)
    has_catalogue, has_keys = ((shelf.data / name).exists() for name in (CATALOGUE, STATE))
    return {
        records.DATABASE: look,
        records.ORIGINALS: partial(
            _originals, shelf, is_shared=is_shared, is_there=is_shared or has_catalogue
        ),
        records.LINKS: partial(records.key_links, shelf.state, shelf.layout, is_there=is_shared or has_keys),
    }


def _shared(config: Config) -> Iterator[Finding]:
    from coverproxy.doctor.checks import shared_database  # psycopg comes with an extra

    yield from shared_database.look(config)


def _originals(shelf: DataFolder, *, is_shared: bool, is_there: bool) -> Iterator[Finding]:
    if is_shared:
        shelf.catalogue.open_to_read()
    yield from records.originals(shelf.catalogue, shelf.files, is_there=is_there)


def _notices(config: Config, data: Path) -> Iterator[Finding]:
    server, has_hooks = mail_server(config), bool(notice_post(config).hooks)
    if not config.store.is_shared and not (data / CATALOGUE).exists():
        yield from notices.look(server, has_hooks, None)
        return
    with open_shelf(config, to_write=False) as shelf:
        yield from notices.look(server, has_hooks, shelf.catalogue.notices)


def mistaken(mistakes: str) -> Finding:
    """Report an invalid config; without a config no other check can run."""
    advice = "correct these keys; config.example.toml lists every key with its default and unit"
    return problem(CONFIG, mistakes, advice)


def _findings(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield a check's findings. A check that fails is a finding too, and does not stop the others."""
    try:
        yield from look()
    except (OSError, Unavailable) as exc:
        advice = "run the doctor as the user that runs the service; see the findings above"
        yield problem(name, f"could not be checked: {exc}", advice)


def _config(file: Path | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    where = f"{file.absolute()} is valid" if file else "no file (--config FILE): the defaults"
    named = [name for name in sorted(environ) if name.startswith(PREFIX) and "__" in name]
    yield fine(CONFIG, f"{where}; from the environment: {', '.join(named) or 'nothing'}")

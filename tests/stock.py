"""The drawn covers, and data folders with them: drawn once, imported once, and copied for each test."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from library import open_taker

from coverproxy import demo
from coverproxy.config import Config, load
from coverproxy.demo.classics import CLASSICS
from coverproxy.service.import_file import offered
from coverproxy.service.import_results import ImportReport
from coverproxy.service.import_steps import Sender
from coverproxy.wiring.data_folder import open_shelf


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


@pytest.fixture(scope="session")
def drawn_isbns() -> list[str]:
    """Every ISBN-13 that has a drawn cover."""
    return [value for book in CLASSICS for value in book.isbns]

"""Whose the files are: commands of another user than the data folder's, and what is left when they differ."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ports import free_port, unused_addresses
from running import ENVIRONMENT, ended, started

OWNER = 1  # `daemon`
NAME = "daemon"

AS_OWNER = (
    "setpriv", "--reuid=1", "--regid=1", "--clear-groups",
    # may read, so that Python is found below root's home, and may write nothing that is not its own
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0
    or shutil.which("setpriv") is None
    or subprocess.run([*AS_OWNER, sys.executable, "-c", ""], capture_output=True).returncode != 0,
    reason="only root, with setpriv, can run a command as another user",
)


def ran(*command: str | Path, as_owner: bool = False, code: int = 0, **environment: str) -> str:
    """Run a command as root, or as the owner of the data folder; return what it printed, errors too."""
    given = ENVIRONMENT | unused_addresses() | environment
    done = ended(*command, env=given, timeout=120, before=AS_OWNER if as_owner else ())
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    return said


@contextmanager
def placed() -> Iterator[Path]:
    """A folder that other users can pass, with a data folder of daemon's in it."""
    folder = Path(tempfile.mkdtemp(prefix="coverproxy-owner-"))
    folder.chmod(0o755)
    data = folder / "data"
    data.mkdir()
    os.chown(data, OWNER, OWNER)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of a test's own for a data folder of daemon's."""
    with placed() as folder:
        yield folder


@pytest.fixture
def isbn(drawn_isbns: list[str]) -> str:
    """The ISBN of a drawn cover."""
    return drawn_isbns[0]


@pytest.fixture(scope="module")
def imported(drawn: Path, drawn_isbns: list[str]) -> Iterator[tuple[Path, str]]:
    """A data folder in which root has imported covers, made one in one size, and made a key; and what the
    import said."""
    with placed() as folder:
        data, listed = folder / "data", folder / "isbns.txt"
        listed.write_text(drawn_isbns[0])
        said = ran("import", drawn, "--data", data)
        ran("warm", listed, "--size", "small", "--data", data)
        ran("key", "create", "--label", "x", "--data", data)
        yield data, said


@pytest.fixture
def data(place: Path, imported: tuple[Path, str]) -> Path:
    """A copy of it with its owners, links and times, for a test to change."""
    (place / "data").rmdir()
    subprocess.run(["cp", "-a", imported[0], place / "data"], check=True)
    return place / "data"


def owners(folder: Path) -> dict[int, list[Path]]:
    """What lies in a folder, itself included, by its owner."""
    found: dict[int, list[Path]] = {}
    for path in (folder, *folder.rglob("*")):
        found.setdefault(path.lstat().st_uid, []).append(path)
    return found


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """Serve as the folder's owner; gives the address of health and metrics."""
    ports = [free_port() for _ in range(2)]
    log = data.parent / "log"
    with log.open("w") as file:
        words = ["serve", "--data", data, "--port", str(ports[0]), "--json"]
        env = ENVIRONMENT | {"COVERPROXY_OPS__PORT": str(ports[1])}
        process = started(*words, env=env, stderr=file, before=AS_OWNER)
    assert process.stdout
    try:
        line = process.stdout.readline()
        assert line, log.read_text()
        yield json.loads(line)["ops_url"]
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def readiness(ops_url: str) -> tuple[int, dict[str, str]]:
    """What /readyz says."""
    try:
        with urllib.request.urlopen(f"{ops_url}/readyz", timeout=20) as response:
            return response.status, json.load(response)["faults"]
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, json.load(exc)["faults"]


def test_what_root_makes_is_the_owners(imported: tuple[Path, str]) -> None:
    """import, warm, key and serve's commands as root leave nothing of root's, and say whose the folder is."""
    data, said = imported
    assert (
        f"belongs to {NAME}, but this command runs as root: files that it makes will belong to {NAME}" in said
    )
    assert {"state.db", "catalogue.db", "cache", "originals"} <= {path.name for path in data.iterdir()}
    assert list(owners(data)) == [OWNER], owners(data).get(0)


def test_the_service_starts_beside_files_of_root(place: Path, data: Path, isbn: str) -> None:
    """A cache that became root's: another best original comes in, the service starts and names what it cannot
    remove, and once the files are given back all is well by itself."""
    better = place / f"{isbn}.png"
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"import pyvips; pyvips.Image.black(1200, 1800, bands=3).write_to_file({str(better)!r})",
        ],
        check=True,
    )
    below = [path for path in (data / "cache").rglob("*") if "isbn" in path.parts]
    for path in below:  # as a cover that root made in a shard that there was not before
        os.chown(path, 0, 0, follow_symlinks=False)
    said = ran("import", better, "--data", data, as_owner=True)
    assert "1 cover added" in said
    assert "cannot be removed" in said
    with serving(data) as ops_url:
        status, faults = readiness(ops_url)
        assert status == 503
        assert isbn in faults["replaced"]
        assert "Permission denied" in faults["replaced"]
        assert "belongs to root" in faults["replaced"]
        for path in below:
            os.chown(path, OWNER, OWNER, follow_symlinks=False)
        deadline = time.monotonic() + 60
        while "replaced" in readiness(ops_url)[1] and time.monotonic() < deadline:
            time.sleep(0.2)
        assert readiness(ops_url) == (200, {})
    assert isbn in ran("cover", isbn, "--data", data, as_owner=True)
    log = (place / "log").read_text()
    assert log.count("old covers cannot be removed") == 1


def test_the_service_starts_in_a_cache_of_root(place: Path, data: Path) -> None:
    """All of the cache is root's, its locks and counters too: the service starts, and /readyz says whose."""
    for path in (data / "cache", *(data / "cache").rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)
    with serving(data) as ops_url:
        status, faults = readiness(ops_url)
    assert status == 503
    assert "belongs to root, and this runs as daemon" in faults["cache"]
    assert "Traceback" not in (place / "log").read_text()


def test_reading_needs_no_right_to_write(data: Path, isbn: str) -> None:
    """`cover` and `originals quarantined` tell what there is where everything is another user's."""
    for path in (data, *data.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)
    said = ran("cover", isbn, "--data", data, as_owner=True)
    assert "original (best)" in said
    assert "derivative" in said
    assert "Nothing is quarantined" in ran("originals", "quarantined", "--data", data, as_owner=True)


def test_serve_says_that_it_cannot_write_the_folder(data: Path) -> None:
    """A data folder of root's: one line that names it, its owner, the way out; no traceback."""
    os.chown(data, 0, 0)
    said = ran("serve", "--data", data, "--port", "0", as_owner=True, code=1)
    errors = [line for line in said.splitlines() if not line.startswith("Note: ")]
    assert len(errors) == 1, said
    assert errors[0].startswith(f"Error: cannot write {data}: ")
    assert "belongs to root" in errors[0]
    assert errors[0].endswith(f"chown -R {NAME}: {data}")


@pytest.mark.parametrize("name", ["state.db", "catalogue.db"])
def test_serve_goes_on_and_names_a_database_of_root(place: Path, data: Path, name: str) -> None:
    """A database restored as root: one line says whose it is and the way out, and /readyz is red."""
    os.chown(data / name, 0, 0)
    with serving(data) as ops_url:
        assert readiness(ops_url)[0] == 503
    (line,) = [each for each in (place / "log").read_text().splitlines() if each.startswith("Warning: ")]
    assert line.startswith(f"Warning: cannot write {data / name}: ")
    assert "belongs to root" in line
    assert line.endswith(f"chown -R {NAME}: {data}")


def test_the_doctor_finds_files_of_another_user(data: Path) -> None:
    """A single derivative of root's, deep below the cache, is a problem with the command that mends it."""
    assert f"not belong to {NAME}" not in ran("doctor", "--data", data, "--json", as_owner=True, code=0)
    made = next(path for path in (data / "cache").rglob("*.jpg"))
    os.chown(made, 0, 0)
    said = ran("doctor", "--data", data, as_owner=True, code=1)
    assert f"do not belong to {NAME}, such as {made}, which belongs to root" in said
    assert f"chown -R {NAME}: {data}" in said

"""requirements.lock: what production installs, with hashes."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def locked() -> dict[str, tuple[str, list[str]]]:
    """Version and hashes of each package in the lock file."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = {}
    for line in lines:
        match = re.match(r"([A-Za-z0-9._-]+)==(\S+)", line)
        assert match, line
        found[name_of(match[1])] = (match[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    return found


def name_of(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(each) for each in project["dependencies"]]


def test_every_dependency_is_locked() -> None:
    """Each declared dependency is in the lock file, in a version that its bounds allow."""
    lock = locked()

    for each in declared():
        assert name_of(each.name) in lock, each.name
        assert each.specifier.contains(lock[name_of(each.name)][0]), each


def test_every_package_has_hashes() -> None:
    """Nothing is installed without a hash, and from no address but the index that pip is set to."""
    assert all(hashes for _, hashes in locked().values())
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")

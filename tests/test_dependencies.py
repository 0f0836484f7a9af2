"""What coverproxy imports is declared in pyproject.toml, and what is declared is used."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

IMPORTED_BY_OTHERS = {
    "pyvips-binary": "libvips itself, which pyvips loads",
    "tzdata": "time zones, which zoneinfo reads",
}
"""Declared and never imported, with the reason."""

EXTRAS = {"postgres"}
"""Extras that coverproxy itself imports from; the others are for developers."""


def normal(name: str) -> str:
    """A distribution's name as PEP 503 spells it, without version, extras and markers."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~!; ]", name, maxsplit=1)[0]).lower()


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for extra in EXTRAS for name in project["optional-dependencies"][extra]]
    return {normal(name) for name in [*project["dependencies"], *extras]}


def imported() -> set[str]:
    """The distributions of every module that is imported, in functions and for types too."""
    modules: set[str] = set()
    for path in (ROOT / "coverproxy").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    origins = packages_distributions()
    return {
        normal(origins.get(name, [name])[0])
        for name in modules - set(sys.stdlib_module_names) - {"coverproxy"}
    }


def test_imports_are_declared() -> None:
    """Every imported package is declared: none comes only because another one needs it."""
    assert imported() - declared() == set()


def test_what_is_declared_is_imported() -> None:
    """Every declared package is imported, or is needed without an import for a reason named here."""
    assert declared() - imported() == set(IMPORTED_BY_OTHERS)

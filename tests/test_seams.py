"""A scheme, a shape, a database and an object store each have few places, as ARCHITECTURE.md promises."""

import ast
from functools import cache
from pathlib import Path

import pytest

from coverproxy.config.presets import PRESETS
from coverproxy.config.shapes import SHAPE_NAMES
from coverproxy.domain import schemes

ROOT = Path(__file__).resolve().parents[1] / "coverproxy"


def texts_and_imports(path: Path) -> tuple[set[str], set[str]]:
    """All strings of a module, and the dotted name of everything that it imports."""
    texts: set[str] = set()
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return texts, names


@cache
def read() -> dict[str, tuple[set[str], set[str]]]:
    """All modules, read by the first test that asks: each process that tests collects all tests."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): texts_and_imports(path)
        for path in sorted(ROOT.rglob("*.py"))
    }


OTHERS_WORDS = ("web.shapes.", "feeds.")
"""Modules that read the words of other services and of publishers, some of which are schemes' names too."""

ABOUT_ITS_FILES = {
    "sqlite": {
        "cli.import_openlibrary", "doctor.checks.records", "originals.wanted_covers", "service.backup",
        "service.databases", "service.lost_databases", "storage.disk_set",
    },
    "postgres": {"doctor.checks.shared_database"},
}  # fmt: skip
"""Modules about one engine alone: its files or its server, of which another engine has none."""

CHOOSES = {"cli.store", "wiring.stores", "wiring.postgres"}
"""Modules that say which engine holds what."""


def naming(word: str) -> set[str]:
    """The modules with this very text in them."""
    return {module for module, (texts, _) in read().items() if word in texts}


def importing(word: str) -> set[str]:
    """The modules that import something with this word in its name, without those that have it in theirs."""
    return {
        module
        for module, (_, names) in read().items()
        if word not in module and any(word in name.lower() for name in names)
    }


@pytest.mark.parametrize("name", [name for name in schemes.ALL if name != schemes.ISBN])
def test_a_scheme_is_its_class_and_its_number(name: str) -> None:
    """Only its group's module, the registry, and the catalogue's table of numbers name a scheme."""
    found = {module for module in naming(name) if not module.startswith(OTHERS_WORDS)}

    assert found - {"originals.stored_identifier", "domain.schemes.__init__"} == {
        schemes.ALL[name].__module__.removeprefix("coverproxy.")
    }


@pytest.mark.parametrize("name", [name for name in SHAPE_NAMES if name not in PRESETS])
def test_a_shape_is_its_module_and_its_name(name: str) -> None:
    """A shape is named where it is written and where the config lists it, and in one place more at most."""
    assert {"config.shapes"} < naming(name)
    assert len(naming(name)) <= 3


@pytest.mark.parametrize("engine", sorted(ABOUT_ITS_FILES))
def test_an_engine_is_known_to_what_chooses_it(engine: str) -> None:
    """Besides an engine's own modules, only those that choose one, or are about its files, import it."""
    others = {module for module in importing(engine) if "sqlite" not in module and "postgres" not in module}

    assert others - CHOOSES == ABOUT_ITS_FILES[engine]


def test_an_object_store_is_known_to_its_package() -> None:
    """The rest of the product sees the Protocol of an object store, not the library."""
    assert importing("obstore") == {"objects.opening", "objects.shared", "sources.objects", "wiring.objects"}

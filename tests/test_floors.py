"""The house keeps its shape: imports go down only, modules and functions stay small."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "coverproxy"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))
}

VALUES = [
    "errors", "media", "jpeg", "isbn", "spec", "original", "derivative", "key", "template", "config", "vips",
    "turbo", "thumbhash", "look", "listing", "verdict", "atomic", "shared", "manager", "reading", "schema",
    "metrics", "log", "crew", "beside",
]  # fmt: skip
"""The ground floor, each seeing those before it."""

PIECES = ["cache", "originals", "sources", "state", "deploy", "render", "queue", "crumbs", "watchdog", "demo"]
"""Each sees the values and its own package, and no other piece."""

UPPER = [
    "accounts", "ledger", "history", "signup", "desk", "poison", "making", "purging", "taking", "asking",
    "refreshing", "service", "informing", "importing", "warming", "fetched", "fetching", "web", "wiring",
    "checks", "doctor", "accepting", "serving", "master", "cli", "__main__",
]  # fmt: skip
"""The story, the web and the entry, each seeing all that stands before it."""

FLOORS = {
    "__init__": -1,
    **{name: floor for floor, name in enumerate(VALUES)},
    **dict.fromkeys(PIECES, len(VALUES)),
    **{name: len(VALUES) + 1 + floor for floor, name in enumerate(UPPER)},
}

MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 60
MAX_MOST_FUNCTIONS_LINES = 24
"""Nine functions of ten are no longer."""


def package(module: str) -> str:
    return module.partition(".")[0]


def named(module: str) -> Iterator[str]:
    """A dotted name, and its modules that there are: `coverproxy.domain.isbn.parse` is of the module isbn."""
    inner = module.removeprefix("coverproxy").removeprefix(".")
    while inner and inner not in MODULES and f"{inner}.__init__" not in MODULES:
        inner = inner.rpartition(".")[0]
    yield inner or "__init__"


def imports(module: str, tree: ast.AST) -> Iterator[str]:
    """Every module of ours that is imported, wherever in the file: in functions and for types too."""
    above = ["coverproxy", *module.split(".")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
            origin = ".".join(filter(None, [base, node.module]))
            names = [f"{origin}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if package(name) == "coverproxy":
                yield from named(name)


def unfit(module: str, tree: ast.AST) -> list[str]:
    """The imports that go up or sideways."""
    mine = package(module)
    return [
        other
        for other in imports(module, tree)
        if package(other) != mine and FLOORS[package(other)] >= FLOORS[mine]
    ]


def test_every_module_has_a_floor() -> None:
    """A new module or package is given its floor here before it is written."""
    assert {package(module) for module in MODULES} <= FLOORS.keys()


@pytest.mark.parametrize("module", MODULES)
def test_no_import_goes_up(module: str) -> None:
    """A file sees its own package and the floors below; pieces do not see each other."""
    assert unfit(module, ast.parse(MODULES[module].read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "code", "seen"),
    [
        ("isbn", "from coverproxy import spec", ["spec"]),
        ("isbn", "from coverproxy.domain.spec import Spec", ["spec"]),
        ("cache.disk", "from coverproxy.imaging.render import render", ["render"]),
        ("cache.disk", "from ..originals import files", ["originals.files"]),
        ("cache.disk", "from .layout import Layout", []),
        ("cache.disk", "def f():\n    import coverproxy.accounts.sqlite", ["state.sqlite"]),
        ("render", "if TYPE_CHECKING:\n    from coverproxy.service.covers import Covers", ["service"]),
        ("accounts", "from coverproxy.service.covers import Covers", ["service"]),
        ("service", "from coverproxy.accounts.accounts import Accounts", []),
        ("web.app", "from coverproxy import __version__, wiring", ["wiring"]),
        ("demo.draw", "from coverproxy.cache import disk", ["cache.disk"]),
        ("wiring", "from coverproxy.web.app import build\nimport aiohttp", []),
    ],
)
def test_the_rule_is_seen_to_break(module: str, code: str, seen: list[str]) -> None:
    """The walk finds imports in every form and place, and knows which of them are unfit."""
    assert unfit(module, ast.parse(code)) == seen


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is(module: str) -> None:
    """Every module starts with a docstring whose first paragraph is a sentence."""
    text = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))

    assert text
    assert text.partition("\n\n")[0].endswith(".")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_fits_the_head(module: str) -> None:
    """No module is longer than 350 lines."""
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES


def functions() -> Iterator[tuple[str, int]]:
    """Every function, nested ones too, with the lines of its body without its docstring."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}.{node.name}", body_lines(node)


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_functions_are_small() -> None:
    """No function has more than 60 lines, and nine of ten have no more than 24."""
    lengths = sorted(functions(), key=lambda each: each[1])

    assert [each for each in lengths if each[1] > MAX_FUNCTION_LINES] == []
    assert lengths[len(lengths) * 9 // 10][1] <= MAX_MOST_FUNCTIONS_LINES

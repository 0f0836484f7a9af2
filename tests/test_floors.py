"""The house keeps its shape: imports go down only, modules and functions stay small."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1] / "coverproxy"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))
}
NAMES = {path: name for name, path in MODULES.items()}

FLOORS = [
    ["domain", "storage"],
    ["concurrency", "config", "objects"],
    ["log"],
    ["stats", "imaging", "accounts", "deploy", "demo", "mail"],
    ["originals", "cache", "sources", "feeds", "client"],
    ["service"],
    ["web"],
    ["wiring"],
    ["server", "doctor"],
    ["cli"],
    ["__main__"],
]
"""Packages from the ground up. Each sees the floors below its own, and no neighbour on the same floor."""

FLOOR_OF = {"__init__": -1, **{name: at for at, floor in enumerate(FLOORS) for name in floor}}

SEEN_BY_CLIENT = {"__init__", "domain", "storage"}
"""The download tool asks a running service: it knows values and files, nothing of the server's inside."""

MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 25
MAX_MOST_FUNCTIONS_LINES = 20
"""Ninety-nine functions of a hundred are at most this long."""


def package(module: str) -> str:
    return module.partition(".")[0]


def named(module: str) -> Iterator[str]:
    """A dotted name, and its modules that there are: `coverproxy.isbn.parse` is of the module isbn."""
    inner = module.removeprefix("coverproxy").removeprefix(".")
    while inner and inner not in MODULES and f"{inner}.__init__" not in MODULES:
        inner = inner.rpartition(".")[0]
    yield inner or "__init__"


def imports(module: str, nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Every module of ours that is imported, wherever in the file: in functions and for types too."""
    above = ["coverproxy", *module.split(".")[:-1]]
    for node in nodes:
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


@dataclass(frozen=True)
class Facts:
    """What the tests want to know of a file, told by one walk through it."""

    docstring: str | None
    lines: int
    unfit: tuple[str, ...]
    functions: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    reaches: tuple[str, ...]


@cache
def facts(path: Path) -> Facts:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    nodes = [*ast.walk(tree)]
    module = NAMES.get(path, "")
    return Facts(
        ast.get_docstring(tree), len(text.splitlines()), tuple(unfit(module, nodes)) if module else (),
        tuple((f"{module}.{name}", lines) for name, lines in functions_of(nodes)),
        tuple(node.name for node in nodes if isinstance(node, ast.ClassDef)),
        tuple(reaches(nodes)),
    )  # fmt: skip


def unfit(module: str, nodes: Iterable[ast.AST]) -> list[str]:
    """The imports that go up or sideways."""
    mine = package(module)
    return [
        other for other in imports(module, nodes) if package(other) != mine and not sees(mine, package(other))
    ]


def sees(mine: str, other: str) -> bool:
    if mine == "client":
        return other in SEEN_BY_CLIENT
    return FLOOR_OF[other] < FLOOR_OF[mine]


def test_every_module_has_a_floor() -> None:
    """A new package is given its floor here before it is written."""
    assert {package(module) for module in MODULES} <= FLOOR_OF.keys()


def test_no_import_goes_up() -> None:
    """A file sees its own package and the floors below; packages on one floor do not see each other."""
    found = {module: facts(path).unfit for module, path in MODULES.items()}
    assert {module: unfit for module, unfit in found.items() if unfit} == {}


@pytest.mark.parametrize(
    ("module", "code", "seen"),
    [
        ("domain.isbn", "from coverproxy.config import tree", ["config.tree"]),
        ("storage.atomic", "from coverproxy.domain.spec import Spec", ["domain.spec"]),
        ("cache.disk", "from coverproxy.originals import files", ["originals.files"]),
        ("cache.disk", "from ..originals import files", ["originals.files"]),
        ("cache.disk", "from .layout import Layout", []),
        ("cache.disk", "def f():\n    import coverproxy.originals.sqlite", ["originals.sqlite"]),
        (
            "imaging.render",
            "if TYPE_CHECKING:\n    from coverproxy.service.covers import Covers",
            ["service.covers"],
        ),
        ("accounts.accounts", "from coverproxy.service.covers import Covers", ["service.covers"]),
        ("service.covers", "from coverproxy.accounts.accounts import Accounts", []),
        ("web.app", "from coverproxy import __version__, wiring", ["wiring"]),
        ("client.download", "from coverproxy.config import Config", ["config"]),
        ("wiring", "from coverproxy.web.app import build\nimport aiohttp", []),
    ],
)
def test_the_rule_is_seen_to_break(module: str, code: str, seen: list[str]) -> None:
    """The walk finds imports in every form and place, and knows which of them are unfit."""
    assert unfit(module, ast.walk(ast.parse(code))) == seen


def test_a_module_says_what_it_is() -> None:
    """Every module starts with a docstring whose first paragraph is a sentence."""
    said = {module: (facts(path).docstring or "").partition("\n\n")[0] for module, path in MODULES.items()}
    assert [module for module, sentence in said.items() if not sentence.endswith(".")] == []


def test_a_module_fits_the_head() -> None:
    """No module is longer than 350 lines."""
    lines = {module: facts(path).lines for module, path in MODULES.items()}
    assert {module: count for module, count in lines.items() if count > MAX_MODULE_LINES} == {}


def functions_of(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Every function, nested ones too, with the lines of its body without its docstring."""
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, body_lines(node)


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_functions_are_small() -> None:
    """No function has more than 25 lines, and ninety-nine of a hundred have no more than 20."""
    functions = (each for path in MODULES.values() for each in facts(path).functions)
    lengths = sorted(functions, key=lambda each: each[1])

    assert [each for each in lengths if each[1] > MAX_FUNCTION_LINES] == []
    assert lengths[len(lengths) * 99 // 100][1] <= MAX_MOST_FUNCTIONS_LINES


def reaches(nodes: Iterable[ast.AST]) -> list[str]:
    """The places that reach through the service: to an attribute of a part, or to a private one."""
    return [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in nodes
        if isinstance(node, ast.Attribute)
        and (
            (is_service(node.value) and node.attr.startswith("_"))
            or (isinstance(node.value, ast.Attribute) and is_service(node.value.value))
        )
    ]


def is_service(node: ast.expr) -> bool:
    """Whether an expression has a name of the service: `covers`, `x.covers`, `app[COVERS]`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_") == "covers"
        case ast.Subscript(slice=ast.Name(id="COVERS") | ast.Attribute(attr="COVERS")):
            return True
    return False


def test_nobody_reaches_through_the_service() -> None:
    """Covers has verbs. Its parts are known to the wiring, and to tests as `server.service`."""
    found = {path: facts(path).reaches for top in (ROOT, ROOT.parent / "tests") for path in top.rglob("*.py")}
    assert len(found) > len(MODULES) > 100
    assert {str(path): reaches for path, reaches in found.items() if reaches} == {}


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("covers.catalogue.find(book)", 1),
        ("request.app[COVERS].accounts.now()", 1),
        ("server.covers.asking.chain.gates", 1),
        ("self._covers.cache.length(spec)", 1),
        ("covers._memory", 1),
        ("(await covers.health()).get('cache')", 0),
        ("request.app[COVERS].cover(wanted)", 0),
    ],
)
def test_a_reach_is_seen(code: str, count: int) -> None:
    """The walk tells a verb that is called from a part that is reached through."""
    assert len(reaches(ast.walk(ast.parse(code)))) == count


def test_parts_of_the_service_are_private() -> None:
    """Every part of Covers is private."""
    tree = ast.parse(MODULES["service.covers"].read_text(encoding="utf-8"))
    service = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Covers")
    parts = [
        node.attr
        for node in ast.walk(service)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and ast.unparse(node.value) == "self"
    ]

    assert len(parts) > 10
    assert [name for name in parts if not name.startswith("_")] == []


def test_no_class_name_occurs_twice() -> None:
    """A class's name leads to one class: in the whole product no two are called the same."""
    found: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for name in facts(path).classes:
            found.setdefault(name, []).append(module)
    assert {name: modules for name, modules in found.items() if len(modules) > 1} == {}


def test_only_stores_name_sqlite() -> None:
    """Nothing but a store's module names sqlite3; everybody else gets errors of the domain."""
    named_by = [name for name, path in MODULES.items() if "sqlite3" in path.read_text(encoding="utf-8")]
    stores = [each for each in named_by if each.startswith("storage.") or "sqlite" in each.rpartition(".")[2]]
    assert named_by
    assert named_by == stores

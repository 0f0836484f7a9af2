"""What cannot be made again, saved beside writers and brought back whole."""

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
from conftest import configured, fill
from running import key, run


def keys(data: Path) -> set[str]:
    """The labels of all keys."""
    return {each["label"] for each in orjson.loads(run("key", "list", "--json", data=data))}


def test_what_was_saved_comes_back(
    tmp_path: Path, drawn: Path, stocked: Path, drawn_isbns: list[str]
) -> None:
    """A backup beside an open writer, restored into a new folder, has the keys and every original; what was
    not committed is not in it, and a second backup copies only what is new."""
    data, saved, other = tmp_path / "data", tmp_path / "saved", tmp_path / "other"
    fill(configured(data), stocked, drawn)
    key(data)
    with closing(sqlite3.connect(data / "state.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE key SET label = 'uncommitted'")
        first = orjson.loads(run("backup", saved, "--json", data=data))
    again = orjson.loads(run("backup", saved, "--json", data=data))
    assert first["databases"] == 2
    assert (again["originals"], again["there"]) == (0, first["originals"])

    restored = orjson.loads(run("restore", saved, "--json", data=other))
    assert restored["originals"] == first["originals"] > 0
    assert keys(other) == {"tests"}
    (book,) = orjson.loads(run("cover", drawn_isbns[0], "--json", data=other))["books"]
    assert [each["present"] for each in book["originals"]] == [True]
    assert not [
        path for path in other.rglob("*") if path.name.partition("-")[0].isdigit() and path.parent == other
    ]


def test_a_restore_overwrites_nothing_and_takes_nothing_damaged(tmp_path: Path) -> None:
    """A data folder with databases is left as it is; a damaged backup is refused, and nothing written."""
    data, saved, other = tmp_path / "data", tmp_path / "saved", tmp_path / "other"
    key(data)
    run("backup", saved, data=data)
    assert "has state.db" in run("restore", saved, data=data, code=1)
    (saved / "state.db").write_bytes(b"no database at all" * 1000)
    said = run("restore", saved, data=other, code=1)
    assert f"{saved}/state.db is damaged" in said
    assert not other.exists()
    assert "neither state.db" in run("restore", tmp_path, data=other, code=1)

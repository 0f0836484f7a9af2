"""What `bench nodes` asks for: books in a shared catalogue, their originals in an object store, and keys."""

import hashlib
import importlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from bench import books
from coverproxy.config import load
from coverproxy.domain.formats import Loader
from coverproxy.domain.original import DIGEST_BYTES, Original
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.files import object_key

TAKES, LIMIT = 3000, 300
PREFIX = "bench"


class Noted(dict[str, Any]):
    """The objects of the S3 server. `covers`: the numbers of the books that it has a cover of."""

    def __init__(self) -> None:
        super().__init__()
        self.covers: set[int] = set()

    def __setitem__(self, key: str, value: Any) -> None:
        """Enter an object."""
        super().__setitem__(key, value)
        if "/derivatives/" in key:
            self.covers.add(int(key.split("/")[-2][:12]) - books.FIRST)


def environment(database: str, endpoint: str) -> dict[str, str]:
    """Return what a node's environment has, for that database and S3 server."""
    server = importlib.import_module("s3_server")
    return {
        "COVERPROXY_STORE__URL": database, "COVERPROXY_STORE__OBJECTS": f"s3://{server.BUCKET}/{PREFIX}",
        "COVERPROXY_STORE__OBJECTS_ENDPOINT": endpoint, "AWS_REGION": server.REGION,
        "AWS_ACCESS_KEY_ID": server.KEY_ID, "AWS_SECRET_ACCESS_KEY": server.SECRET,
        "COVERPROXY_LOG__LEVEL": "error", "COVERPROXY_RENDER__ANSWER_WITHIN_SECONDS": "30",
        "COVERPROXY_RENDER__BROWSER_ANSWER_WITHIN_SECONDS": "30", "COVERPROXY_RENDER__QUEUE": "64",
    }  # fmt: skip


class Stock:
    """Books 0 to *count* with their originals in the object store; then *new* and TAKES that are files."""

    def __init__(self, folder: Path, covers: Path | None, count: int, new: int) -> None:
        self.folder, self.count = folder, count
        self._covers, self._new = covers, new
        self._env: Mapping[str, str] = {}
        self.objects = Noted()
        self.key = self.small = ""
        self.others: list[str] = []

    def new(self, first: int, last: int) -> range:
        """Return further books, by their place among the new ones."""
        return range(self.count + first, self.count + last)

    def takes(self) -> range:
        """Return the books that a key's quota does not suffice for."""
        return range(self.count + self._new, self.count + self._new + TAKES)

    def prepare(self, env: Mapping[str, str]) -> None:
        """Enter the books, and make two keys."""
        from coverproxy.wiring.data_folder import open_shelf

        self._env = env
        found = books.originals(self._covers, self.folder / "drawn")
        config = load(None, env, {"data": {"dir": str(self.folder / "node0")}})
        count = self.count + self._new + TAKES
        with open_shelf(config) as shelf:
            shelf.catalogue.add_new(self._original(each, found[each % len(found)]) for each in range(count))
        self.key, self.small = self._new_key(10**9), self._new_key(LIMIT)

    def _original(self, number: int, file: Path) -> Original:
        identifier, date = Identifier(ISBN, books.isbn(number)), books.DATE + number
        if number >= self.count:
            digest = number.to_bytes(DIGEST_BYTES)
            return Original(identifier, digest, Loader.JPEG, 1, 1, 1, date, path=str(file.resolve()))
        plain = file.read_bytes()
        body = plain[:2] + b"\xff\xfe\x00\x06%04x" % number + plain[2:]  # a comment: each book's own bytes
        digest = hashlib.sha256(body).digest()[:DIGEST_BYTES]
        original = Original(identifier, digest, Loader.JPEG, 1, 1, len(body), date)
        stored = importlib.import_module("s3_server").Stored
        self.objects[f"{PREFIX}/{object_key(original)}"] = stored(body, date)
        return original

    def make_another_key(self) -> None:
        """Make a key while something is wrong elsewhere."""
        self.others.append(self._new_key(10))

    def _new_key(self, limit: int) -> str:
        return str(self._told("key", "create", "--label", "bench", "--daily-limit", str(limit))["key"])

    def counted(self, key: str) -> int:
        """Return how many covers are counted for a key."""
        return sum(day["made"] for day in self._told("key", "show", key)["days"])

    def _told(self, *words: str) -> Any:
        command = [sys.executable, "-m", "coverproxy", *words, "--json"]
        command += ["--data", str(self.folder / "node0")]
        done = subprocess.run(command, check=True, capture_output=True, env={**os.environ, **self._env})
        return orjson.loads(done.stdout)

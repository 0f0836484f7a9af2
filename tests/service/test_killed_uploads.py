"""kill -9 in the middle of uploads, replacements, hiding, reviews and undoing: nothing torn or lost."""

import hashlib
import http.client
import os
import random
import re
import signal
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import images
import orjson
import pytest
import running
from library import BOOK, OTHERS, Library
from running import ENVIRONMENT, Process, key

from coverproxy.domain.decisions import Act
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.original import OriginalState

KILLS = int(os.environ.get("COVERPROXY_TEST_KILLS", "5"))
"""How often a server is killed; more take longer and find more."""

TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's
SETTINGS = {
    "COVERPROXY_OPS__PORT": "0", "COVERPROXY_ADMIN__TOKEN": TOKEN, "COVERPROXY_UPLOAD__PER_HOUR": "1000000",
}  # fmt: skip


@dataclass
class Librarian:
    """Uploads one picture after the other, each in another way in place of the last; hides every second.

    `shown`: what the server acknowledged, by digest: whether it shows. An upload takes the place of what
    shows. `doing`: what was sent last: a digest that may be there, or not, or be hidden, or not.
    """

    key: str
    shown: dict[bytes, bool] = field(default_factory=dict)
    doing: bytes = b""
    acts: int = 0
    pictures: int = 0
    cookies: dict[str, str] = field(default_factory=dict)

    def work(self, port: int) -> None:
        """Go on until the server is gone."""
        with suppress(OSError, http.client.HTTPException):
            while True:
                self.pictures += 1
                body = images.distinct(images.small_jpeg(), self.pictures)
                self.doing = digest_of(body)
                self._send(port, body)
                self.shown = {each: False for each, is_shown in self.shown.items() if not is_shown}
                self.shown[self.doing] = True
                if self.pictures % 2:
                    wish = {"act": "hide", "digest": self.doing.hex()}
                    self._ask(port, "POST", "originals", orjson.dumps(wish))
                    self.shown[self.doing] = False

    def _send(self, port: int, body: bytes) -> None:
        """Upload by PUT, by a form for programs, and on the page with its two steps, in turn."""
        how = self.pictures % 3
        if how == 0:
            self._ask(port, "PUT", "original", body)
        elif how == 1:
            form, kind = form_of({}, body)
            self._ask(port, "POST", "original", form, kind)
        else:
            self._send_by_page(port, body)

    def _send_by_page(self, port: int, body: bytes) -> None:
        page = f"/admin/upload/isbn/{BOOK}"
        self._submit(port, "/admin/login", {"token": TOKEN}, self._token(port, "/admin"))
        form, kind = form_of({"form_token": self._token(port, page)}, body)
        status, _, seen = self._visit(port, "POST", page, form, kind)
        assert status == 303
        self.acts += 1
        status, _, _ = self._submit(port, seen, {"act": "save"}, self._token(port, seen))
        assert status == 200

    def _token(self, port: int, path: str) -> str:
        _, text, _ = self._visit(port, "GET", path)
        return str(re.findall(r'name="form_token" value="([\w-]+)"', text)[-1])

    def _submit(self, port: int, path: str, fields: dict[str, str], token: str) -> tuple[int, str, str]:
        body = urlencode(fields | {"form_token": token}).encode()
        return self._visit(port, "POST", path, body, "application/x-www-form-urlencoded")

    def _visit(
        self, port: int, method: str, path: str, body: bytes | None = None, kind: str = ""
    ) -> tuple[int, str, str]:
        """Ask as a browser that keeps its cookies; return the status, the text and where it leads."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Accept": "text/html", "Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        connection.request(method, path, body, headers | ({"Content-Type": kind} if kind else {}))
        got = connection.getresponse()
        text = got.read().decode()
        for each in got.headers.get_all("Set-Cookie") or []:
            name, _, value = each.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return got.status, text, got.headers.get("Location", "")

    def _ask(self, port: int, method: str, what: str, body: bytes, kind: str = "") -> None:
        self.acts += 1
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        path, headers = f"/devkey/{self.key}/{what}/isbn/{BOOK}", {"Authorization": f"Bearer {TOKEN}"}
        connection.request(method, path, body, headers | ({"Content-Type": kind} if kind else {}))
        got = connection.getresponse()
        told = got.read()
        connection.close()
        assert got.status in (200, 201), told


def form_of(fields: dict[str, str], picture: bytes) -> tuple[bytes, str]:
    """A form with a file as its last field, and its media type."""
    parts = [
        f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in fields.items()
    ]
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="c.jpg"\r\n\r\n'
    return b"".join([*parts, head, picture, b"\r\n--edge--\r\n"]), "multipart/form-data; boundary=edge"


def digest_of(body: bytes) -> bytes:
    """What a picture is called in the catalogue."""
    return hashlib.sha256(body).digest()[:16]


def started(data: Path) -> tuple[Process, int]:
    """Start a server in a session of its own, so that a kill reaches its workers too; return its port."""
    words = ["serve", "--data", data, "--port", "0", "--json"]
    process = running.started(*words, env=ENVIRONMENT | SETTINGS, session=True)
    assert process.stdout
    return process, int(orjson.loads(process.stdout.readline())["url"].rpartition(":")[2])


def ended(process: Process, number: int) -> None:
    """Send a signal to a server and its workers, and wait for its end."""
    os.killpg(process.pid, number)
    process.wait(30)
    if process.stdout:
        process.stdout.close()


@pytest.mark.timeout(60 * KILLS)  # six servers one after the other, on a machine that may be busy
def test_a_killed_server_keeps_what_it_said(tmp_path: Path) -> None:
    """What was acknowledged is there as it was told; what was not is whole or absent; no temporary stays."""
    library = Library(tmp_path)
    librarian, moments = Librarian(key(library.data)), random.Random()  # noqa: S311 - moments, not secrets
    for _ in range(KILLS):
        process, port = started(library.data)
        left = list((library.data / "originals" / "tmp").iterdir())
        before, thread = librarian.acts, threading.Thread(target=librarian.work, args=(port,))
        thread.start()
        while librarian.acts < before + 3 and thread.is_alive():
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.15))
        ended(process, signal.SIGKILL)
        thread.join()
        assert left == []
        assert librarian.acts >= before + 3
        agrees(library, librarian)
    process, _ = started(library.data)
    left = list((library.data / "originals" / "tmp").iterdir())
    ended(process, signal.SIGTERM)
    assert left == []
    agrees(library, librarian)


def agrees(library: Library, librarian: Librarian) -> None:
    """Assert that each row has its bytes, and is in the state that was acknowledged."""
    assert library.is_sound()
    with library.shelf() as shelf:
        rows = {each.digest: each for each in shelf.catalogue.find(Identifier(ISBN, BOOK))}
    assert set(rows) - set(librarian.shown) <= {librarian.doing}
    is_entered = librarian.doing in rows
    for digest, is_shown in librarian.shown.items():
        if digest != librarian.doing and not (is_shown and is_entered and digest not in rows):
            assert (rows[digest].state is not OriginalState.HIDDEN) is is_shown
    # what was entered or hidden without a word counts from now on as it is
    librarian.shown = {digest: one.state is not OriginalState.HIDDEN for digest, one in rows.items()}
    pinned = [each.digest for each in rows.values() if each.is_pinned]
    assert len(pinned) <= 1


@dataclass
class Reviewer:
    """Approves what waits, book by book, and undoes each, in turn. `acts`: those acknowledged, by book."""

    key: str
    acts: dict[str, int] = field(default_factory=dict)
    doing: str = ""

    def work(self, port: int) -> None:
        """Go on until the server is gone."""
        with suppress(OSError, http.client.HTTPException):
            while True:
                for book in OTHERS:
                    self.doing = book
                    told = self._ask(port, "GET", None)
                    wish: dict[str, object] = {"act": "approve", "digest": told["originals"][0]["digest"]}
                    if told["history"] and told["history"][0]["act"] == "approve":
                        wish = {"act": "undo", "number": told["history"][0]["number"]}
                    self._ask(port, "POST", orjson.dumps(wish))
                    self.acts[book] = self.acts.get(book, 0) + 1

    def _ask(self, port: int, method: str, body: bytes | None) -> Any:
        path = f"/devkey/{self.key}/originals/isbn/{self.doing}"
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}"})
            got = connection.getresponse()
            told = got.read()
        assert got.status == 200, told
        return orjson.loads(told)


@pytest.mark.timeout(60 * KILLS)
def test_a_killed_review_is_done_or_not(tmp_path: Path) -> None:
    """An approval and its undoing are in the picture's state and in the history, or in neither."""
    library = Library(tmp_path)
    for number, book in enumerate(OTHERS):
        library.put(f"{book}.jpg", images.distinct(images.small_jpeg(), number))
    library.take_in()
    with closing(sqlite3.connect(library.data / "catalogue.db", isolation_level=None)) as connection:
        connection.execute("UPDATE original SET state = 'pending'")
    reviewer, moments = Reviewer(key(library.data)), random.Random()  # noqa: S311 - moments, not secrets
    for _ in range(KILLS):
        process, port = started(library.data)
        before, thread = sum(reviewer.acts.values()), threading.Thread(target=reviewer.work, args=(port,))
        thread.start()
        while sum(reviewer.acts.values()) < before + 3 and thread.is_alive():
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.05))
        ended(process, signal.SIGKILL)
        thread.join()
        assert sum(reviewer.acts.values()) >= before + 3
        reviewed(library, reviewer)


def reviewed(library: Library, reviewer: Reviewer) -> None:
    """Assert that states and histories say the same, and all that was acknowledged."""
    assert library.is_sound()
    with library.shelf() as shelf:
        for book in OTHERS:
            (original,) = shelf.catalogue.find(Identifier(ISBN, book))
            deeds = [each.act for each in shelf.catalogue.decisions.history(Identifier(ISBN, book), 10_000)]
            known = reviewer.acts.get(book, 0)
            assert len(deeds) in ((known, known + 1) if book == reviewer.doing else (known,))
            assert deeds == [Act.UNDO if at % 2 else Act.APPROVE for at in range(len(deeds))][::-1]
            assert (original.state is OriginalState.PENDING) is (len(deeds) % 2 == 0)
            reviewer.acts[book] = len(deeds)

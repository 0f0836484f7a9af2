"""The commands for keys that people asked for: approved, replaced, changed, and a word for their owner."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from conftest import COVERED, configured, take_in

from coverproxy.cli import main
from coverproxy.domain.api_key import Key, new_name
from coverproxy.wiring.accounts import open_accounts
from coverproxy.wiring.data_folder import DataFolder


@pytest.fixture
def waiting(tmp_path: Path) -> Key:
    """A key that was asked for on the page."""
    key = Key(new_name(), "waits", 10, is_waiting=True, contact="w@example.org")
    config = configured(tmp_path)

    async def enter() -> None:
        async with open_accounts(config, DataFolder(config)) as accounts:
            await accounts.save(key)

    asyncio.run(enter())
    return key


def run(tmp_path: Path, *arguments: str, code: int = 0) -> str:
    got = CliRunner().invoke(main, ["key", *arguments, "--data", str(tmp_path)])
    assert got.exit_code == code, got.output
    return got.output


def told(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    found = orjson.loads(run(tmp_path, *arguments, "--json"))
    assert isinstance(found, dict)
    return found


def test_a_key_that_waits_is_approved(tmp_path: Path, waiting: Key) -> None:
    """It is shown with its contact, cannot be replaced yet, and is active once approved."""
    shown = told(tmp_path, "show", waiting.name)
    assert (shown["state"], shown["contact"]) == ("waiting", "w@example.org")
    assert "does not work now" in run(tmp_path, "rotate", waiting.name, code=1)
    assert told(tmp_path, "approve", waiting.name)["state"] == "active"


def test_a_key_is_replaced_once_at_a_time(tmp_path: Path, waiting: Key) -> None:
    """The new key counts as the old one, which ends; a second replacement has to wait."""
    run(tmp_path, "approve", waiting.name)
    new = told(tmp_path, "rotate", waiting.name, "--keep", "3")
    assert new["counted_as"] == waiting.name
    assert told(tmp_path, "show", waiting.name)["expires_at"]
    assert "was replaced already" in run(tmp_path, "rotate", new["key"], code=1)


def test_what_a_key_shows_is_chosen(tmp_path: Path, waiting: Key) -> None:
    """404 makes it strict, a card undoes that, and anything else is a usage error."""
    assert told(tmp_path, "no-cover", waiting.name, "404")["strict"] is True
    chosen = told(tmp_path, "no-cover", waiting.name, "card")
    assert (chosen["strict"], chosen["no_cover"]) == (False, "card")
    run(tmp_path, "no-cover", waiting.name, "html", code=2)


def test_a_key_gets_a_role_and_sizes(tmp_path: Path, waiting: Key) -> None:
    """Role and sizes are chosen when a key is made or later, and shown and listed."""
    made = told(tmp_path, "create", "--label", "opac", "--role", "server", "--named-sizes")["key"]
    shown = told(tmp_path, "show", made)
    assert (shown["role"], shown["named_sizes_only"]) == ("server", True)
    assert told(tmp_path, "role", made, "batch")["role"] == "batch"
    assert told(tmp_path, "sizes", made, "all")["named_sizes_only"] is False
    assert "batch" in run(tmp_path, "list")
    run(tmp_path, "role", made, "robot", code=2)


def test_approving_gives_the_role_asked_for(tmp_path: Path, waiting: Key) -> None:
    """The role that was asked for is listed, and given with the approval unless another is named."""
    config = configured(tmp_path)

    async def ask() -> None:
        async with open_accounts(config, DataFolder(config)) as accounts:
            await accounts.save(replace(waiting, asked_role="server"))

    asyncio.run(ask())
    assert "asks for the role server" in run(tmp_path, "list")
    approved = told(tmp_path, "approve", waiting.name)
    assert (approved["role"], approved["asked_role"]) == ("server", None)
    assert told(tmp_path, "approve", waiting.name, "--role", "browser")["role"] == "browser"


def test_the_url_to_try_is_of_a_book_that_is_here(tmp_path: Path, drawn: Path) -> None:
    """The URL that key create prints names a book with a cover; a card where there is none yet."""
    empty = told(tmp_path / "empty", "create", "--label", "a")
    assert empty["url"].endswith("?default=card")
    take_in(configured(tmp_path / "full"), drawn / "0140449132.jpg")
    assert told(tmp_path / "full", "create", "--label", "a")["url"].endswith("/medium/isbn/9780140449136")


def test_a_secret_is_no_key_for_any_command(tmp_path: Path, waiting: Key) -> None:
    """A secret where a key belongs is told from an unknown key, and is not repeated."""
    secret = told(tmp_path, "word", waiting.name)["word"]
    for command in ("show", "revoke", "approve"):
        result = CliRunner().invoke(main, ["key", command, secret, "--data", str(tmp_path)])
        assert (result.exit_code, "owner's secret, not the key" in result.output) == (1, True)
        assert secret not in result.output
    listed = tmp_path / "list.txt"
    listed.write_text(COVERED)
    fetch = ["fetch", "--server", "http://127.0.0.1:1", "--key", secret, str(listed), "-o", str(tmp_path)]
    result = CliRunner().invoke(main, fetch)
    assert (result.exit_code, "owner's secret, not the key" in result.output) == (2, True)


def test_an_owner_gets_another_word(tmp_path: Path, waiting: Key) -> None:
    """Each time another word is printed; of none is anything but a hash kept."""
    words = {told(tmp_path, "word", waiting.name)["word"] for _ in range(2)}
    assert len(words) == 2
    assert all(re.fullmatch("cp_sec_[a-z2-9]{26}", word) for word in words)
    assert not any(word in run(tmp_path, "show", waiting.name) for word in words)

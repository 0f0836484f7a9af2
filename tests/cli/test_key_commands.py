"""The commands for keys that people asked for: approved, replaced, changed, and a word for their owner."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from conftest import configured

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


def test_an_owner_gets_another_word(tmp_path: Path, waiting: Key) -> None:
    """Each time another word is printed; of none is anything but a hash kept."""
    words = {told(tmp_path, "word", waiting.name)["word"] for _ in range(2)}
    assert len(words) == 2
    assert all(len(word) == 26 for word in words)
    assert not any(word in run(tmp_path, "show", waiting.name) for word in words)

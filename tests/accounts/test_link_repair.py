"""Repair of nginx's links beside a process that makes one."""

from pathlib import Path

from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.storage import atomic


def test_repair_leaves_what_another_process_is_about_to_rename(tmp_path: Path) -> None:
    """A temporary link of a living process stays; one of a dead process, and a link without a key, go."""
    beside = atomic.temporary(tmp_path)
    for each in (beside, tmp_path / "4194305-0123456789abcdef0", tmp_path / "abcdefgh12345678"):
        each.symlink_to("../live")
    KeyLinks(tmp_path).repair([], 0)
    assert list(tmp_path.iterdir()) == [beside]

"""The order of the tests: what takes longest comes first, so that no process is left with it at the end."""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent

IN_CHROMIUM = (
    "web/test_walks.py", "web/test_admin_pages.py", "web/test_pages.py", "web/test_key_pages.py",
    "web/test_docs_page.py", "web/test_batch_page.py", "web/test_curation_walk.py",
    "web/shapes/test_in_chromium.py", "web/test_upload_page.py", "web/test_item_page.py",
    "web/test_navigation.py", "web/test_languages.py", "web/test_accept.py",
)  # fmt: skip
"""At the very front: so that one process starts Chromium, and not each that comes upon such a test."""

LONG = (
    "service/test_prewarm.py", "doctor/test_slow_engines.py", "web/test_openapi.py",
    "service/test_killed_feeds.py", "service/test_killed_renders.py", "service/test_killed_uploads.py",
    "cache/test_evict.py", "service/test_databases.py", "service/test_decode_guard.py",
    "service/test_second_tier.py", "service/test_importer.py", "service/test_sources.py",
    "service/test_nodes.py", "service/test_nodes_alone.py", "storage/test_postgres.py",
    "cli/test_pgbouncer.py", "cli/test_commands.py", "doctor/test_doctor.py", "server/test_supervisor.py",
    "server/test_two_processes.py", "server/test_changed_secret.py", "accounts/test_accounts.py",
    "cache/test_cache_model.py", "test_forked.py", "imaging/test_render_process.py",
    "service/test_notices.py", "service/test_covers.py",
)  # fmt: skip
"""Files with tests of many seconds, or with many of some."""

_RANKS = {name: rank for rank, name in enumerate((*IN_CHROMIUM, *LONG))}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """See pytest. The tests of a file stay together, in their order."""
    items.sort(key=lambda item: _RANKS.get(_named(item), len(_RANKS)))


def _named(item: pytest.Item) -> str:
    return item.path.relative_to(_TESTS).as_posix() if item.path.is_relative_to(_TESTS) else ""

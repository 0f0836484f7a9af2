"""What commands import: a person waits for it each time."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import configured, fill
from running import ENVIRONMENT

IMPORTED = """
import runpy, sys
sys.argv[0] = "coverproxy"
try:
    runpy.run_module("coverproxy", run_name="__main__")
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["key list", "cover 9780141439518", "cache stats"])
def test_no_server_is_imported_to_look_at_the_data_folder(
    command: str, tmp_path: Path, drawn: Path, stocked: Path
) -> None:
    """Neither HTTP, nor templates, object stores, metrics, databases' servers or decoders of pictures."""
    fill(configured(tmp_path / "data"), stocked, drawn)
    words = [sys.executable, "-c", IMPORTED, *command.split(), "--data", str(tmp_path / "data")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=ENVIRONMENT)
    servers = {"aiohttp", "jinja2", "lxml", "numpy", "obstore", "prometheus_client", "psycopg", "pyvips"}
    assert not servers & {*done.stderr.split()}


def test_a_service_loads_nothing_that_one_kind_of_file_alone_needs() -> None:
    """Each worker would hold it: the tables of MARC-8 alone take 45 MiB. Pictures are left to others."""
    program = "import sys, coverproxy.server.application, coverproxy.server.supervisor; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {*ran.stdout.split()}
    assert "coverproxy.feeds.marc" in loaded
    assert not {"pymarc", "numpy", "PIL", "pyvips", "simplejpeg", "cykooz_resizer", "psycopg"} & loaded

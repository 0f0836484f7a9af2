"""`pytest --cost`: which tests take the most CPU time."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import subprocess, sys, time
BUSY = "import time\\nwhile time.process_time() < 0.3: pass"
def test_of_much_work(): exec(BUSY.replace("0.3", "%f" % (time.process_time() + 0.3)))
def test_that_starts_a_process(): subprocess.run([sys.executable, "-c", BUSY], check=True)
def test_that_waits(): time.sleep(0.5)
"""


def test_work_counts_and_waiting_does_not(tmp_path: Path) -> None:
    """Tests are named by their CPU time, with that of their processes; the others are left out."""
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "cost", "--cost", "2", "test_some.py"]
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
    }
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    _, _, listed = done.stdout.partition(" s of CPU time in 3 tests; the most")
    lines = [line.split() for line in listed.splitlines() if "::" in line]

    assert {words[-1] for words in lines} == {
        "test_some.py::test_of_much_work",
        "test_some.py::test_that_starts_a_process",
    }
    assert all(float(words[0]) >= 0.25 for words in lines)

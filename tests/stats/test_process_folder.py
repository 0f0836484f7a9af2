"""The folder of a service's metrics: removed at its end, and at the next start where it was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from coverproxy.stats.process_folder import PREFIX, metrics_folder, sweep

HOLD = """
import os, sys, time
from pathlib import Path
from coverproxy.stats.process_folder import metrics_folder
with metrics_folder(Path(sys.argv[1])) as folder:
    worker = os.fork()
    if worker == 0:
        time.sleep(60)
        os._exit(0)
    print(folder, worker, flush=True)
    time.sleep(60)
"""


def test_it_goes_with_its_process(tmp_path: Path) -> None:
    """The folder is there while it is used, and gone afterwards."""
    with metrics_folder(tmp_path) as folder:
        assert Path(folder).parent == tmp_path
        assert sweep(tmp_path) == []
        assert Path(folder).is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_services_folder_is_swept_when_its_last_process_is_gone(tmp_path: Path) -> None:
    """A killed master leaves its folder: it stays while a worker lives, then the next start removes it."""
    master = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert master.stdout is not None
    folder, _, worker = master.stdout.readline().strip().rpartition(" ")
    master.kill()
    master.wait()
    master.stdout.close()
    try:
        with metrics_folder(tmp_path):
            assert Path(folder).is_dir()
    finally:
        os.kill(int(worker), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while sweep(tmp_path) != [Path(folder)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_killed_services_stays(tmp_path: Path) -> None:
    """A folder without an owner's file, a link, and one whose file blocks a reader are left alone."""
    (tmp_path / f"{PREFIX}other").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "owner").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    linked = tmp_path / f"{PREFIX}linked"
    linked.mkdir()
    (linked / "owner").symlink_to(elsewhere / "owner")

    assert sweep(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 4

"""The garbage collector passes over what a server has imported."""

import subprocess
import sys

SCRIPT = """
import gc
from coverproxy.concurrency.frozen_imports import frozen_imports
before = gc.get_freeze_count()
with frozen_imports():
    within = gc.isenabled()
    import email.message
print(before, within, gc.isenabled(), gc.get_freeze_count() > 1000)
"""


def test_what_is_imported_is_passed_over() -> None:
    """It rests while parts are imported, works again afterwards, and never looks at them."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0", "False", "True", "True"], done.stderr

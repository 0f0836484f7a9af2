"""What the tests change of the process and the machine they run in, once, when this is imported."""

import hashlib
import os
import signal
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

# A shell's background job ignores Ctrl-C, and so would every program that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests start hundreds of processes. Where the environment forbids bytecode beside the sources, as containers
# do, each would compile the whole product again: twice the time, so theirs is kept elsewhere.
if sys.dont_write_bytecode:
    kept_bytecode = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONDONTWRITEBYTECODE"], os.environ["PYTHONPYCACHEPREFIX"] = "", kept_bytecode
    sys.dont_write_bytecode, sys.pycache_prefix = False, kept_bytecode

# pytest shuts its folder of temporary ones to others at each start, and nginx's workers are others: a second
# run on this machine, of another checkout, would take the covers away from them. Each checkout has its own.
checkout = hashlib.sha256(str(Path(__file__).parents[1]).encode()).hexdigest()[:8]
temporary = Path(tempfile.gettempdir(), f"coverproxy-{os.geteuid()}-{checkout}")
temporary.mkdir(mode=0o755, exist_ok=True)
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(temporary))

# Every process that speaks HTTP reads the file of all authorities that the environment names, for a tenth of
# a second. OpenSSL finds them one by one in their folder, and the tests ask nobody whom they know.
os.environ.pop("SSL_CERT_FILE", None)

# Machines are slow and busy: how long an example takes proves nothing here (speed is measured in bench/).
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

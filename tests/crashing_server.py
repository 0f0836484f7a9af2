"""The product's own command with a decoder that marked originals crash or hang: see crashing_child.py.

`crashing_server.py MARK WHAT LOG ARGUMENT...`: the arguments are the command's.
"""

import os
import sys
from pathlib import Path

os.environ["PROMETHEUS_MULTIPROC_DIR"] = ""  # `serve` names the folder, but only after our first import

from coverproxy.cli import main
from coverproxy.imaging import render_process

CHILD = Path(__file__).with_name("crashing_child.py")

render_process.COMMAND = [sys.executable, "-P", str(CHILD), *sys.argv[1:4]]
if __name__ == "__main__":
    main(args=sys.argv[4:])

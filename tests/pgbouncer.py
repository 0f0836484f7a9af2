"""PgBouncer in transaction mode before the tests' PostgreSQL: transactions share no connection."""

import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from ports import free_port
from postgres_server import Cluster, its_user
from services import program

CONFIG = """
[databases]
* = host=127.0.0.1 port={server} user=coverproxy
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_reset_query =
"""


@pytest.fixture
def urls(postgres: Cluster) -> Iterator[tuple[str, str]]:
    """A new database as it is reached through PgBouncer, and straight."""
    straight, port = postgres.new_database(), free_port()
    folder = Path(tempfile.mkdtemp(prefix="coverproxy-pgbouncer-"))
    (folder / "ini").write_text(CONFIG.format(server=postgres.port, port=port))
    user = its_user()
    group = pwd.getpwnam(user).pw_gid if user else None
    if user:
        for each in (folder, folder / "ini"):
            shutil.chown(each, user)
    bouncer = subprocess.Popen(
        [program("pgbouncer"), "-q", str(folder / "ini")], user=user, group=group, cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = straight.replace(f":{postgres.port}", f":{port}")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            psycopg.connect(url).close()
            break
        except psycopg.OperationalError:
            time.sleep(0.05)
    yield url, straight
    bouncer.terminate()
    bouncer.wait(10)
    shutil.rmtree(folder, ignore_errors=True)

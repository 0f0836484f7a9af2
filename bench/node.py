"""A node of several, for `bench nodes`: the service with its own data folder, behind its own nginx."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from bench import serve
from bench.serve import Served

_START_SECONDS, _END_SECONDS = 120, 60


class Node:
    """A node: its folder, its addresses, and its process while it lives. `kills`: how often it was killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port, self._ops = serve.free_port(), serve.free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._front = contextlib.ExitStack()
        self.url = ""
        self.kills = 0

    def begin(self) -> None:
        """Start its nginx, which stays until end()."""
        served = Served(f"http://127.0.0.1:{self._port}", "", "", 0, self.folder)
        self.url = self._front.enter_context(serve.front(self.folder.with_suffix(".nginx"), served))

    async def start(self, env: Mapping[str, str]) -> None:
        """Start its service, and wait until it says its address."""
        async with asyncio.timeout(_START_SECONDS):
            self._process = await asyncio.to_thread(self._started, env)

    def _started(self, env: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "coverproxy", "serve", "--workers", "1", "--json"]
        command += ["--data", str(self.folder), "--port", str(self._port)]
        with self.folder.with_suffix(".log").open("ab") as said:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=said, start_new_session=True,
                env={**os.environ, **env, "COVERPROXY_OPS__PORT": str(self._ops)},
            )  # fmt: skip
        assert process.stdout
        assert process.stdout.readline(), f"the node did not start: {self.folder.with_suffix('.log')}"
        return process

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.kills += 1
        await self.stop(signal.SIGKILL)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """End all its processes by a signal; its nginx stays."""
        process, self._process = self._process, None
        if process is not None and process.stdout is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            await asyncio.to_thread(process.wait, _END_SECONDS)
            process.stdout.close()

    async def end(self) -> None:
        """End it, and its nginx."""
        await self.stop()
        await asyncio.to_thread(self._front.close)

    async def is_ready(self, client: aiohttp.ClientSession) -> bool:
        """Say whether nothing is wrong with it."""
        with contextlib.suppress(aiohttp.ClientError):
            async with client.get(f"http://127.0.0.1:{self._ops}/readyz") as answer:
                return answer.status == 200
        return False

"""Several render processes: each picture gets a free one."""

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from coverproxy.imaging.render_process import Bounds, RenderProcess, RenderReply
from coverproxy.imaging.sandbox import Confinement


class RenderProcesses:
    """The pool of render processes: as many as may decode at once."""

    def __init__(self, count: int, bounds: Bounds, command: Sequence[str] = ()) -> None:
        # The kernel kills a child with the thread that started it, and the caller's may end at any moment.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="start")
        self._all = [RenderProcess(bounds, self._starter, command) for _ in range(count)]
        # The last one used is the next: fewer are awake. A LifoQueue would take 13 calls of Python a picture.
        self._free = list(self._all)
        self._turns: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in self._all:
            self._turns.put(None)

    def start(self) -> None:
        """Start all of them and wait until they are ready. MUST come before any run(). Raises Unavailable."""
        for process in self._all:
            process.restart()
        for process in self._all:
            process.ready()

    @property
    def fault(self) -> str | None:
        """Why one of them does not start, or None."""
        return next((each.fault for each in self._all if each.fault), None)

    @property
    def confinement(self) -> Confinement | None:
        """The confinement in force, once a process is ready."""
        return next((each.confinement for each in self._all if each.confinement), None)

    def run(self, operation: str, arguments: tuple[Any, ...], body: bytes) -> RenderReply:
        """Run an operation, as RenderProcess.run() does, on a free process. Blocks."""
        self._turns.get()
        process = self._free.pop()
        try:
            return process.run(operation, arguments, body)
        finally:
            self._free.append(process)
            self._turns.put(None)

    def numbers(self) -> list[int]:
        """Return the ids of the running processes."""
        return [process.number for process in self._all if process.number]

    def shared_bytes(self) -> int:
        """Return the bytes of shared memory in use."""
        return sum(process.shared_bytes() for process in self._all)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all living processes."""
        return sum(process.cpu_seconds() for process in self._all)

    def rest(self) -> None:
        """End them for now. None may be in use."""
        for process in self._all:
            process.rest()

    def stop(self) -> None:
        """Kill all of them for good, used or not."""
        for process in self._all:
            process.stop()

    def close(self) -> None:
        """End all processes. None may be in use."""
        for process in self._all:
            process.close()
        self._starter.shutdown()

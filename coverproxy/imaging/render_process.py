"""Render processes: bounded in memory and time, one picture at a time, replaced when they die."""

import logging
import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from coverproxy.concurrency import idle
from coverproxy.concurrency.held_signals import GROUP_SIGNALS, held
from coverproxy.domain.errors import DecoderDied, Unavailable, UnusableOriginal
from coverproxy.imaging import reaping
from coverproxy.imaging.reaping import Ended
from coverproxy.imaging.render_environment import REQUEST_BYTES, environment
from coverproxy.imaging.sandbox import Confinement

COMMAND = [sys.executable, "-P", "-m", "coverproxy.imaging.render_child"]
"""The program of a render process, started afresh, never forked: libvips' threads do not survive a fork."""

START_SECONDS = 60.0
"""Time limit for starting a render process; it takes about a second on an idle machine."""

_KEPT_BYTES = 1_048_576
"""Shared memory kept between two pictures; the rest of a large one is returned."""

_LEAST_FILE_BYTES = 67_108_864
_DYING_SECONDS = 1.0
_SLICES = 20
_MOST_WAITS = 10  # times its seconds, for a process that others keep from running
_AGAIN_SECONDS = 1.0
_STARTS = 5  # in a row that somebody may kill

_OWN_DOING = 67_108_864
"""Bytes that a picture takes before its process's death by SIGKILL is its doing: the OOM killer takes render
processes first, whoever it is that needs the memory."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits for decoding one picture: seconds, bytes of address space, and bytes of its file.

    `niceness`: added to our own once the process is ready, so that the start itself is fast.
    """

    seconds: float
    memory_bytes: int
    body_bytes: int
    niceness: int = 0


@dataclass(frozen=True, slots=True)
class RenderReply:
    """The result for a picture: facts, which are not trusted, and bytes."""

    facts: dict[str, Any]
    body: bytes


class RenderProcess:
    """One process, and the memory that it shares with us. For one thread at a time.

    The kernel kills it with the thread that started it, so *starter*'s thread MUST outlive its use.
    """

    def __init__(self, bounds: Bounds, starter: Executor, command: Sequence[str] = ()) -> None:
        self._bounds = bounds
        self._starter = starter
        self._command = command
        self._memory = os.memfd_create("picture", os.MFD_CLOEXEC)
        self._ready_bytes = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._failed_at = float("-inf")
        self._is_stopped = False
        self.fault: str | None = None
        self.confinement: Confinement | None = None

    def _start(self) -> None:
        self._renew_memory()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        bounds, handles = self._bounds, (theirs.fileno(), self._memory)
        numbers = (*handles, os.getpid(), bounds.memory_bytes, _file_bytes(bounds), bounds.niceness)
        command = [*(self._command or COMMAND), *map(str, numbers)]
        try:
            self._process = self._starter.submit(_popen, command, handles).result()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket, self.confinement = ours, None
        _wait_at_most(ours, START_SECONDS)

    def _renew_memory(self) -> None:
        """Share other memory than with the process before: where seccomp is missing it may have children."""
        fresh = os.memfd_create("picture", os.MFD_CLOEXEC)
        os.dup2(fresh, self._memory, inheritable=False)
        os.close(fresh)

    def run(self, operation: str, arguments: tuple[Any, ...], body: bytes) -> RenderReply:
        """Run *operation* on *body*. Blocks. A process killed from outside is replaced, and asked once more.

        Raises UnusableOriginal, DecoderDied, and Unavailable if no process can be started or is let live.
        """
        if len(body) > self._bounds.body_bytes:
            raise UnusableOriginal("limit", f"more than {self._bounds.body_bytes} bytes")
        for _ in range(2):
            told = self._ask(operation, arguments, body)
            if told:
                try:
                    return self._answer(told)
                finally:
                    self._give_back()
            ended = self._end(_DYING_SECONDS)
            taken = ended.peak_bytes - self._ready_bytes
            if self._is_stopped:
                raise DecoderDied("the service stops")
            self.restart()
            if ended.code != -signal.SIGKILL:
                raise DecoderDied(_cause(ended.code))
            _log.warning("a render process was killed", extra={"of": operation})
        if taken > _OWN_DOING:
            raise DecoderDied(f"its process was killed twice (out of memory? It took {taken // 2**20} MiB)")
        raise Unavailable("its render process was killed twice by others")

    def _ask(self, operation: str, arguments: tuple[Any, ...], body: bytes) -> bytes:
        """Return the process's answer, b"" if it died. Raises DecoderDied if it does not answer."""
        told = None
        try:
            asked = self._sent(len(body).to_bytes(8, "little") + _request(operation, arguments), body)
            began = self.cpu_seconds()
            for _ in range(_MOST_WAITS):
                told = self._receive(asked)
                if told is not None or not self._is_starved(began):
                    break
        except ConnectionError:
            return b""
        if told is None and idle.is_stopped(self.number):  # by others: as if they had killed it
            return b""
        if told is None:
            self.restart()
            raise DecoderDied(f"not finished after {self._bounds.seconds:g} s", is_late=True)
        return told

    def _sent(self, request: bytes, body: bytes) -> socket.socket:
        """Send a request to a ready process, and return its socket. Raises Unavailable.

        A process that died at rest takes none, and is replaced: no picture is the cause.
        """
        try:
            return self._sent_once(request, body)
        except ConnectionError:
            if not self._is_stopped:
                self.restart()
            return self._sent_once(request, body)

    def _sent_once(self, request: bytes, body: bytes) -> socket.socket:
        asked = self.ready()  # MUST come first: another process has other memory
        os.pwrite(self._memory, body, 0)
        asked.send(request)
        return asked

    def _receive(self, asked: socket.socket) -> bytes | None:
        """Wait for a message; None on timeout. Time is counted in slices, each of which expires once.

        So a machine that was suspended (SIGSTOP, a paused VM) does not condemn the picture when it resumes.
        """
        for _ in range(_SLICES):
            try:  # a suppress() would be three calls more for each picture
                return asked.recv(REQUEST_BYTES)
            except BlockingIOError:
                continue
        return None

    def _is_starved(self, began: float) -> bool:
        """Return whether others took the cores: it would run, and has not had its seconds of CPU time yet."""
        has_time = self.cpu_seconds() - began < self._bounds.seconds
        return has_time and idle.is_waiting_for_a_core(self.number)

    def _answer(self, told: bytes) -> RenderReply:
        """Parse an answer. The original may have taken over the process, so nothing in it is trusted."""
        try:
            facts = orjson.loads(told)
            if facts.get("memory"):
                self.restart()
                raise DecoderDied(f"it needs more than {self._bounds.memory_bytes // 2**20} MiB of memory")
            if "unusable" in facts:
                raise UnusableOriginal(str(facts["unusable"])[:100], str(facts["detail"])[:1000])
            if "mistake" in facts:
                raise RuntimeError(str(facts["mistake"])[:1000])
            length = facts["length"]
            if not 0 <= length <= os.fstat(self._memory).st_size:
                raise ValueError("bytes are missing")
            body = os.pread(self._memory, length, 0)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as exc:
            self.restart()
            raise DecoderDied(f"its process returned an invalid answer: {exc}") from exc
        return RenderReply(facts, body)

    def _give_back(self) -> None:
        if os.fstat(self._memory).st_size > _KEPT_BYTES:
            os.ftruncate(self._memory, 0)

    def ready(self) -> socket.socket:
        """Return the socket of a ready process, starting one if necessary. Raises Unavailable."""
        if self._is_stopped:
            raise Unavailable("the service stops")
        if self._socket is None:
            if time.monotonic() - self._failed_at < _AGAIN_SECONDS:
                raise Unavailable(self.fault or "render processes do not start")
            self.restart()
        assert self._socket is not None  # noqa: S101 - _start() has made it
        if self.confinement is None:
            facts = orjson.loads(self._said_first())
            if "mistake" in facts:
                self._end()
                raise self._failure(facts["mistake"])
            self.confinement, self.fault = Confinement(**facts), None
            self._ready_bytes = _resident_bytes(self.number)
            _wait_at_most(self._socket, self._bounds.seconds)
        return self._socket

    def _said_first(self) -> bytes:
        """Return what a process says once it is ready; one that is killed as it starts is started anew."""
        for left in reversed(range(_STARTS)):
            told = self._receive(self._socket) if self._socket else None
            if told:
                return told
            code = self._end(_DYING_SECONDS).code
            if code != -signal.SIGKILL or told is None or self._is_stopped:
                break
            if left:
                self.restart()
        raise self._failure(_cause(code))

    def _failure(self, why: str) -> Unavailable:
        """Remember that no process starts, and why; return the exception to raise."""
        self._failed_at = time.monotonic()
        self.fault = f"a render process does not start: {why}"
        return Unavailable(self.fault)

    def restart(self) -> None:
        """Start a new process without waiting until it is ready. Raises Unavailable."""
        self._end()
        try:
            self._start()
        except OSError as exc:
            raise self._failure(exc.strerror or str(exc)) from exc

    def _end(self, patience: float = 0) -> Ended:
        """End the process, killing it after *patience* seconds; say how it ended."""
        process, self._process = self._process, None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        return Ended(0, 0) if process is None else reaping.end(process, patience)

    def rest(self) -> None:
        """End the process for now, and give its memory back. The next run() starts another."""
        self._end(_DYING_SECONDS)
        self.confinement = None
        os.ftruncate(self._memory, 0)

    def stop(self) -> None:
        """Kill the process for good, from any thread; a caller with a picture in it gets DecoderDied."""
        self._is_stopped = True
        if process := self._process:
            process.kill()

    @property
    def number(self) -> int:
        """The process id, 0 if none runs."""
        return self._process.pid if self._process else 0

    def shared_bytes(self) -> int:
        """Return the bytes of shared memory in use."""
        return os.fstat(self._memory).st_blocks * 512

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process."""
        if (process := self._process) is None:
            return 0.0
        try:  # clock_getcpuclockid(3) of another process
            return time.clock_gettime(~process.pid << 3 | 2)
        except OSError:
            return 0.0

    def close(self) -> None:
        """End the process, which exits by itself once its socket closes, and free its memory."""
        self._end(_DYING_SECONDS)
        os.close(self._memory)


def _popen(command: list[str], handles: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    null = subprocess.DEVNULL
    with held(GROUP_SIGNALS):  # it decides nothing: until it can ignore them, they would end it
        return subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=null, stdout=null, pass_fds=handles, env=environment()
        )


def _wait_at_most(asked: socket.socket, seconds: float) -> None:
    """Have the kernel end each slice of a wait: Python's own timeout takes three calls a message, not one."""
    whole, rest = divmod(round(seconds * 1e6 / _SLICES), 1_000_000)
    asked.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", whole, max(rest, 1)))


def _file_bytes(bounds: Bounds) -> int:
    """Most bytes of the shared file. A derivative may be larger than its original, but only a small one."""
    return max(bounds.body_bytes, _LEAST_FILE_BYTES)


def _resident_bytes(process: int) -> int:
    """Return the memory that a process holds, proc_pid_statm(5); 0 if it has ended."""
    try:
        statm = Path(f"/proc/{process}/statm").read_bytes()
    except OSError:
        return 0
    return int(statm.split()[1]) * resource.getpagesize()


@lru_cache(maxsize=256)
def _request(operation: str, arguments: tuple[Any, ...]) -> bytes:
    return pickle.dumps((operation, arguments))


def _cause(code: int) -> str:
    """Describe what a process died of."""
    if code < 0:
        return signal.strsignal(-code) or f"signal {-code}"
    return f"exit code {code}"

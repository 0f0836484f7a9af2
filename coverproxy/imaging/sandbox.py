"""The sandbox of a render process: it may decode and nothing else, as far as the kernel can enforce it."""

import ctypes
import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coverproxy.imaging import seccomp

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SIGKILL = 9

_GROUP_TRIES = 10
"""How often lower_priority() tries to tell the kernel a session's niceness."""

_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
"""Syscall numbers, the same on every architecture (landlock(7)); glibc has no wrappers for them."""

_LANDLOCK_FS = ((1, 13), (2, 14), (3, 15), (5, 16))
"""Number of file rights by the kernel's ABI version. All of them are taken away."""

_CAPABILITIES_VERSION_3 = 0x20080522
"""Of capset(2), which takes three words for each half of 64 capabilities."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """The confinement in force. `landlock`: the kernel's ABI, or 0. `memory_bytes`: of address space."""

    no_new_privs: bool
    landlock: int
    seccomp: bool
    memory_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @property
    def text(self) -> str:
        """Return it in words."""
        return ", ".join(
            [
                f"memory bounded ({self.memory_bytes // 2**20} MiB)",
                "no new files or sockets",
                "no-new-privs" if self.no_new_privs else "no-new-privs is NOT in force",
                f"landlock (ABI {self.landlock})" if self.landlock else "landlock is NOT in force",
                "seccomp" if self.seccomp else "seccomp is NOT in force",
            ]
        )


def die_with(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends; exits if it has already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def die_first() -> None:
    """Make the kernel's OOM killer prefer this process over those that answer clients."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def lower_priority(niceness: int) -> Callable[[], None]:
    """Return what makes this process nicer by *niceness*. MUST come before confine(); its result may wait.

    Where the kernel groups processes by session (sched_autogroup), niceness counts within a session alone,
    and nginx has one of its own: renders would take as much of a core as nginx. So this process leaves its
    session, and the new one gets the niceness too.
    """
    if not niceness:
        return lambda: None
    group = -1
    with suppress(OSError):
        os.setsid()
        group = os.open("/proc/self/autogroup", os.O_WRONLY)

    def done() -> None:
        os.nice(niceness)
        if group >= 0:
            _write_patiently(group, str(niceness).encode())
            os.close(group)

    return done


def _write_patiently(handle: int, told: bytes) -> None:
    """Write to a file that the kernel lets only one unprivileged process write to in a tenth of a second."""
    for _ in range(_GROUP_TRIES):
        try:
            os.write(handle, told)
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:
            return
        else:
            return


def confine(memory_bytes: int, file_bytes: int) -> Confinement:
    """Confine this process permanently. MUST come before a second thread exists, and after the last import.

    Afterwards it keeps its descriptors and gets no others. It may allocate *memory_bytes* more of address
    space than it has now, and write *file_bytes* into any file.
    """
    most = _address_space() + memory_bytes
    libc = ctypes.CDLL(None, use_errno=True)
    is_locked = libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    filters = seccomp.library()  # must still open files
    _drop_capabilities(libc)
    landlock = _landlock(libc)
    limits = {
        resource.RLIMIT_AS: most, resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: 0,
    }  # fmt: skip
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    return Confinement(is_locked, landlock, bool(filters and seccomp.deny(filters)), memory_bytes)


def _drop_capabilities(libc: Any) -> None:
    """Give up root's powers, where the service runs as root; what root owns stays its own."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)())


def _address_space() -> int:
    """Return the address space of this process in bytes."""
    return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()


def _landlock(libc: Any) -> int:
    """Drop all rights to files and TCP; returns the kernel's landlock ABI, 0 without landlock."""
    abi: int = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if abi < 1:
        return 0
    rights = next(bits for since, bits in reversed(_LANDLOCK_FS) if abi >= since)
    handled = [(1 << rights) - 1, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0]
    fields = handled[: 1 + (abi >= 4) + (abi >= 6)]
    rules = (ctypes.c_uint64 * len(fields))(*fields)
    handle = libc.syscall(_LANDLOCK_CREATE_RULESET, rules, ctypes.c_size_t(ctypes.sizeof(rules)), 0)
    if handle < 0:
        return 0
    try:
        return 0 if libc.syscall(_LANDLOCK_RESTRICT_SELF, handle, 0) else abi
    finally:
        os.close(handle)

"""The sandbox of a render process: it may decode and nothing else, as far as the kernel can enforce it."""

import ctypes
import errno
import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SIGKILL = 9

_GROUP_TRIES = 10
"""How often lower_priority() tries to tell the kernel a session's niceness."""

_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
"""Syscall numbers, the same on every architecture (landlock(7)); glibc has no wrappers for them."""

_LANDLOCK_FS = ((1, 13), (2, 14), (3, 15), (5, 16))
"""Number of file rights by the kernel's ABI version. All of them are taken away."""

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
"""SCMP_ACT_ALLOW and SCMP_ACT_ERRNO(0) of libseccomp."""

_DENIED = (
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "setrlimit", "prlimit64",
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kill", "tkill",
    "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "open", "openat", "openat2", "open_by_handle_at",
    "creat", "truncate", "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink",
    "symlinkat", "mkdir", "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmodat", "chown", "lchown",
    "fchownat", "setxattr", "lsetxattr", "mount", "umount2", "unshare", "setns", "chroot", "pivot_root",
    "bpf", "perf_event_open", "io_uring_setup", "userfaultfd", "keyctl", "add_key", "request_key",
    "memfd_create", "shmget", "shmat", "msgget", "mq_open",
)  # fmt: skip
"""System calls that decoding never needs.

A denylist: the calls of libvips, Python and the C library differ by version and machine, so an
allowlist would break with the next of them.
"""


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
    seccomp = _open_seccomp()  # must still open files
    landlock = _landlock(libc)
    limits = {
        resource.RLIMIT_AS: most, resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: 0,
    }  # fmt: skip
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    return Confinement(is_locked, landlock, bool(seccomp and _deny(seccomp)), memory_bytes)


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


def _open_seccomp() -> Any:
    """Load libseccomp, which knows the system call numbers of every machine; None if it is not installed.

    By ctypes, since its Python bindings have no wheels; by name, since find_library() starts programs.
    """
    try:
        return ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None


def _deny(seccomp: Any) -> bool:
    """Deny the calls that decoding never needs; return whether the filter is in force."""
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ALLOW)))
    if not context:
        return False
    action = ctypes.c_uint32(_ERRNO | errno.EPERM)
    for call in _DENIED:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        seccomp.seccomp_rule_add(context, action, number, ctypes.c_uint(0))
    is_loaded = seccomp.seccomp_load(context) == 0
    seccomp.seccomp_release(context)
    return bool(is_loaded)

"""A filter of system calls for a process that only decodes (seccomp(2)), where libseccomp is installed."""

import ctypes
import errno
import os
import signal
from typing import Any, NamedTuple

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
"""SCMP_ACT_ALLOW and SCMP_ACT_ERRNO(0) of libseccomp."""

_NE, _EQ, _MASKED_EQ = 1, 4, 7
"""Comparisons of libseccomp."""

_CLONE_THREAD = 0x10000
_AT_EMPTY_PATH = 0x1000
_PR_SET_PDEATHSIG = 1
_PRIO_PROCESS = 0

_DENIED = (
    # sockets, programs, other processes
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "setrlimit", "prlimit64",
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kill", "tkill",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kcmp",
    "process_madvise", "process_mrelease", "migrate_pages", "move_pages", "setpgid", "setsid",
    "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set",
    # files
    "open", "openat", "openat2", "open_by_handle_at", "name_to_handle_at", "creat", "truncate", "unlink",
    "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mkdir",
    "mkdirat", "rmdir", "mknod", "mknodat", "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat",
    "setxattr", "lsetxattr", "removexattr", "lremovexattr", "getxattr", "lgetxattr", "listxattr",
    "llistxattr", "stat", "lstat", "statx", "stat64", "lstat64", "access", "faccessat", "faccessat2",
    "readlink", "readlinkat", "statfs", "statfs64", "utime", "utimes", "futimesat", "utimensat",
    "utimensat_time64", "chdir", "fchdir", "inotify_init", "inotify_init1", "inotify_add_watch",
    "fanotify_init", "memfd_secret",
    # the machine
    "mount", "umount2", "unshare", "setns", "chroot", "pivot_root", "open_tree", "move_mount", "fsopen",
    "fspick", "mount_setattr", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "reboot", "kexec_load",
    "kexec_file_load", "init_module", "finit_module", "delete_module", "sethostname", "setdomainname",
    "settimeofday", "clock_settime", "clock_settime64", "adjtimex", "clock_adjtime", "clock_adjtime64",
    "iopl", "ioperm", "syslog", "bpf", "perf_event_open", "userfaultfd",
    "io_uring_setup", "io_setup", "keyctl", "add_key", "request_key", "memfd_create", "shmget", "shmat",
    "msgget", "semget", "mq_open",
)  # fmt: skip
"""System calls that decoding never needs.

A denylist: the calls of libvips, Python and the C library differ by version and machine, so an allowlist
would break with the next of them.
"""


class _Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`: the argument's number, how it is compared, and with what."""

    _fields_ = (
        ("argument", ctypes.c_uint), ("how", ctypes.c_int),
        ("first", ctypes.c_uint64), ("second", ctypes.c_uint64),
    )  # fmt: skip


class _Rule(NamedTuple):
    """A call that is denied by its arguments."""

    call: str
    comparison: tuple[int, int, int, int]


def _rules() -> tuple[_Rule, ...]:
    """Return what decoding needs in one way and not in another.

    Threads, but no processes; to abort, but not to look as if others had killed or stopped it; niceness, but
    only our own; the facts of an open file alone.
    """
    return (
        _Rule("clone", (0, _MASKED_EQ, _CLONE_THREAD, 0)),
        _Rule("tgkill", (0, _NE, os.getpid(), 0)),
        _Rule("tgkill", (2, _NE, signal.SIGABRT, 0)),
        _Rule("setpriority", (0, _NE, _PRIO_PROCESS, 0)),
        _Rule("setpriority", (1, _NE, 0, 0)),
        _Rule("newfstatat", (3, _MASKED_EQ, _AT_EMPTY_PATH, 0)),
        _Rule("fstatat64", (3, _MASKED_EQ, _AT_EMPTY_PATH, 0)),
        _Rule("prctl", (0, _EQ, _PR_SET_PDEATHSIG, 0)),
    )


def library() -> Any:
    """Load libseccomp, which knows the system call numbers of every machine; None if it is not installed.

    By ctypes, since its Python bindings have no wheels; by name, since find_library() starts programs.
    """
    try:
        return ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None


def deny(seccomp: Any) -> bool:
    """Deny the calls that decoding never needs, permanently; return whether the filter is in force."""
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(_ALLOW)))
    if not context:
        return False
    refused, missing = (ctypes.c_uint32(_ERRNO | number) for number in (errno.EPERM, errno.ENOSYS))
    for name in _DENIED:
        seccomp.seccomp_rule_add(context, refused, _number(seccomp, name), ctypes.c_uint(0))
    # no filter can look at clone3's flags: without it, C libraries start threads by clone
    seccomp.seccomp_rule_add(context, missing, _number(seccomp, "clone3"), ctypes.c_uint(0))
    for call, comparison in _rules():
        compared = ctypes.byref(_Comparison(*comparison))
        number = _number(seccomp, call)
        seccomp.seccomp_rule_add_array(context, refused, number, ctypes.c_uint(1), compared)
    is_loaded = seccomp.seccomp_load(context) == 0
    seccomp.seccomp_release(context)
    return bool(is_loaded)


def _number(seccomp: Any, call: str) -> Any:
    """Return a call's number; a negative one, which the kernel never sees, if this machine has none."""
    return seccomp.seccomp_syscall_resolve_name(call.encode())

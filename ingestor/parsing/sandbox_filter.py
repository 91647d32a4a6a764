"""What the kernel refuses to a parser and to everything that it starts: the network above all.

A seccomp filter of a few instructions, set by ``prctl``. Set once, nothing takes it off again, and programs that a
parser starts (pandoc, soffice) have it too. Refused are sockets of every family except local ones, every
connection, the calls that would get around that (io_uring, another process's memory and descriptors), and leaving
the process group, by which the whole of it is ended. A refused call fails with EPERM.

No library: the well-known ones need libseccomp on the machine, and the filter is shorter than their use.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass
from functools import cache
from socket import AF_UNIX

_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_MODE_FILTER = 2

# Classic BPF, and where the call's facts stand in ``struct seccomp_data``.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_CALL_AT, _MACHINE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_X32 = 0x40000000  # a second numbering of the same calls


@dataclass(frozen=True, kw_only=True, slots=True)
class _Machine:
    """Numbers of one processor's system calls; ``refused`` are those that fail whatever their arguments."""

    audit: int
    socket: int
    refused: tuple[int, ...]


# io_uring (setup, enter, register) and pidfd_getfd have the same numbers everywhere.
_EVERYWHERE = (425, 426, 427, 438)
# connect, setsid, setpgid, ptrace, process_vm_readv, process_vm_writev
_GENERIC = (203, 157, 154, 117, 270, 271, *_EVERYWHERE)
_MACHINES = {
    "x86_64": _Machine(audit=0xC000003E, socket=41, refused=(42, 112, 109, 101, 310, 311, *_EVERYWHERE)),
    "aarch64": _Machine(audit=0xC00000B7, socket=198, refused=_GENERIC),
    "riscv64": _Machine(audit=0xC00000F3, socket=198, refused=_GENERIC),
}


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


@cache
def trouble() -> str:
    """Why parsers cannot be kept from the network by the kernel here; empty where they can. Changes nothing."""
    if _machine() is None:
        return f"ingestor has no filter for this processor ({platform.machine()})"
    # A filter that is nowhere: a kernel that takes filters says so, another does not know what is asked.
    if _prctl(_PR_SET_SECCOMP, _MODE_FILTER, 0) == errno.EFAULT:
        return ""
    return "this kernel takes no seccomp filters"


def refuse() -> bool:
    """Set the filter for this process, which must have one thread. False where the kernel does not take it."""
    machine = _machine()
    if machine is None or _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0) != 0:
        return False
    code = _filter(machine)
    program = _Program(len(code) // 8, code)
    return _prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program)) == 0


def _filter(machine: _Machine) -> bytes:
    """The instructions. Jumps count from the next one; the last two are "refuse" and "allow"."""
    checks = [(_IF_EQUAL, number) for number in machine.refused]
    if machine.audit == _MACHINES["x86_64"].audit:
        checks.insert(0, (_IF_AT_LEAST, _X32))
    # After the checks: "is it socket()?", its family loaded, "is it local?", refuse, allow.
    lines = [(_LOAD, 0, 0, _MACHINE_AT), (_IF_EQUAL, 0, len(checks) + 4, machine.audit), (_LOAD, 0, 0, _CALL_AT)]
    lines += [(code, len(checks) - position + 2, 0, value) for position, (code, value) in enumerate(checks)]
    lines += [(_IF_EQUAL, 0, 3, machine.socket), (_LOAD, 0, 0, _FIRST_ARGUMENT_AT), (_IF_EQUAL, 1, 0, int(AF_UNIX))]
    lines += [(_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _machine() -> _Machine | None:
    return _MACHINES.get(platform.machine()) if sys.platform == "linux" and sys.maxsize > 2**32 else None


def _prctl(option: int, value: int, pointer: int) -> int:
    """0, or the number of the error."""
    try:
        call = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return errno.ENOSYS
    done = call(option, *(ctypes.c_ulong(argument) for argument in (value, pointer, 0, 0)))
    return 0 if done == 0 else ctypes.get_errno() or errno.EINVAL

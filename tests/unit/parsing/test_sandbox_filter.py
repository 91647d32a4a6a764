"""The kernel's filter, instruction by instruction, for processors that are not this one as well."""

from __future__ import annotations

import errno
import struct
from socket import AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX

import pytest

from ingestor.parsing import sandbox_filter
from ingestor.parsing.sandbox_filter import _ALLOW, _MACHINES, _REFUSE, _filter, _Machine

every_machine = pytest.mark.parametrize("machine", _MACHINES.values(), ids=_MACHINES)


def verdict(machine: _Machine, call: int, first_argument: int = 0, audit: int | None = None) -> int:
    """What the kernel would answer: the filter run over one call's ``struct seccomp_data``."""
    facts = struct.pack("=IIQ6Q", call, machine.audit if audit is None else audit, 0, first_argument, 0, 0, 0, 0, 0)
    lines = list(struct.iter_unpack("=HBBI", _filter(machine)))
    accumulator, position = 0, 0
    while True:
        code, yes, no, value = lines[position]
        position += 1
        match code:
            case sandbox_filter._LOAD:
                (accumulator,) = struct.unpack_from("=I", facts, value)
            case sandbox_filter._IF_EQUAL:
                position += yes if accumulator == value else no
            case sandbox_filter._IF_AT_LEAST:
                position += yes if accumulator >= value else no
            case sandbox_filter._RETURN:
                return value


@every_machine
def test_only_local_sockets_may_be_made(machine: _Machine) -> None:
    """Every other family is refused, those that a person does not think of included."""
    assert verdict(machine, machine.socket, AF_UNIX) == _ALLOW
    for family in (AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, 40, 0, 2**32 - 1):
        assert verdict(machine, machine.socket, family) == _REFUSE


@every_machine
def test_what_would_get_around_it_is_refused_and_nothing_else(machine: _Machine) -> None:
    """The calls of the list, and none of the other numbers there are."""
    refused = {call for call in range(512) if verdict(machine, call, AF_UNIX) == _REFUSE}
    assert refused == set(machine.refused)
    assert _REFUSE & 0xFFFF == errno.EPERM


@every_machine
def test_calls_in_another_numbering_are_refused(machine: _Machine) -> None:
    """Else the 32-bit numbers of the same processor would be a way around."""
    assert verdict(machine, 39, audit=0x40000003) == _REFUSE
    if machine is _MACHINES["x86_64"]:
        assert verdict(machine, 0x40000000 + 39) == _REFUSE


def test_an_unknown_processor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No filter is set that was made for another one."""
    monkeypatch.setattr(sandbox_filter.platform, "machine", lambda: "vax")
    sandbox_filter.trouble.cache_clear()
    assert "this processor (vax)" in sandbox_filter.trouble()
    assert not sandbox_filter.refuse()
    sandbox_filter.trouble.cache_clear()


def test_a_kernel_without_filters_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not know what is asked of it."""
    monkeypatch.setattr(sandbox_filter.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sandbox_filter, "_prctl", lambda *_: errno.EINVAL)
    sandbox_filter.trouble.cache_clear()
    assert sandbox_filter.trouble() == "this kernel takes no seccomp filters"
    assert not sandbox_filter.refuse()
    sandbox_filter.trouble.cache_clear()

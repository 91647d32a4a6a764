"""Permission bits to principals: who can read a file through all the folders above it.

A gate is a folder or the file itself: its owner, its group and its bits. A folder is passed with read
and execute, a file with read. Whoever is named by one gate is tried at all of them; a group is taken to
be in no other group, so what needs two memberships is granted to nobody but those who own it. Where the
bits of others exceed those of the group (mode 0604 shuts a group out) others count as shut out too:
POSIX would refuse the group's members, and a set of principals can only grant.

``group:local`` stands for everyone with an account here; it is not ``public``.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat
from typing import Literal, NamedTuple

from connectors.base import Grant

LOCAL = "group:local"


class Gate(NamedTuple):
    uid: int
    gid: int
    mode: int


def gate_of(state: os.stat_result) -> Gate:
    return Gate(state.st_uid, state.st_gid, stat.S_IMODE(state.st_mode) & 0o777)


class Grants:
    """The grants of one listing. Names are looked up once: a directory service may be slow."""

    def __init__(self, permissions: Literal["posix"] | tuple[str, ...]) -> None:
        fixed = None if permissions == "posix" else frozenset(permissions)
        self._fixed = None if fixed is None else Grant(place="source", principals=fixed)
        self._principals: dict[tuple[frozenset[Gate], Gate], frozenset[str]] = {}
        self._groups_of = functools.cache(groups_of)
        self._user = functools.cache(user_name)
        self._group = functools.cache(group_name)

    @property
    def of_the_tree(self) -> bool:
        """Whether the files' own bits decide, and not a list for the whole source."""
        return self._fixed is None

    def grant(self, folder_id: str, folders: frozenset[Gate], file: Gate) -> Grant:
        """The place is the folder and the class of the file, so that a folder whose bits change is one
        changed place for each class of files in it and in the folders below, and no document changes."""
        if self._fixed is not None:
            return self._fixed
        key = (folders, file)
        if key not in self._principals:
            self._principals[key] = self._evaluate(folders, file)
        place = f"{folder_id}|{file.uid}:{file.gid}:{file.mode & 0o444:03o}"
        return Grant(place=place, principals=self._principals[key])

    def _evaluate(self, folders: frozenset[Gate], file: Gate) -> frozenset[str]:
        chain = [*((gate, 0o5) for gate in folders), (file, 0o4)]
        found = set()
        for uid in {gate.uid for gate, _ in chain}:
            groups = self._groups_of(uid)
            if all(user_passes(gate, need, uid, groups) for gate, need in chain):
                found.add(f"user:{self._user(uid)}")
        for gid in {gate.gid for gate, _ in chain}:
            if all(group_passes(gate, need, gid) for gate, need in chain):
                found.add(f"group:{self._group(gid)}")
        if all(group_passes(gate, need, None) for gate, need in chain):
            found.add(LOCAL)
        return frozenset(found)


def user_passes(gate: Gate, need: int, uid: int, groups: frozenset[int]) -> bool:
    """POSIX: the first class that applies decides, even where a later one would allow more."""
    shift = 6 if gate.uid == uid else 3 if gate.gid in groups else 0
    return (gate.mode >> shift) & need == need


def group_passes(gate: Gate, need: int, gid: int | None) -> bool:
    """``gid`` None is anyone with an account."""
    allowed = gate.mode >> 3 if gate.gid == gid else gate.mode & (gate.mode >> 3)
    return allowed & need == need


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def groups_of(uid: int) -> frozenset[int]:
    """The groups of an account; none where there is no such account."""
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        return frozenset()
    return frozenset(os.getgrouplist(account.pw_name, account.pw_gid))

"""Whom PostgreSQL runs as. It refuses to run as root, so root lends it a system user that may reach its files, and no more."""

import errno
import os
import pwd
import shutil
import stat
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from smmpanel.entrypoints.processes import LINUX

SYSTEM_USER = "smmpanel-db"
USERADD_TRIES = 20

_ACL = "system.posix_acl_access"
_ACL_VERSION = struct.pack("<I", 2)
_ACL_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_EXECUTE = 1


class NoUserForPostgresError(RuntimeError):
    """PostgreSQL cannot be run for this user here; the message says what to do."""


@dataclass(frozen=True)
class PostgresUser:
    """The system user that owns the data and runs the server."""

    name: str
    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        """Whether this process runs as that user already."""
        return self.uid == os.geteuid()

    @property
    def lent_uid(self) -> int | None:
        """What a program of theirs is started with; nothing if it is started by them anyway."""
        return None if self.is_us else self.uid

    @property
    def lent_gid(self) -> int | None:
        """Its group."""
        return None if self.is_us else self.gid

    @property
    def lent_groups(self) -> list[int] | None:
        """Its further groups: none of root's."""
        return None if self.is_us else []

    def own(self, path: Path) -> None:
        """Give a path to this user, if it is not theirs."""
        if not self.is_us:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, path: Path) -> None:
        """Give a directory and all in it to this user."""
        for folder, folders, files in os.walk(path):
            for name in [*folders, *files]:
                self.own(Path(folder, name))
        self.own(path)


def user_for(pgdata: Path) -> PostgresUser:
    """Choose who runs the server: this user; for root, the owner of the data or of its home, or a system user of ours."""
    data_owner = pgdata.stat().st_uid if pgdata.exists() else None
    if os.geteuid() != 0:
        us = _describe(os.geteuid())
        if data_owner is not None and data_owner != us.uid:
            raise NoUserForPostgresError(
                f"{pgdata} belongs to the user {_describe(data_owner).name}; run the panel as that user or as root"
            )
        return us
    if data_owner:
        return _describe(data_owner)
    # A start as root in somebody's home must not shut that user out later. PostgreSQL wants a user that has a name.
    home_owner = pgdata.parent.stat().st_uid
    return _describe(home_owner) if home_owner and _has_name(home_owner) else _system_user()


def open_the_way(user: PostgresUser, *places: Path) -> None:
    """Let that user pass through the directories above these places, where they may not yet.

    Only an entry for this one user is added, with the right to pass and not to list: nobody else gains anything.
    """
    if user.is_us:
        return
    for place in places:
        for folder in reversed(place.resolve().parents):
            if not _may_pass(user, folder.stat()):
                _add_right_to_pass(user, folder)


def make_readable(folder: Path) -> None:
    """Let everybody read a folder of programs that was installed under a strict umask; they come from a public package."""
    for parent, _, files in os.walk(folder):
        for name in [".", *files]:
            path = Path(parent, name)
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = mode | 0o044 | (0o011 if mode & 0o100 else 0)
            if wanted != mode:
                path.chmod(wanted)


def _describe(uid: int) -> PostgresUser:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return PostgresUser(str(uid), uid, os.getegid())
    return PostgresUser(entry.pw_name, uid, entry.pw_gid)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _system_user() -> PostgresUser:
    # Another panel may be adding the same user at this moment: whoever loses finds it there at the next look.
    failure = ""
    for _ in range(USERADD_TRIES):
        try:
            return _describe(pwd.getpwnam(SYSTEM_USER).pw_uid)
        except KeyError:
            pass
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if useradd is None:
            failure = "this system has no useradd"
            break
        command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        done = subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            failure = done.stderr.strip()
            time.sleep(0.25)
    raise NoUserForPostgresError(
        f"PostgreSQL does not run as root, and the system user {SYSTEM_USER} could not be made ({failure}); "
        "start the panel as an ordinary user, or set DATABASE_URL"
    )


def _may_pass(user: PostgresUser, folder: os.stat_result) -> bool:
    if folder.st_uid == user.uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == user.gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def _add_right_to_pass(user: PostgresUser, folder: Path) -> None:
    if not LINUX:
        raise NoUserForPostgresError(f"the user {user.name} may not enter {folder}; run the panel as an ordinary user")
    entries = _read_acl(folder)
    if entries.get((_USER, user.uid), 0) & entries.get((_MASK, _NO_ID), 0) & _EXECUTE:
        return
    entries[_USER, user.uid] = entries.get((_USER, user.uid), 0) | _EXECUTE
    entries[_MASK, _NO_ID] = entries.get((_MASK, _NO_ID), entries[_GROUP_OBJ, _NO_ID]) | _EXECUTE
    packed = b"".join(_ACL_ENTRY.pack(tag, rights, who) for (tag, who), rights in sorted(entries.items()))
    try:
        os.setxattr(folder, _ACL, _ACL_VERSION + packed)
    except OSError as error:
        raise NoUserForPostgresError(
            f"PostgreSQL runs as the user {user.name}, who may not enter {folder} ({error.strerror}); "
            "put the panel or SMMPANEL_HOME elsewhere, or start it as an ordinary user"
        ) from error


def _read_acl(folder: Path) -> dict[tuple[int, int], int]:
    mode = folder.stat().st_mode
    plain = {(_USER_OBJ, _NO_ID): mode >> 6 & 7, (_GROUP_OBJ, _NO_ID): mode >> 3 & 7, (_OTHER, _NO_ID): mode & 7}
    try:
        packed = os.getxattr(folder, _ACL)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return plain
        raise
    return {(tag, who): rights for tag, rights, who in _ACL_ENTRY.iter_unpack(packed[len(_ACL_VERSION) :])}

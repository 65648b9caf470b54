"""Hiding files from this process without any privilege, by the kernel's Landlock (Linux 5.13 and newer).

Standard library only: ``confine`` uses it before anything else is loaded.
Source: the kernel's documentation, userspace-api/landlock, and include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_MAKES_DEVICES = (1 << 6) | (1 << 11)  # character and block devices
# How many file rights a version of Landlock handles: reading and making; renaming; truncating; device controls.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP_BIND_AND_CONNECT = 3  # version 4
_ABSTRACT_SOCKETS_AND_SIGNALS = 3  # version 6: none of processes outside

_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_KERNEL = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu", "/sys/bus/pci")


def hide_all_but(visible: Iterable[str], writable: Iterable[str] = ()) -> bool:
    """From now on this process and its children read nothing else and write nothing but below ``writable``.

    What is open already stays open. Sockets that have a path are no files in this sense.

    Args:
        visible: Files and folders that stay readable; those that do not exist are left out.
        writable: Folders in which files may be made, read, changed and removed.

    Returns:
        Whether this kernel could do it. It needs ``PR_SET_NO_NEW_PRIVS`` first, and a process of one thread.
    """
    system = ctypes.CDLL(None, use_errno=True).syscall
    version = system(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return False
    handled = (1 << _FILE_RIGHTS.get(version, max(_FILE_RIGHTS.values()))) - 1
    attributes = struct.pack(
        "QQQ",
        handled,
        _TCP_BIND_AND_CONNECT if version >= 4 else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0,
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = system(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    try:
        cards = map(str, Path("/sys/devices").glob("pci*"))  # onnxruntime complains where it cannot look for GPUs
        for path in (*visible, *_KERNEL, *cards):
            _allow(system, rules, path, _READ)
        for path in writable:
            _allow(system, rules, path, handled & ~_EXECUTE & ~_MAKES_DEVICES)
        for path in _DEVICES:
            _allow(system, rules, path, _READ_FILE | _WRITE_FILE)
        return bool(system(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(system: Callable[..., int], rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not Path(path).is_dir():
            rights &= ~_READ_DIR
        system(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)

"""What a pipeline process may not do, whatever a stranger's media make of it.

It decodes what anybody may send, so it is given as little as it needs: memory up to a limit, no privileges, no secrets
in its environment, and no file but those that programs consist of. What the kernel does not offer is left out;
``palaver doctor`` says what that is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MIB: Final = 1 << 20
_NOBODY: Final = 65534
_PR_SET_NO_NEW_PRIVS: Final = 38
# landlock(7): the numbers are the same on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_READ: Final = 1 << 0 | 1 << 2 | 1 << 3
"""Execute, read files, list directories."""
_ALL_FILES: Final = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights on files each version knows; later ones know 16."""
_TCP: Final = 0b11
_SCOPES: Final = 0b11
"""No abstract sockets and no signals to processes outside."""

_READABLE: Final = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/dev", "/proc", "/sys", "/opt")
_KEPT: Final = ("PATH", "LANG", "LANGUAGE", "TZ", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_KEPT_PREFIXES: Final = ("LC_", "PYTHON", "FONTCONFIG_", "OPENBLAS_", "SSL_CERT_", "COVERAGE_")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process may use: MiB of memory, pixels of a picture, and the part of a core for decoding one input."""

    memory_mib: int = 2048
    max_pixels: int = 4096 * 2304
    decode_share: float = 0.7


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a kind of process needs beside its sockets: the network, folders to read, and one or more to write in.

    Whoever writes keeps the server's account, whose files these are. ``memory_mib``: what it may use, if that is not
    what all may.
    """

    network: bool = False
    writable: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    memory_mib: int | None = None


USUAL: Final = Limits()
DECODES: Final = Confinement()

limits = USUAL
"""Of this process."""


def confine(confinement: Confinement, given: Limits) -> None:
    """Give up what this process does not need. Raises OSError for what the kernel refuses against its word."""
    global limits  # they are the process's own, and set once
    limits = given
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = (confinement.memory_mib or given.memory_mib) * _MIB
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    if not confinement.writable:
        _become_nobody()
    if _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if version := landlock_version():
        _landlock(version, confinement)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a pipeline process may see."""
    return {
        name: value for name, value in environment.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }


@contextlib.contextmanager
def cleaned_environment(**added: str) -> Iterator[None]:
    """Let what is started meanwhile see no other variables."""
    saved = dict(os.environ)
    os.environ.clear()
    os.environ.update(clean(saved) | added)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


def landlock_version() -> int:
    """The kernel's version of Landlock; 0: it has none, or it is switched off."""
    return max(int(_libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)), 0)


def may_become_nobody() -> bool:
    """Whether this process can give up being root and still read the program."""
    if os.geteuid() != 0:
        return False
    os.setegid(_NOBODY)
    os.seteuid(_NOBODY)
    try:
        return all(os.access(path, os.R_OK | os.X_OK, effective_ids=True) for path in _program())
    finally:
        os.seteuid(0)
        os.setegid(0)


def _become_nobody() -> None:
    if may_become_nobody():
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _landlock(version: int, confinement: Confinement) -> None:
    files = (1 << _ALL_FILES.get(version, 16)) - 1
    network = _TCP if version >= 4 and not confinement.network else 0
    scopes = _SCOPES if version >= 6 else 0
    attributes = struct.pack("QQQ", files, network, scopes)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _called(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    try:
        for path in (*_READABLE, *_program(), *confinement.readable):
            _allow(ruleset, path, _READ)
        for path in confinement.writable:
            _allow(ruleset, path, files)
        _called(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # then there is nothing there
        return
    try:
        rule = struct.pack("=Qi", rights, opened)
        _called(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(opened)


def _program() -> tuple[str, ...]:
    """Where Python and this package are."""
    package = Path(__file__).parents[2]
    return (sys.prefix, sys.base_prefix, str(package))


def _called(number: int, *arguments: object) -> int:
    result = int(_libc().syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"landlock: {os.strerror(ctypes.get_errno())}")
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

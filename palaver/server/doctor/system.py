"""Checks of the machine: its clock and its limits."""

from __future__ import annotations

import ctypes
import os
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palaver.media.pipelines.confinement import landlock_version, may_become_nobody
from palaver.server.doctor.findings import ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.server.doctor.findings import Finding, Patient

_OFF_S: Final = 60.0
_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC of adjtimex(2)
_DESCRIPTORS: Final = 4096
_SOCKET_BUFFER: Final = 4 << 20  # what the core asks for, see rust/sfu/src/io
_LANDLOCK_TCP: Final = 4
"""The first version that knows of the network."""
_KERNEL: Final = Path("/proc/sys/net/core")


class _Timex(ctypes.Structure):
    """The beginning of struct timex; ``rest`` is more than there is after it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def clock(patient: Patient) -> Iterator[Finding]:
    """Whether the clock is behind files that were written here, and whether the kernel says that it is kept in step."""
    newest = _newest(patient.data_dir)
    ahead = newest - time.time_ns() / 1e9
    if ahead > _OFF_S:
        yield problem(
            "clock",
            f"the clock is {ahead:.0f} s behind the newest file in {patient.data_dir}",
            "set it: signatures and tokens are refused when clocks differ",
        )
    elif newest:
        yield ok("clock", f"not behind the files in {patient.data_dir}")
    kept = _kept_in_step()
    if kept is None:
        yield ok("clock", "whether it is kept in step cannot be told here; not compared with a time server")
    elif kept:
        yield ok("clock", "the kernel says that it is kept in step; not compared with a time server")
    else:
        yield warning(
            "clock",
            "the kernel does not know it to be kept in step by a time server",
            "run chrony, ntpd or systemd-timesyncd on the host",
        )


def _newest(directory: Path) -> float:
    """When the newest file of a directory was written, 0 for none."""
    try:
        return max((file.stat().st_mtime for file in directory.iterdir()), default=0.0)
    except OSError:
        return 0.0


def _kept_in_step() -> bool | None:
    """What adjtimex(2) says; None where it may not be asked."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    asked = _Timex()  # modes 0: only ask
    return None if adjtimex(ctypes.byref(asked)) < 0 else not asked.status & _UNSYNCHRONISED


def limits(_patient: Patient) -> Iterator[Finding]:
    """Open files, and the kernel's bounds of socket buffers."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _DESCRIPTORS:
        yield warning(
            "limits",
            f"{most} open files: about as many connections less",
            f"raise RLIMIT_NOFILE to {_DESCRIPTORS} or more (ulimit -Hn, LimitNOFILE=)",
        )
    else:
        yield ok("limits", f"{'any number of' if most == resource.RLIM_INFINITY else most} open files")
    for name in ("rmem_max", "wmem_max"):
        try:
            size = int((_KERNEL / name).read_text())
        except (OSError, ValueError):
            yield ok("limits", f"net.core.{name} cannot be read here")
            continue
        if size < _SOCKET_BUFFER:
            yield warning(
                "limits",
                f"net.core.{name} is {size}: bursts of media may be lost under load",
                f"sysctl -w net.core.{name}={_SOCKET_BUFFER}",
            )
        else:
            yield ok("limits", f"net.core.{name} is {size}")


def confinement(patient: Patient) -> Iterator[Finding]:
    """What keeps child processes, which decode what clients send, from doing harm."""
    given = patient.config.pipelines
    yield ok("confinement", f"child processes: {given.memory_mib} MiB each, no new privileges, no secrets")
    version = landlock_version()
    if version >= _LANDLOCK_TCP:
        yield ok(
            "confinement", f"Landlock {version}: they reach no data and, where they need none, no network"
        )
    elif version:
        yield warning(
            "confinement",
            f"Landlock {version}: child processes reach no data, but the network",
            "Linux 6.7 or newer keeps them from it",
        )
    else:
        yield warning(
            "confinement",
            "the kernel has no Landlock: child processes may read what the server may",
            "Linux 5.13 or newer, with landlock among its lsm= modules",
        )
    if os.geteuid() != 0:
        yield ok("confinement", "not root: they run as the server's own account")
    elif may_become_nobody():
        yield ok("confinement", "they give up being root")
    else:
        yield warning(
            "confinement",
            "child processes stay root, as others may not read the program",
            "run the server as an account of its own",
        )


CHECKS: Final = (clock, limits, confinement)

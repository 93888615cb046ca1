"""The SIP stack on the event loop: commands go down at once, events come up in order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palaver.media._core import SipStack as SipStack
from palaver.sip.events import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from palaver.sip.events import Event

SYSTEM_ROOTS: Final = Path("/etc/ssl/certs/ca-certificates.crt")
"""Whom the system trusts, where Linux distributions keep it."""


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Where SIP is spoken, and how much of it."""

    bind: str = "0.0.0.0"  # phones are elsewhere
    port: int = 5060
    public: str = ""
    tcp: bool = True
    tls_port: int = 0
    tls_cert: str = ""
    tls_key: str = ""
    max_calls: int = 500
    max_calls_per_source: int = 100
    tries_per_source: int = 100
    roots: Path = field(default=SYSTEM_ROOTS)


def open_stack(settings: StackSettings, heard: Callable[[Event], None]) -> SipStack:
    """Open the ports; ``heard`` gets what happens, on this event loop. Raises OSError, ValueError."""
    loop = asyncio.get_running_loop()

    def told(name: str, fields: tuple[object, ...]) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(heard, BY_NAME[name](*fields))

    cert, key = (Path(name).read_bytes() if name else None for name in (settings.tls_cert, settings.tls_key))
    return SipStack(
        _address(settings.bind, settings.port),
        told,
        public=_address(settings.public, settings.port) if settings.public else None,
        tcp=settings.tcp,
        max_calls=settings.max_calls,
        max_calls_per_source=settings.max_calls_per_source,
        tries_per_source=settings.tries_per_source,
        tls_roots=settings.roots.read_bytes() if settings.roots.is_file() else None,
        tls_certificate=cert,
        tls_key=key,
        tls_bind=_address(settings.bind, settings.tls_port) if settings.tls_port and cert and key else None,
    )


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

"""Checks of SIP: whether phones can get through to the server."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from palaver.server.doctor.findings import ok, problem
from palaver.server.doctor.network import hint_for
from palaver.server.sip import phone_settings, rtp_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palaver.server.doctor.findings import Finding, Patient


def sip_port(patient: Patient) -> Iterator[Finding]:
    """Whether the settings fit together, and the port for SIP is free while no server of ours may have it."""
    try:
        stack, rtp = phone_settings(patient.config).stack, rtp_settings(patient.config)
    except ValueError as wrong:
        yield problem("sip", str(wrong))
        return
    except OSError:
        return  # the check of media ports says so
    if stack is None:
        yield ok("sip", "switched off")
        return
    words = f"{stack.bind} port {stack.port}, RTP on {rtp.first} to {rtp.last}"
    if patient.running is not None or stack.port == 0:
        yield ok("sip", words)
        return
    family = socket.AF_INET6 if ":" in stack.bind else socket.AF_INET
    kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM) if stack.tcp else (socket.SOCK_DGRAM,)
    try:
        for kind in kinds:
            with socket.socket(family, kind) as tried:
                tried.bind((stack.bind, stack.port))
    except OSError as error:
        yield problem(
            "sip", f"cannot listen on {words}: {error.strerror or error}", hint_for(error, "sip.port")
        )
    else:
        yield ok("sip", f"{words}: free")


CHECKS: Final = (sip_port,)

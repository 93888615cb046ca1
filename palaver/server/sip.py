"""Where SIP and RTP are spoken, by the configuration."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from palaver.jobs.phones import PhoneSettings
from palaver.media.rtp import RtpSettings
from palaver.server import addresses
from palaver.sip.stack import StackSettings

if TYPE_CHECKING:
    from palaver.server.config import Config


def phone_settings(config: Config) -> PhoneSettings:
    """How calls are made and taken. Raises ValueError that names the setting."""
    sip, (bind, public) = config.sip, _addresses(config)
    if sip.tls_port and not (sip.tls_cert and sip.tls_key):
        raise ValueError("sip.tls_port: needs sip.tls_cert and sip.tls_key")
    stack = StackSettings(
        bind=bind,
        port=sip.port,
        public=public if public != bind else "",
        tcp=sip.tcp,
        tls_port=sip.tls_port,
        tls_cert=sip.tls_cert,
        tls_key=sip.tls_key,
        max_calls=sip.max_calls,
        max_calls_per_source=sip.max_calls_per_source,
        tries_per_source=sip.tries_per_source,
    )
    return PhoneSettings(stack if sip.enabled else None, sip.ring_s, tuple(sip.allowed), tuple(sip.denied))


def rtp_settings(config: Config) -> RtpSettings:
    """Which ports calls use. Raises ValueError that names the setting."""
    bind, public = _addresses(config)
    first, _, last = config.sip.rtp_ports.partition("-")
    if not 1024 <= int(first) < int(last) <= 65_535:
        raise ValueError(f"sip.rtp_ports: {config.sip.rtp_ports} is no range from 1024 to 65535")
    return RtpSettings(bind, int(first), int(last), public)


def _addresses(config: Config) -> tuple[str, str]:
    """Where we listen, and where phones reach us; IPv4 before IPv6, which few phones speak."""
    for setting, value in (("host", config.sip.host), ("public_address", config.sip.public_address)):
        if value and not addresses.is_address(value):
            raise ValueError(f"sip.{setting}: {value!r} is no IP address")
    bind = config.sip.host or _first(addresses.of_media(config))
    return bind, config.sip.public_address or _first(config.media.public_addresses) or bind


def _first(found: list[str]) -> str:
    old = [one for one in found if ipaddress.ip_address(one).version == 4]
    return next(iter([*old, *found]), "")

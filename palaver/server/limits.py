"""The bounds of HTTP connections, as configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palaver.server.connections import Limits

if TYPE_CHECKING:
    from palaver.api.portal.settings import PortalSettings
    from palaver.server.config import Config


def of_connections(config: Config, portal: PortalSettings) -> Limits:
    """What every connection is held to."""
    wanted = config.http
    return Limits(
        header_timeout_s=wanted.header_timeout_s,
        body_timeout_s=wanted.body_timeout_s,
        write_timeout_s=wanted.write_timeout_s,
        keep_alive_s=wanted.keep_alive_s,
        max_header_bytes=wanted.max_header_bytes,
        # On the wire, where chunks have sizes around them.
        max_body_bytes=2 * max(wanted.body_limit, portal.max_message_bytes),
        max_frame_bytes=portal.max_message_bytes,
        max_early_frame_bytes=portal.max_early_bytes,
        max_connections=wanted.max_connections,
        max_per_source=wanted.max_connections_per_source,
        sources=portal.sources,
    )

"""What portal clients of dialects 1.0 and 1.1 send to publish and subscribe; all else is as in 1.2."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, UnsetType, field

from palaver.api.wire.portal import SubscribeParameters  # msgspec reads annotations at run time
from palaver.api.wire.stream_info import FormatInfo, Id, ParametersInfo, StrictMessage


class PublishAudio(StrictMessage):
    """The audio that will be sent."""

    source: Literal["mic", "screen-cast", "raw-file", "encoded-file"]


class PublishVideo(StrictMessage):
    """The video that will be sent, and what the client knows of it."""

    source: Literal["camera", "screen-cast", "raw-file", "encoded-file"]
    parameters: ParametersInfo | UnsetType = UNSET


class PublishMedia(StrictMessage):
    """What to publish; false: not that kind. The server refuses true."""

    audio: PublishAudio | bool = False
    video: PublishVideo | bool = False


class PublishRequest(StrictMessage):
    """Announces a connection of its own that sends; its id is the session's."""

    media: PublishMedia
    attributes: dict[str, Any] | UnsetType | None = UNSET


class SubscribeAudio(StrictMessage):
    """Which stream's audio to receive."""

    from_: Id = field(name="from")
    format: FormatInfo | UnsetType = UNSET


class SubscribeVideo(StrictMessage):
    """Which stream's video to receive, and how; ``simulcastRid`` names one of its layers."""

    from_: Id = field(name="from")
    format: FormatInfo | UnsetType = UNSET
    parameters: SubscribeParameters | UnsetType = UNSET
    simulcast_rid: str | UnsetType = UNSET


class SubscribeMedia(StrictMessage):
    """What to receive; false: not that kind. The server refuses true."""

    audio: SubscribeAudio | bool = False
    video: SubscribeVideo | bool = False


class SubscribeRequest(StrictMessage):
    """Announces a connection of its own that receives; its id is the session's."""

    media: SubscribeMedia

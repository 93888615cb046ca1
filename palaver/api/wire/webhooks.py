"""Webhooks as REST takes and answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from palaver.api.wire.events import CHATTY, EVENT_TYPES
from palaver.api.wire.formats import Shape
from palaver.events.webhooks import key_of
from palaver.streaming.urls import MAX_URL, redacted

if TYPE_CHECKING:
    from palaver.events.webhooks import Webhook

DEFAULT_TYPES: Final = tuple(name for name in EVENT_TYPES if name not in CHATTY)


class WebhookRequest(Shape):
    """Where events are sent. Without ``events`` all types but the frequent ones; without ``secret`` one is made."""

    url: Annotated[str, Meta(min_length=1, max_length=MAX_URL)]
    events: Annotated[list[str], Meta(min_length=1, max_length=len(EVENT_TYPES))] | UnsetType = UNSET
    secret: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        for index, name in enumerate(self.events or ()):
            if name not in EVENT_TYPES:
                raise ValueError(f"events[{index}]: expected one of {', '.join(EVENT_TYPES)}")
        if not isinstance(self.secret, UnsetType):
            try:
                key_of(self.secret)
            except ValueError as error:
                raise ValueError(f"secret: {error}") from None


class WebhookInfo(Shape):
    """A webhook. ``secret`` is in the answer to its creation only; ``error``: why the last attempt failed."""

    id: str
    url: str
    events: list[str]
    created: int
    waiting: int
    delivered: int
    failed: int
    error: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET


def webhook_info(webhook: Webhook) -> dict[str, Any]:
    """``{id, url, events, created, waiting, delivered, failed, error?}``; passwords and query values are hidden."""
    record = webhook.record
    info: dict[str, Any] = {
        "id": record.id,
        "url": redacted(record.url),
        "events": list(record.types),
        "created": record.created_ms,
        "waiting": webhook.waiting,
        "delivered": webhook.delivered,
        "failed": webhook.failed,
    }
    return {**info, "error": webhook.error} if webhook.error else info

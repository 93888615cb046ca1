"""/v1/webhooks: where a service wants to hear of what happens in its rooms, beyond OWT."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec
from msgspec import UnsetType

from palaver.api.http.answers import Answer, ApiError, json, text
from palaver.api.rest.operations import Call, Operation
from palaver.api.wire import errors
from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.webhooks import DEFAULT_TYPES, WebhookInfo, WebhookRequest, webhook_info
from palaver.events.webhooks import MAX_PER_SERVICE, NotDelivered, Webhook, new_secret
from palaver.store import Conflict, WebhookRecord
from palaver.streaming.urls import UrlRefused


async def list_webhooks(call: Call) -> Answer:
    """The service's webhooks, the oldest first, and how they go."""
    return json([webhook_info(one) for one in call.api.webhooks.of(call.caller.service.id)])


async def create_webhook(call: Call) -> Answer:
    """A webhook. The answer alone has its ``secret``, with which its receiver checks signatures."""
    wanted: WebhookRequest = call.body
    try:
        await call.api.webhooks.check(wanted.url)
    except UrlRefused as refused:
        raise ProtocolError(f"url: {refused}") from None
    service = call.caller.service.id
    if len(call.api.webhooks.of(service)) >= MAX_PER_SERVICE:
        raise ApiError(errors.REFUSED, f"The service has {MAX_PER_SERVICE} webhooks; delete some first")
    types = DEFAULT_TYPES if isinstance(wanted.events, UnsetType) else tuple(dict.fromkeys(wanted.events))
    secret = new_secret() if isinstance(wanted.secret, UnsetType) else wanted.secret
    record = WebhookRecord(secrets.token_hex(12), service, wanted.url, secret, types, call.api.now_ms())
    try:
        webhook = await call.api.webhooks.add(record)
    except Conflict:
        raise ApiError(errors.SERVICE_NOT_FOUND, "Service not found") from None
    return json({**webhook_info(webhook), "secret": secret})


async def get_webhook(call: Call) -> Answer:
    """One webhook, and how it goes."""
    return json(webhook_info(_webhook(call)))


async def delete_webhook(call: Call) -> Answer:
    """Ends a webhook; what waits for it is not sent."""
    await call.api.webhooks.remove(_webhook(call))
    return text()


async def test_webhook(call: Call) -> Answer:
    """Sends an event of type ``test`` at once; refused with the reason if the receiver does not take it."""
    webhook = _webhook(call)
    body = {"id": f"test-{secrets.token_hex(8)}", "type": "test", "timestamp": call.api.now_ms(), "data": {}}
    try:
        await call.api.webhooks.post(webhook.record, f"msg_{body['id']}", msgspec.json.encode(body).decode())
    except NotDelivered as failure:
        raise ApiError(errors.REFUSED, f"Not delivered: {failure}") from None
    return text()


def _webhook(call: Call) -> Webhook:
    found = call.api.webhooks.get(call.caller.service.id, call.path["webhook"])
    if found is None:
        raise ApiError(errors.NOT_FOUND, "Resource not found")
    return found


_ONE: Final = "/webhooks/{webhook}"

OPERATIONS: Final = (
    Operation("GET", "/webhooks", list_webhooks, gives=list[WebhookInfo]),
    Operation(
        "POST",
        "/webhooks",
        create_webhook,
        takes=WebhookRequest,
        gives=WebhookInfo,
        nulls=True,
        errors=(errors.REFUSED,),
        example={
            "url": "https://app.example/palaver",
            "events": ["participant.joined", "participant.left"],
        },
    ),
    Operation("GET", _ONE, get_webhook, gives=WebhookInfo, errors=(errors.NOT_FOUND,)),
    Operation("DELETE", _ONE, delete_webhook, errors=(errors.NOT_FOUND,)),
    Operation("POST", f"{_ONE}/test", test_webhook, errors=(errors.NOT_FOUND, errors.REFUSED)),
)

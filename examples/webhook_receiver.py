"""Take the events of rooms as an application does, with FastAPI, and print them.

    pip install "fastapi[standard]" standardwebhooks
    palaver webhooks create http://127.0.0.1:8000/palaver        # prints the secret
    PALAVER_WEBHOOK_SECRET=whsec_… fastapi run examples/webhook_receiver.py

An event may come twice, with the same `webhook-id`; each room's events come in order.
"""

import os
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

app = FastAPI()
webhook = Webhook(os.environ["PALAVER_WEBHOOK_SECRET"])


@app.post("/palaver", status_code=204)
async def take(request: Request) -> None:
    """Check the signature, then use the event. An answer other than 2xx brings it again later."""
    try:
        event: dict[str, Any] = webhook.verify(await request.body(), dict(request.headers))
    except WebhookVerificationError as error:
        raise HTTPException(401, "bad signature") from error
    print(event["type"], event.get("room"), event["data"], flush=True)

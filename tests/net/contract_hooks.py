"""What Schemathesis needs to know of us: how to sign each request, ids that exist, and what a 500 may be."""

from __future__ import annotations

import os
import random
from typing import Any

import schemathesis

from palaver.client.signing import Signer

SIGNER = Signer(os.environ["CONTRACT_SERVICE"], os.environ["CONTRACT_KEY"])
KNOWN = {"room": os.environ["CONTRACT_ROOM"], "service": os.environ["CONTRACT_SERVICE"]}
TOKEN = os.environ["CONTRACT_TOKEN"]
REFUSED = (
    1201  # the room refused, or the resource is not there yet: the contract answers this with status 500
)


@schemathesis.auth(refresh_interval=None)
class Signed:
    """MAuth: a signature is accepted once. WHIP and WHEP: a reusable token of the known room."""

    def get(self, case: Any, context: Any) -> str:
        return SIGNER.headers()["authorization"]

    def set(self, case: Any, data: str, context: Any) -> None:
        if case.path.startswith(("/whip/", "/whep/")):
            case.headers["authorization"] = f"Bearer {TOKEN}"
        else:
            case.headers["authorization"] = SIGNER.headers()["authorization"]


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Mostly ask for what exists, else almost every answer would be 404."""
    if path_parameters:
        for name, value in KNOWN.items():
            keep = context.operation.method == "delete" or random.random() < 0.25
            if name in path_parameters and not keep:
                path_parameters[name] = value
    return path_parameters


@schemathesis.check
def no_unexpected_server_error(context: Any, response: Any, case: Any) -> None:
    """A 500 is an answer of ours only with code 1201; so is a 503."""
    if response.status_code >= 500:
        code = response.json().get("error", {}).get("code")
        assert response.status_code in (500, 503), response.text
        assert code == REFUSED, response.text


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def plain_text(context: Any, value: Any) -> bytes:
    """Session descriptions are generated as text, and sent as such."""
    return str(value).encode("utf-8", "replace")

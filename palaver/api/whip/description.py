"""WHIP and WHEP in OpenAPI 3.1, for the document that the management API publishes."""

from __future__ import annotations

from typing import Any, Final

_SDP: Final = "application/sdp"
_FRAGMENT: Final = "application/trickle-ice-sdpfrag"

BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of the room; one that is reusable, or else good for one session.",
}

_POST: Final = {
    "400": "1301: no body, not UTF-8, or a name that is none",
    "401": "1101: no token, or one that is unknown, used up or expired",
    "403": "1102: a token of another room, or a role that may not",
    "404": "1003: room not found; 1004: stream not found",
    "409": "1201: the name is taken, or the room is full",
    "413": "1301: the offer is too long",
    "415": "1301: another Content-Type",
    "422": "1301: the offer cannot be used",
    "500": "1401: database error; 2001: unexpected server error",
    "503": "1201: the media plane cannot now, or nothing mixes yet",
}
_PATCH: Final = {
    "400": "1301: no fragment",
    "401": "1101: no token, or one that we never made",
    "403": "1102: another token than the one that made the session",
    "404": "1001: session not found",
    "412": "1301: If-Match is not of this ICE session",
    "413": "1301: the fragment is too long",
    "415": "1301: another Content-Type",
    "422": "1301: a restart that cannot be done; the session stays as it was",
    "428": "1301: no If-Match",
    "500": "2001: unexpected server error",
    "503": "1201: the media plane cannot now",
}
_DELETE: Final = {code: text for code, text in _PATCH.items() if code in {"401", "403", "404", "500"}}
_OFFER: Final = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=video 9 …"
_CANDIDATE: Final = "a=mid:0\r\na=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"

_SUMMARIES: Final = {
    "/whip/{room}": "Publish; the stream gets a new id (WHIP, RFC 9725)",
    "/whip/{room}/{stream}": "Publish under this name (WHIP, RFC 9725)",
    "/whep/{room}": "Play the first view, or without views the oldest stream (WHEP)",
    "/whep/{room}/{stream}": "Play this stream (WHEP)",
}


def paths(error: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every path and method; ``error`` is the schema of REST's error body."""
    found: dict[str, dict[str, Any]] = {}
    for path, summary in _SUMMARIES.items():
        protocol = path[1:5]
        name = f"{protocol}_{'stream' if '{stream}' in path else 'room'}"
        headers = {
            "Location": ("The session, relative to this address.", True),
            "ETag": ("The ICE session.", True),
            "Accept-Patch": (_FRAGMENT, True),
            "Link": ('STUN and TURN servers, rel="ice-server".', False),
        }
        done = _answer("The answer", _SDP, headers)
        found[path] = {"post": _operation(name, path, summary, (_SDP, _OFFER), {"201": done}, _POST, error)}
    for protocol in ("whip", "whep"):
        path = f"/{protocol}/{{room}}/sessions/{{session}}"
        restarted = _answer("ICE restarted", _FRAGMENT, {"ETag": ("The new ICE session.", True)})
        patched = {"200": restarted, "204": {"description": "Candidates taken"}}
        patch = _operation(
            f"{protocol}_patch",
            path,
            "Add candidates or restart ICE",
            (_FRAGMENT, _CANDIDATE),
            patched,
            _PATCH,
            error,
        )
        patch["parameters"].append(
            {
                "name": "If-Match",
                "in": "header",
                "required": True,
                "description": "The entity tag of the ICE session, or *.",
                "schema": {"type": "string"},
                "example": "*",
            }
        )
        ended = {"200": {"description": "Ended"}}
        delete = _operation(
            f"{protocol}_delete", path, "End the session; its participant leaves", None, ended, _DELETE, error
        )
        found[path] = {"patch": patch, "delete": delete}
    return found


def _answer(words: str, media_type: str, headers: dict[str, tuple[str, bool]]) -> dict[str, Any]:
    return {
        "description": words,
        "headers": {
            name: {"description": text, "required": required, "schema": {"type": "string"}}
            for name, (text, required) in headers.items()
        },
        "content": {media_type: {"schema": {"type": "string"}}},
    }


def _operation(
    name: str,
    path: str,
    summary: str,
    body: tuple[str, str] | None,
    done: dict[str, Any],
    refused: dict[str, str],
    error: dict[str, Any],
) -> dict[str, Any]:
    """One operation; ``body`` is its media type and an example."""
    described: dict[str, Any] = {
        "operationId": name,
        "tags": [path[1:5]],
        "summary": summary,
        "description": f"{summary}.",
        "security": [{"bearer": []}],
        "parameters": [
            {
                "name": part[1:-1],
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[0-9a-zA-Z_-]{1,128}$"},
            }
            for part in path.split("/")
            if part.startswith("{")
        ],
        "responses": done
        | {
            status: {"description": words, "content": {"application/json": {"schema": error}}}
            for status, words in refused.items()
        },
    }
    if body is not None:
        media_type, example = body
        content = {media_type: {"schema": {"type": "string"}, "example": example}}
        described["requestBody"] = {"required": True, "content": content}
    return described

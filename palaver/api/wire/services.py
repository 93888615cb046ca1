"""Services and tokens as REST takes and answers them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType, field

from palaver.api.wire.formats import Shape, WholeNumber
from palaver.api.wire.parse import form

_PLAIN: Final = form(r"^[^\x00]*$", "text without NUL characters")

MAX_USER = 512
"""Characters of a user's name: everybody in the room gets it."""

Name = Annotated[str, Meta(min_length=1, max_length=512), _PLAIN]
"""Text that every database can hold: PostgreSQL's has no NUL."""


class NewService(Shape):
    """What creates a service. ``key`` will sign its requests."""

    name: Name
    key: Name


class Service(Shape):
    """A service as REST answers it. ``key`` is the cipher text: remember what you sent."""

    own_id: str = field(name="_id")
    name: str
    key: str
    encrypted: bool
    rooms: list[str]
    version: int = field(name="__v")


def service_info(service_id: str, name: str, cipher: str, rooms: list[str]) -> dict[str, Any]:
    """A service as REST answers it."""
    return {"_id": service_id, "name": name, "key": cipher, "encrypted": True, "rooms": rooms, "__v": 0}


class Preference(Shape):
    """Where the client would like to connect; accepted for compatibility."""

    isp: str = "isp"
    region: str = "region"


class TokenRequest(Shape):
    """Who may join, as what. The user and role of the MAuth header, where it has them, take precedence.

    A number is as good as a name. ``reusable`` makes a token for WHIP and WHEP that admits for ``ttlSeconds``.
    """

    user: Annotated[str, Meta(max_length=MAX_USER), _PLAIN] | WholeNumber = ""
    role: Annotated[str, Meta(max_length=512), _PLAIN] = ""
    preference: Preference | UnsetType = UNSET
    reusable: bool = False
    ttl_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if not self.reusable and not isinstance(self.ttl_seconds, UnsetType):
            raise ValueError("ttlSeconds: only a reusable token can have it")

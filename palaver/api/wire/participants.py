"""Participants as clients see them, and what may be changed about one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from palaver.api.wire.errors import ProtocolError
from palaver.api.wire.formats import Shape
from palaver.api.wire.parse import check_count, form
from palaver.room.values import Grant

if TYPE_CHECKING:
    from palaver.room.values import Participant, Permission

_PERMISSION: Final = "/permission/(?P<part>publish|subscribe)(?:/(?P<kind>audio|video))?"


class MediaPermission(Shape):
    """Which kinds of media a permission covers."""

    audio: bool
    video: bool


class PermissionDetail(Shape):
    """What a participant may do."""

    publish: MediaPermission
    subscribe: MediaPermission


class ParticipantDetail(Shape):
    """A participant as REST answers it. ``user`` is the application's name for the person, not unique."""

    id: str
    user: str
    role: str
    permission: PermissionDetail


def participant_info(participant: Participant) -> dict[str, Any]:
    """``{id, user, role}``, as portal clients see each other."""
    return {"id": participant.id, "user": participant.user, "role": participant.role}


def participant_detail(participant: Participant) -> dict[str, Any]:
    """``{id, user, role, permission}``, as REST shows it."""
    return {**participant_info(participant), "permission": permission_info(participant.permission)}


def permission_info(permission: Permission) -> dict[str, Any]:
    """``{publish: {audio, video}, subscribe: {audio, video}}``; always objects."""
    return {"publish": _grant(permission.publish), "subscribe": _grant(permission.subscribe)}


def _grant(grant: Grant) -> dict[str, bool]:
    return {"audio": grant.audio, "video": grant.video}


class PermissionUpdate(Shape, forbid_unknown_fields=True):
    """Replaces one part of a permission: by ``{audio, video}``, or by a boolean for both kinds or the one named."""

    op: Literal["replace"]
    path: Annotated[
        str,
        form(
            "^/permission/(publish|subscribe)(/(audio|video))?$",
            "/permission/publish or /permission/subscribe, which /audio or /video may follow",
        ),
    ]
    value: bool | Permitted


class Permitted(Shape, forbid_unknown_fields=True):
    """Which kinds are permitted."""

    audio: bool
    video: bool


def changed_permission(permission: Permission, updates: list[PermissionUpdate]) -> Permission:
    """``permission`` after all ``updates``. Raises ProtocolError."""
    check_count(updates)
    for index, update in enumerate(updates):
        found = re.fullmatch(_PERMISSION, update.path)
        if found is None:
            raise ProtocolError(f"[{index}].path: nothing that can be changed")
        grant = permission.publish if found["part"] == "publish" else permission.subscribe
        grant = _changed_grant(grant, found["kind"], update.value, index)
        permission = (
            replace(permission, publish=grant)
            if found["part"] == "publish"
            else replace(permission, subscribe=grant)
        )
    return permission


def _changed_grant(grant: Grant, kind: str | None, value: bool | Permitted, index: int) -> Grant:
    if kind is None:
        return Grant(value, value) if isinstance(value, bool) else Grant(value.audio, value.video)
    if not isinstance(value, bool):
        raise ProtocolError(f"[{index}].value: expected bool")
    return replace(grant, audio=value) if kind == "audio" else replace(grant, video=value)

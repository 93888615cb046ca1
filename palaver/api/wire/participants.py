"""Participants as clients see them, and what may be changed about one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palaver.api.wire.formats import Shape

if TYPE_CHECKING:
    from palaver.room.values import Grant, Participant, Permission


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

"""What commands are held against: grants, owners, and what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palaver.room.errors import Fault, RoomError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from palaver.room.endpoints import PublishedTrack
    from palaver.room.messages import ResolutionSeen
    from palaver.room.values import Grant, Kind, Participant, ParticipantId, Stream, SubscribedTrack, Track

ADMIN: Final = "admin"
"""Whoever has this role may act on what others own."""


def kinds_of(tracks: Iterable[PublishedTrack | SubscribedTrack]) -> frozenset[Kind]:
    """The kinds of what is asked for; refuses nothing at all."""
    kinds = frozenset(track.kind for track in tracks)
    if not kinds:
        raise RoomError(Fault.BAD_REQUEST, "tracks", "expected at least one track")
    return kinds


def check_granted(participant: Participant, grant: Grant, kinds: Iterable[Kind]) -> None:
    """Refuse unless every kind is granted."""
    for kind in sorted(kinds):
        if not grant.allows(kind):
            raise RoomError(Fault.FORBIDDEN, participant.id, kind)


def check_own(actor: Participant | None, owner: ParticipantId | None, subject: str) -> None:
    """Refuse unless it is the owner who asks, an admin, or the server itself."""
    if actor is not None and actor.id != owner and actor.role != ADMIN:
        raise RoomError(Fault.FORBIDDEN, subject, "only its owner may")


def existing_kinds(asked: Iterable[Kind], kinds: frozenset[Kind], subject: str) -> frozenset[Kind]:
    """Those ``asked`` for that exist: clients ask for "av" whatever there is. Raises if none does."""
    existing = kinds & frozenset(asked)
    if not existing:
        raise RoomError(Fault.TRACK_NOT_FOUND, subject, " and ".join(asked))
    return existing


def seen_track(stream: Stream, report: ResolutionSeen) -> Track | None:
    """The track whose picture size is reported."""
    if report.track is None:
        return stream.track("video")
    return next(
        (track for track in stream.tracks if track.id == report.track and track.kind == "video"), None
    )

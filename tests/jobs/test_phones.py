"""What is decided about calls before anything is signalled."""

from __future__ import annotations

import pytest

from palaver.jobs.kinds import JobFailed
from palaver.jobs.phone_call import codecs_of, kinds_of
from palaver.jobs.phones import PhoneSettings, address_of
from palaver.room.errors import RoomError
from palaver.room.values import (
    AudioFormat,
    Grant,
    MediaOut,
    Permission,
    Role,
    RoomConfig,
    RoomId,
    VideoFormat,
    View,
)


@pytest.mark.parametrize(
    ("peer", "called"),
    [
        ("sip:ann@example.org", "sip:ann@example.org"),
        ("sips:ann@example.org", "sips:ann@example.org"),
        ("SIP:ann@example.org;user=phone", "SIP:ann@example.org;user=phone"),
        ("ann@example.org", "sip:ann@example.org"),
        ("4711", "sip:4711@pbx.example:5080"),
        ("tel:+49-30 123.456", "sip:+4930123456@pbx.example:5080;user=phone"),
    ],
)
def test_whom_an_address_means(peer: str, called: str) -> None:
    assert address_of(peer, "sip:pbx.example:5080;transport=tcp") == called


@pytest.mark.parametrize("peer", ["sip:a b@c", "sip:<a@b>", "sip:a@b\r\nVia: x", "sip:"])
def test_what_is_no_address_is_refused_by_name(peer: str) -> None:
    with pytest.raises(JobFailed, match="peerURI"):
        address_of(peer, "pbx.example")


@pytest.mark.parametrize(
    ("allowed", "denied", "admitted"),
    [
        ((), (), True),
        (("*@example.org",), (), True),
        (("*@EXAMPLE.org",), ("ann@*",), False),
        (("bob@*",), (), False),
        (("198.51.100.7",), (), True),
        ((), ("198.51.100.*",), False),
    ],
)
def test_callers_are_admitted_by_address(
    allowed: tuple[str, ...], denied: tuple[str, ...], admitted: bool
) -> None:
    settings = PhoneSettings(None, allowed=allowed, denied=denied)
    assert settings.admits("sip:Ann@example.org;tag=x", "198.51.100.7") is admitted


BOTH = Grant(audio=True, video=True)
VIEW = View("common", AudioFormat("opus", 48_000, 2), VideoFormat("vp8"))


def config(*roles: Role, codecs: tuple[str, ...] = ("opus", "pcmu", "aac")) -> RoomConfig:
    sound = tuple(AudioFormat(one) for one in codecs)
    pictures = (VideoFormat("h264"), VideoFormat("vp9"))
    return RoomConfig(
        RoomId("r"), "r", roles, (VIEW,), audio_in=sound, video_in=pictures, out=MediaOut(sound, pictures)
    )


def test_a_call_has_the_codecs_that_the_room_takes_and_makes_and_phones_know() -> None:
    assert codecs_of(config()) == {"opus", "pcmu", "h264"}


def test_pictures_need_the_permission_of_the_role() -> None:
    assert kinds_of(config(Role("sip", Permission(BOTH, BOTH))), video=True) == ("audio", "video")
    assert kinds_of(config(Role("sip", Permission(BOTH, BOTH))), video=False) == ("audio",)
    sound = Grant(audio=True)
    assert kinds_of(config(Role("sip", Permission(sound, BOTH))), video=True) == ("audio",)


def test_a_room_without_a_role_for_phones_takes_none() -> None:
    for roles in ((), (Role("sip", Permission(Grant(), BOTH)),)):
        with pytest.raises(RoomError):
            kinds_of(config(*roles), video=False)

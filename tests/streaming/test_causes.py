"""Errors name the cause, and never a password."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from palaver.streaming.causes import StreamUnavailable, cause_of, without_secrets


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "refused"),
        (OSError(errno.EHOSTUNREACH, "x"), "host cannot be reached"),
        (socket.gaierror(-2, "x"), "unknown"),
        (TimeoutError(), "in time"),
        (ssl.SSLCertVerificationError("x"), "certificate"),
        (StreamUnavailable("the stream has no audio"), "the stream has no audio"),
    ],
)
def test_each_error_has_its_words(error: BaseException, words: str) -> None:
    assert words in cause_of(error)


def test_no_password_is_told() -> None:
    told = without_secrets("could not open rtsp://ann:secret@camera/1 or http://b:c@d/")
    assert told == "could not open rtsp://***@camera/1 or http://***@d/"
    assert "secret" not in cause_of(RuntimeError("rtsp://ann:secret@camera/1"))

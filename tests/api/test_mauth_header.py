"""Reading the MAuth header: everything that is signed comes back, nothing else gets through or crashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.api.auth.mauth import parameters, sign, signature
from palaver.api.auth.refusals import NotAuthenticated

WORD = st.text(st.characters(codec="ascii", exclude_characters='", ', categories=("L", "N", "P")), min_size=1)


@given(service=WORD, key=st.text(min_size=1), nonce=WORD, user=st.text(max_size=20), role=WORD)
def test_what_is_signed_is_read_back(service: str, key: str, nonce: str, user: str, role: str) -> None:
    given = parameters(sign(service, key, user, role, nonce=nonce, timestamp_ms=5))
    assert (given["serviceid"], given["cnonce"], given["timestamp"]) == (service, nonce, "5")
    signed = f"5,{nonce}" + (f",{given['username']},{role}" if user else "")
    assert given["signature"] == signature(key, signed)


@given(st.text(st.characters(max_codepoint=255)))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    with pytest.raises(NotAuthenticated):
        parameters(f"MAuth {text}")


def test_two_signatures_of_one_moment_differ() -> None:
    assert sign("a", "k", timestamp_ms=5) != sign("a", "k", timestamp_ms=5)

"""Secrets at rest: unreadable, and each sealed differently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palaver.store import StoreError
from palaver.store.secrets import Vault

VAULT = Vault(b"master key of 16")


@given(st.text())
def test_what_is_sealed_is_opened(text: str) -> None:
    sealed = VAULT.seal(text)
    assert set(sealed) <= set("0123456789abcdef")
    assert VAULT.open(sealed) == text


def test_two_seals_of_one_text_differ_in_every_part() -> None:
    one, two = VAULT.seal("a long enough secret"), VAULT.seal("a long enough secret")
    assert one[:32] != two[:32]
    assert one[32:] != two[32:]


@pytest.mark.parametrize("text", ["xyz", "0"])
def test_what_is_not_sealed_is_not_opened(text: str) -> None:
    with pytest.raises(StoreError):
        VAULT.open(text)


def test_another_key_does_not_open_it() -> None:
    sealed = VAULT.seal("a secret that is long enough to be sure")
    with pytest.raises(StoreError, match="master key"):
        Vault(b"another key of 16").open(sealed)


def test_a_short_master_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Vault(b"short")

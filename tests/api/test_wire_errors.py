"""Every fault of a room has an answer in OWT's numbers."""

from __future__ import annotations

from palaver.api.rest.openapi import _MEANINGS
from palaver.api.wire import errors
from palaver.api.wire.errors import OWT_ERRORS
from palaver.room.errors import Fault


def test_every_fault_has_an_owt_code() -> None:
    assert set(OWT_ERRORS) == set(Fault)


def test_every_answer_is_one_of_the_guides_codes() -> None:
    kinds = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, tuple)}
    assert kinds >= set(OWT_ERRORS.values())
    assert {code for _, code in kinds} == set(_MEANINGS)


def test_only_a_refused_operation_and_our_own_faults_are_5xx() -> None:
    assert {code for status, code in OWT_ERRORS.values() if status >= 500} == {1201}

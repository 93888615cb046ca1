"""Fixtures of the compatibility tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.compat.rest_house import House, make_house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """The management API with its defaults."""
    async with make_house() as house:
        yield house

"""Work of a single statement.

Statements are made once, at import: making one, and the key under which its compiled form is found, costs more than to
carry it out.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection, Dialect, Row


class Statement:
    """A statement and its values. Of one that fails, the database itself takes back all that it did."""

    __slots__ = ("_statement", "_values")

    def __init__(self, statement: Executable, values: Mapping[str, Any] | None = None) -> None:
        self._statement, self._values = statement, values or {}


class First(Statement):
    """The first row, None if there is none."""

    __slots__ = ()

    def __call__(self, connection: Connection) -> Row[Any] | None:
        """Carry it out."""
        return connection.execute(self._statement, self._values).first()


class Every(Statement):
    """Every row."""

    __slots__ = ()

    def __call__(self, connection: Connection) -> Sequence[Row[Any]]:
        """Carry it out."""
        return connection.execute(self._statement, self._values).all()


class Changed(Statement):
    """How many rows it changed."""

    __slots__ = ()

    def __call__(self, connection: Connection) -> int:
        """Carry it out. SQLite's own connection takes half of the time that SQLAlchemy's does."""
        if connection.dialect.name != "sqlite":
            return int(connection.execute(self._statement, self._values).rowcount)
        text, names, constants = _written(self._statement, connection.dialect)
        own: Any = connection.connection.dbapi_connection
        given = {**constants, **self._values}
        return int(own.execute(text, [given[name] for name in names]).rowcount)


@functools.cache
def _written(statement: Any, dialect: Dialect) -> tuple[str, Sequence[str], dict[str, Any]]:
    """``statement`` as SQL, the names of its parameters in order, and those that have a value already."""
    compiled = statement.compile(dialect=dialect)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return str(compiled), tuple(compiled.positiontup or ()), constants

"""What was decided about participants."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create its table."""
    op.create_table(
        "standings",
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("room", sa.Text, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.Column("permission", sa.Text),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("participant", name="pk_standings"),
        sa.ForeignKeyConstraint(["room"], ["rooms.id"], name="fk_standings_room", ondelete="CASCADE"),
    )
    op.create_index("ix_standings_room", "standings", ["room"])
    op.create_index("ix_standings_expires_ms", "standings", ["expires_ms"])

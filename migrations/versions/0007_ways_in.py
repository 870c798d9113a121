"""Further ways to sign in: second factors, passkeys, sign-ins of other sites; invitations; telephone numbers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
BYTES = sa.LargeBinary()
OUTCOMES = ("signed_in", "wrong_password", "refused", "half_way", "wrong_code")
WAYS = ("password", "passkey", "openid")


def upgrade() -> None:
    op.add_column("users", sa.Column("phone", sa.String()))
    _login_history()
    _second_factors()
    op.create_table(
        "passkeys",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        _user(),
        sa.Column("user_handle", BYTES, nullable=False),
        sa.Column("credential_id", BYTES, nullable=False, unique=True),
        sa.Column("public_key", BYTES, nullable=False),
        sa.Column("sign_count", BIG, nullable=False),
        sa.Column("transports", ARRAY(sa.String()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id", "id"])
    op.create_table(
        "outside_identities",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        _user(),
        sa.Column("issuer", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("email", sa.String()),
        sa.Column("linked_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME),
    )
    op.create_index("uq_outside_identities_subject", "outside_identities", ["issuer", "subject"], unique=True)
    op.create_index("ix_outside_identities_user_id", "outside_identities", ["user_id", "id"])
    op.create_table(
        "sign_in_steps",
        sa.Column("token_hash", BYTES, primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        _user(nullable=True),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("begun_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
    )
    op.create_index("ix_sign_in_steps_user_id", "sign_in_steps", ["user_id"])
    op.create_index("ix_sign_in_steps_expires_at", "sign_in_steps", ["expires_at"])
    _invitations()


def _user(*, nullable: bool = False, primary_key: bool = False) -> sa.Column[int]:
    link = sa.ForeignKey("users.id", ondelete="CASCADE")
    return sa.Column("user_id", BIG, link, nullable=nullable, primary_key=primary_key, autoincrement=False)


def _login_history() -> None:
    # Whoever serves the previous version writes only words that both checks take.
    op.drop_constraint(op.f("ck_login_history_outcome"), "login_history", type_="check")
    op.create_check_constraint(op.f("ck_login_history_outcome"), "login_history", sa.column("outcome").in_(OUTCOMES))
    op.add_column(
        "login_history", sa.Column("way", sa.String(24), server_default=sa.text("'password'"), nullable=False)
    )
    op.create_check_constraint(op.f("ck_login_history_way"), "login_history", sa.column("way").in_(WAYS))


def _second_factors() -> None:
    op.create_table(
        "second_factors",
        _user(primary_key=True),
        sa.Column("secret", BYTES),
        sa.Column("waiting_secret", BYTES),
        sa.Column("last_step", BIG, server_default=sa.text("0"), nullable=False),
        sa.Column("confirmed_at", TIME),
    )
    op.create_table(
        "recovery_codes",
        _user(primary_key=True),
        sa.Column("code_hash", BYTES, primary_key=True),
        sa.Column("used_at", TIME),
    )


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("code_hash", BYTES, nullable=False, unique=True),
        sa.Column("beginning", sa.String(), nullable=False),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("uses", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=False),
        sa.Column("made_by", BIG, sa.ForeignKey("users.id", ondelete="SET NULL")),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("withdrawn_at", TIME),
        sa.CheckConstraint("uses >= 0 AND uses <= max_uses AND max_uses >= 1", name=op.f("ck_invitations_uses")),
    )
    op.create_table(
        "invited_users",
        _user(primary_key=True),
        sa.Column("invitation_id", BIG, sa.ForeignKey("invitations.id", ondelete="CASCADE"), nullable=False),
    )
    op.create_index("ix_invited_users_invitation_id", "invited_users", ["invitation_id"])

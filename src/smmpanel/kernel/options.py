"""What an operator may change while the panel runs: named values in one small table."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, String, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from smmpanel.kernel.db import Base


class PanelOption(Base):
    """One named value."""

    __tablename__ = "panel_options"

    name: Mapped[str] = mapped_column(String, primary_key=True)
    value: Mapped[Any] = mapped_column(JSONB)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


async def read_options(session: AsyncSession, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Return all options but those `without`, for some hold much."""
    wanted = select(PanelOption.name, PanelOption.value).where(PanelOption.name.not_in(without))
    return dict((await session.execute(wanted)).all())


async def read_option(session: AsyncSession, name: str, default: Any = None) -> Any:
    """Return one option's value."""
    found = await session.scalar(select(PanelOption.value).where(PanelOption.name == name))
    return default if found is None else found


async def write_option(session: AsyncSession, name: str, value: Any) -> None:
    """Set one option."""
    written = insert(PanelOption).values(name=name, value=value)
    await session.execute(
        written.on_conflict_do_update(
            index_elements=[PanelOption.name], set_={"value": written.excluded.value, "updated_at": func.now()}
        )
    )

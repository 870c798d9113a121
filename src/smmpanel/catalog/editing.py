"""Making and changing services and categories by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from smmpanel.accounts.access import Actor, Permission
from smmpanel.accounts.audit import audit
from smmpanel.catalog.change_log import Change, begin_change, bump_version, record_changes
from smmpanel.catalog.models import Category
from smmpanel.catalog.repricing import Scope, recompute, reprice
from smmpanel.catalog.service_fields import (
    CATEGORY_FIELDS,
    NEW_CATEGORY,
    NEW_SERVICE,
    SERVICE_FIELDS,
    CategoryFields,
    ServiceFields,
    checked,
    merged,
)
from smmpanel.kernel.errors import ConflictError, InvalidInputError, NotFoundError
from smmpanel.kernel.i18n import marked

AUDITED_SINGLY_MAX = 200
"""Of larger rounds of edits the audit log keeps the number; each change is in the services' own log."""


class CategoryExistsError(ConflictError):
    """There is a category of this name, whatever its case."""

    code, message = "category_exists", "There is a category named {name} already."


class CategoryInUseError(ConflictError):
    """A category with services cannot be deleted."""

    code, message = "category_in_use", "This category still has services; move them first."


@dataclass(frozen=True, slots=True)
class Edited:
    """What a round of edits did."""

    added: tuple[int, ...]
    """Ids of new services, in the order given."""
    changed: tuple[int, ...]
    """Ids of services of which something changed."""


async def create_service(
    session: AsyncSession, fields: ServiceFields, *, currency: str, actor: Actor, now: datetime
) -> int:
    """Make a service of our own and return its id; one fulfilled by providers needs a route before it can be sold.

    `category_id`, `name`, `min` and `max` are needed, and for manual and stock services a rate or a cost.
    """
    edited = await edit_services(session, {}, [fields], currency=currency, actor=actor, now=now)
    return edited.added[0]


async def edit_service(
    session: AsyncSession, service_id: int, fields: ServiceFields, *, currency: str, actor: Actor, now: datetime
) -> bool:
    """Change what is given of one service; price and holds follow. Returns whether anything changed."""
    edited = await edit_services(session, {service_id: fields}, currency=currency, actor=actor, now=now)
    return bool(edited.changed)


async def edit_services(
    session: AsyncSession,
    edits: Mapping[int, ServiceFields],
    new: Sequence[ServiceFields] = (),
    *,
    currency: str,
    actor: Actor,
    now: datetime,
    cause: str = "edit",
) -> Edited:
    """Change and make many services, all or none, in a few statements however many there are."""
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    before = await read_services(session, edits)
    if len(before) < len(edits):
        raise NotFoundError
    after = {one: merged(before[one], fields) for one, fields in edits.items()}
    after = {one: fields for one, fields in after.items() if fields != before[one]}
    made = [merged(NEW_SERVICE, fields) for fields in new]
    await _check_categories(session, [*after.values(), *made])
    ids = list((await session.scalars(_DRAW_IDS, {"count": len(made)})).all())
    await _write(session, after, now)
    await _insert(session, dict(zip(ids, made, strict=True)), now)
    changes = [
        Change(one, field, before[one][field], value)
        for one, fields in after.items()
        for field, value in fields.items()
        if value != before[one][field]
    ]
    changes += [
        Change(one, "added", None, {"min": row["min"], "max": row["max"]}) for one, row in zip(ids, made, strict=True)
    ]
    scope = Scope(service_ids=[*after, *ids])
    repriced = await recompute(session, scope, currency=currency, now=now)
    fresh = set(ids)
    changes += [change for change in repriced if change.service_id not in fresh]
    await record_changes(session, changes, cause=cause, now=now)
    if changes:
        await bump_version(session)
    await _audit(session, actor, before, {**after, **dict(zip(ids, made, strict=True))})
    return Edited(tuple(ids), tuple(after))


async def _audit(
    session: AsyncSession, actor: Actor, before: Mapping[int, Mapping[str, Any]], after: Mapping[int, Mapping[str, Any]]
) -> None:
    if len(after) > AUDITED_SINGLY_MAX:
        await audit(session, actor, Permission.SERVICES_EDIT, "services", after={"edited": len(after)})
        return
    for one, fields in after.items():
        was = before.get(one, {})
        changed = {name: value for name, value in fields.items() if name not in was or was[name] != value}
        old = {name: was[name] for name in changed if name in was}
        await audit(session, actor, Permission.SERVICES_EDIT, f"service:{one}", before=old or None, after=changed)


async def create_category(session: AsyncSession, fields: CategoryFields, *, actor: Actor) -> int:
    """Make a category, last in line unless a position is given, and return its id. `name` is needed."""
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    values = {**NEW_CATEGORY, **checked(CATEGORY_FIELDS, fields)}
    if not values["name"]:
        raise InvalidInputError(field="name", reason=marked("is needed"))
    if "position" not in fields:
        values["position"] = await session.scalar(_LAST_POSITION)
    await _demand_free_name(session, values["name"])
    category = Category(**values)
    session.add(category)
    await session.flush()
    await bump_version(session)
    await audit(session, actor, Permission.SERVICES_EDIT, f"category:{category.id}", after=values)
    return category.id


async def edit_category(
    session: AsyncSession, category_id: int, fields: CategoryFields, *, currency: str, actor: Actor, now: datetime
) -> bool:
    """Change what is given of a category; the prices of its services follow. Returns whether anything changed."""
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    category = await session.get(Category, category_id, populate_existing=True)
    if category is None:
        raise NotFoundError
    values = checked(CATEGORY_FIELDS, fields)
    before = {name: getattr(category, name) for name in values}
    changed = {name: value for name, value in values.items() if value != before[name]}
    if not changed:
        return False
    if "name" in changed:
        await _demand_free_name(session, changed["name"], category_id)
    for name, value in changed.items():
        setattr(category, name, value)
    await session.flush()
    await reprice(session, Scope(category_id=category_id), currency=currency, cause="category", now=now)
    await bump_version(session)
    was = {name: before[name] for name in changed}
    await audit(session, actor, Permission.SERVICES_EDIT, f"category:{category_id}", before=was, after=changed)
    return True


async def delete_category(session: AsyncSession, category_id: int, *, actor: Actor) -> None:
    """Take an empty category away; raises `CategoryInUseError` if there are services in it."""
    actor.require(Permission.SERVICES_EDIT)
    await begin_change(session)
    category = await session.get(Category, category_id, populate_existing=True)
    if category is None:
        raise NotFoundError
    if await session.scalar(_IN_USE, {"category_id": category_id}):
        raise CategoryInUseError
    await session.delete(category)
    await session.flush()
    await bump_version(session)
    await audit(session, actor, Permission.SERVICES_EDIT, f"category:{category_id}", before={"name": category.name})


async def _demand_free_name(session: AsyncSession, name: str, own_id: int = 0) -> None:
    # The writers' lock makes looking first enough.
    if await session.scalar(_SAME_NAME, {"name": name, "own_id": own_id}):
        raise CategoryExistsError(name=name)


async def read_services(session: AsyncSession, service_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return everything about services that is edited by hand, by field."""
    rows = await session.execute(_READ, {"ids": list(service_ids)})
    return {row["id"]: {name: row[name] for name in SERVICE_FIELDS} for row in rows.mappings()}


async def _check_categories(session: AsyncSession, services: Iterable[Mapping[str, Any]]) -> None:
    wanted = {fields["category_id"] for fields in services}
    if wanted and await session.scalar(_CATEGORIES, {"ids": list(wanted)}) != len(wanted):
        raise InvalidInputError(field="category_id", reason=marked("is not a category"))


def _columns(services: Mapping[int, Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {"ids": list(services), **{name: [one[name] for one in services.values()] for name in SERVICE_FIELDS}}


async def _write(session: AsyncSession, services: Mapping[int, Mapping[str, Any]], now: datetime) -> None:
    if services:
        await session.execute(_UPDATE, {**_columns(services), "now": now})


async def _insert(session: AsyncSession, services: Mapping[int, Mapping[str, Any]], now: datetime) -> None:
    if not services:
        return
    # `recompute` finds the rate; what it cannot compute is what was set by hand, and zero until there is a route.
    await session.execute(_INSERT, {**_columns(services), "now": now, "zero": Decimal(0)})


_NAMES = ", ".join(SERVICE_FIELDS)
_ARRAYS = ", ".join(f"CAST(:{name} AS {field.sql}[])" for name, field in SERVICE_FIELDS.items())
_DRAW_IDS = text("SELECT nextval(pg_get_serial_sequence('services', 'id')) FROM generate_series(1, :count)")
_READ = text(f"SELECT id, {_NAMES} FROM services WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id")
_CATEGORIES = text("SELECT count(*) FROM categories WHERE id = ANY(CAST(:ids AS bigint[]))")
_UPDATE = text(
    f"UPDATE services s SET {', '.join(f'{name} = v.{name}' for name in SERVICE_FIELDS)}, updated_at = :now"
    f" FROM unnest(CAST(:ids AS bigint[]), {_ARRAYS}) AS v(id, {_NAMES}) WHERE s.id = v.id"
)
_INSERT = text(
    f"INSERT INTO services (id, {_NAMES}, rate, created_at, updated_at)"
    f" SELECT v.id, {', '.join(f'v.{name}' for name in SERVICE_FIELDS)}, COALESCE(v.fixed_rate, :zero), :now, :now"
    f" FROM unnest(CAST(:ids AS bigint[]), {_ARRAYS}) AS v(id, {_NAMES})"
)
_LAST_POSITION = text("SELECT COALESCE(max(position), 0) + 1 FROM categories")
_SAME_NAME = text("SELECT 1 FROM categories WHERE lower(name) = lower(:name) AND id <> :own_id")
_IN_USE = text("SELECT 1 FROM services WHERE category_id = :category_id LIMIT 1")

"""`/api/keys`: the own keys for the reseller API."""

from decimal import Decimal
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from smmpanel.accounts.api_keys import IP_LIST_MAX, KEYS_PER_USER_MAX, NAME_MAX, issue_key, list_keys, revoke_key
from smmpanel.accounts.current import CurrentViewer
from smmpanel.accounts.finding import locked_user
from smmpanel.accounts.models import ApiKey
from smmpanel.api.amounts import Amount
from smmpanel.api.errors import errors
from smmpanel.api.public import Reader, reader_of
from smmpanel.api.times import LocalTime
from smmpanel.web.inputs import CleanText, RowId
from smmpanel.web.transactions import CurrentPanel, Session

router = APIRouter(prefix="/api/keys", tags=["API keys"])

IP_TEXT_MAX = 64


class NewKey(BaseModel):
    """What a key is called and what it may do."""

    name: Annotated[CleanText, Field(min_length=1, max_length=NAME_MAX)]
    ip_list: Annotated[
        list[Annotated[CleanText, Field(max_length=IP_TEXT_MAX)]],
        Field(max_length=IP_LIST_MAX, description="Addresses or networks it may be used from; empty: from anywhere."),
    ] = []
    daily_spend_cap: Annotated[
        Decimal | None,
        Field(gt=0, max_digits=23, decimal_places=6, description="In the panel's currency, per day; none: no cap."),
    ] = None


class KeyView(BaseModel):
    """A key without its secret."""

    id: int
    name: str
    prefix: str
    ip_list: list[str]
    daily_spend_cap: Amount | None
    created_at: LocalTime
    last_used_at: LocalTime | None


class Keys(BaseModel):
    """All live keys."""

    success: Literal[True] = True
    data: list[KeyView] = Field(max_length=KEYS_PER_USER_MAX)


class IssuedKey(KeyView):
    """A new key. Its text is shown now and never again."""

    success: Literal[True] = True
    key: str


class KeyRevoked(BaseModel):
    """The key is worthless from now on."""

    success: Literal[True] = True


@router.get("", summary="List API keys", responses=errors(401, 403))
async def keys(panel: CurrentPanel, session: Session, viewer: CurrentViewer) -> Keys:
    """Return the live keys, oldest first."""
    return Keys(data=[_view(key, reader_of(panel, viewer)) for key in await list_keys(session, viewer.user_id)])


@router.post("", summary="Make an API key", status_code=201, responses=errors(401, 403, 409, 422))
async def make_key(panel: CurrentPanel, session: Session, viewer: CurrentViewer, form: NewKey) -> IssuedKey:
    """Make a key for the reseller API. Keep its text: it cannot be shown again."""
    user = await locked_user(session, viewer.user_id)
    key, text = await issue_key(session, panel.vault, user, form.name, form.ip_list, form.daily_spend_cap, actor=viewer)
    return IssuedKey(**_view(key, reader_of(panel, viewer)).model_dump(), key=text)


@router.delete("/{key_id}", summary="Revoke an API key", responses=errors(401, 403, 404, 422))
async def end_key(panel: CurrentPanel, session: Session, viewer: CurrentViewer, key_id: RowId) -> KeyRevoked:
    """End a key for good, at once."""
    await revoke_key(session, viewer.user_id, key_id, now=panel.clock(), actor=viewer)
    return KeyRevoked()


def _view(key: ApiKey, reader: Reader) -> KeyView:
    return KeyView(
        id=key.id,
        name=key.name,
        prefix=key.prefix,
        ip_list=key.ip_list,
        daily_spend_cap=key.daily_spend_cap,
        created_at=reader.time(key.created_at),
        last_used_at=reader.maybe_time(key.last_used_at),
    )

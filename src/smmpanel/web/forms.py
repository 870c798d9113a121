"""Forms as browsers post them, read once and only as text."""

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from smmpanel.kernel.errors import InvalidInputError
from smmpanel.kernel.i18n import marked
from smmpanel.web.inputs import is_clean

FIELDS_MAX = 100
PART_BYTES_MAX = 32 * 1024 * 1024
NOT_STORABLE = marked("holds characters that cannot be stored")
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


def is_form(request: Request) -> bool:
    """Whether the body is a form."""
    return request.headers.get("content-type", "").lower().startswith(_FORM_TYPES)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form; files are left out (`read_upload`), and of fields with one name the last counts.

    Raises `InvalidInputError` if a field holds what cannot be stored.
    """
    if not is_form(request):
        return {}
    try:
        # Broken text is a ValueError to the parser, and an unknown charset a LookupError.
        # How long a body may be at all is decided before it comes here, by path.
        form = await request.form(max_fields=FIELDS_MAX, max_files=FIELDS_MAX, max_part_size=PART_BYTES_MAX)
    except (ValueError, LookupError):
        raise HTTPException(400) from None
    fields = {name: value for name, value in form.multi_items() if not isinstance(value, UploadFile)}
    if not hasattr(request.state, "uploads"):
        request.state.uploads = {
            name: await value.read() for name, value in form.multi_items() if isinstance(value, UploadFile)
        }
    await form.close()
    for name, value in fields.items():
        if not (is_clean(name) and is_clean(value)):
            raise InvalidInputError(field=name if is_clean(name) else "?", reason=NOT_STORABLE)
    return fields


async def read_upload(request: Request, name: str) -> bytes:
    """Return the content of a posted file; nothing if none was chosen."""
    await read_form(request)
    uploads: dict[str, bytes] = getattr(request.state, "uploads", {})
    return uploads.get(name, b"")

"""What is wrong with the values of a request, in the reader's language, whatever the checking library calls it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from smmpanel.kernel.i18n import marked, translate

FIELDS_SHOWN_MAX = 20
FIELD_NAME_MAX = 100

_WHOLE_NUMBER = marked("is not a whole number")
_NUMBER = marked("is not a number")
_TEXT = marked("is not text")
_DATE = marked("is not a date")
_TIME = marked("is not a date and time")
_SHAPE = marked("is not of the kind that is needed here")
_YES_NO = marked("is neither true nor false")
_CHOICE = marked("is none of these: {expected}")
_WRONG = marked("is not valid")
_REASONS: Mapping[str, str] = {
    "missing": marked("is missing"),
    "string_too_short": marked("has fewer than {min_length} characters"),
    "string_too_long": marked("has more than {max_length} characters"),
    "string_pattern_mismatch": _WRONG,
    "too_short": marked("has fewer than {min_length} entries"),
    "too_long": marked("has more than {max_length} entries"),
    "greater_than_equal": marked("is less than {ge}"),
    "greater_than": marked("is not more than {gt}"),
    "less_than_equal": marked("is more than {le}"),
    "less_than": marked("is not less than {lt}"),
    "multiple_of": marked("is not a multiple of {multiple_of}"),
    "decimal_max_digits": marked("has more than {max_digits} digits"),
    "decimal_max_places": marked("has more than {decimal_places} decimals"),
    "decimal_whole_digits": marked("has more than {whole_digits} digits before the point"),
    "literal_error": _CHOICE,
    "enum": _CHOICE,
    "extra_forbidden": marked("is not a field that is known here"),
    "json_invalid": marked("is not JSON"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _WHOLE_NUMBER),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing", "finite_number"), _NUMBER),
    **dict.fromkeys(("string_type", "string_unicode", "string_sub_type"), _TEXT),
    **dict.fromkeys(("bool_type", "bool_parsing"), _YES_NO),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), _DATE),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "timezone_aware"), _TIME),
    **dict.fromkeys(
        ("list_type", "dict_type", "model_type", "model_attributes_type", "tuple_type", "set_type"), _SHAPE
    ),
}
_OWN = "Value error, "
# Of a union each kind is tried; the tries' own names stand in the path behind the field's.
_OF_A_UNION = frozenset({"int", "str", "float", "bool", "decimal", "none"})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*|[0-9]+", re.ASCII)


def wrong_fields(language: str, errors: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what is wrong by field, the first wrong thing of each, for as many fields as anybody would read."""
    wrong: dict[str, str] = {}
    for entry in errors:
        name = _name(entry.get("loc", ()))
        if name not in wrong and len(wrong) < FIELDS_SHOWN_MAX:
            wrong[name] = _reason(language, entry)
    return wrong


def _reason(language: str, entry: Mapping[str, Any]) -> str:
    kind = str(entry.get("type", ""))
    if kind == "value_error":
        return translate(language, str(entry.get("msg", "")).removeprefix(_OWN))
    if isinstance(entry.get("input"), str):  # a length that is asked for after a check of our own is told in entries
        kind = {"too_short": "string_too_short", "too_long": "string_too_long"}.get(kind, kind)
    facts = dict(entry.get("ctx") or {})
    if "expected" in facts:  # an English list: 'a', 'b' or 'c'
        facts["expected"] = str(facts["expected"]).replace("' or '", "', '").replace("'", "")
    template = _REASONS.get(kind, _WRONG)
    return translate(language, template, **facts) if "{" in template else translate(language, template)


def _name(loc: Sequence[Any]) -> str:
    """Return the path to a value as clients know it: without the part of the request it was in."""
    named = [str(part) for part in loc[1:]] or [str(part) for part in loc]
    first, rest = named[:1], named[1:]
    known = [part for part in rest if _NAME.fullmatch(part) and part not in _OF_A_UNION and "-" not in part]
    return ".".join(first + known)[:FIELD_NAME_MAX]

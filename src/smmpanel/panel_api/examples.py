"""Examples of calls in four languages, made from the same fields, so that they cannot say different things."""

import json
import shlex
from collections.abc import Sequence
from typing import NamedTuple

PLACEHOLDER_KEY = "YOUR_API_KEY"
LANGUAGES = (("curl", "curl"), ("php", "PHP"), ("python", "Python"), ("javascript", "JavaScript"))
"""Codes and names of the languages, in the order in which they are shown."""
Fields = Sequence[tuple[str, str]]


class Example(NamedTuple):
    """One call in one language: its code and name, and the program."""

    code: str
    name: str
    text: str


def examples_of(address: str, fields: Fields) -> list[Example]:
    """Write a call to the API at an address in every language."""
    sent = [("key", PLACEHOLDER_KEY), *fields]
    programs = {
        "curl": _curl(address, sent),
        "php": _php(address, sent),
        "python": _python(address, sent),
        "javascript": _javascript(address, sent),
    }
    return [Example(code, name, programs[code]) for code, name in LANGUAGES]


def _curl(address: str, fields: Fields) -> str:
    lines = [f"curl {shlex.quote(address)}", *(f"  {_curl_field(name, value)}" for name, value in fields)]
    return " \\\n".join(lines)


def _curl_field(name: str, value: str) -> str:
    if value.replace("_", "").replace(",", "").isalnum():
        return f"-d {name}={value}"
    # Lines are written as a shell would have them; everything else would have to be encoded by hand.
    return f"--data-urlencode {shlex.quote(f'{name}={value}')}"


def _php(address: str, fields: Fields) -> str:
    # Otherwise a string as JSON has it, but PHP would read a dollar sign in it.
    lines = "\n".join(f"        {_quoted(name)} => {_quoted(value)},".replace("$", "\\$") for name, value in fields)
    return (
        "<?php\n"
        f"$call = curl_init({_quoted(address)});\n"
        "curl_setopt_array($call, [\n"
        "    CURLOPT_RETURNTRANSFER => true,\n"
        "    CURLOPT_POSTFIELDS => http_build_query([\n"
        f"{lines}\n"
        "    ]),\n"
        "]);\n"
        "print_r(json_decode(curl_exec($call), true));"
    )


def _python(address: str, fields: Fields) -> str:
    lines = "\n".join(f"    {_quoted(name)}: {_quoted(value)}," for name, value in fields)
    return (
        "import json\n"
        "from urllib.parse import urlencode\n"
        "from urllib.request import urlopen\n"
        "\n"
        f"fields = {{\n{lines}\n}}\n"
        f"with urlopen({_quoted(address)}, urlencode(fields).encode()) as answer:\n"
        "    print(json.load(answer))"
    )


def _javascript(address: str, fields: Fields) -> str:
    lines = "\n".join(f"    {name}: {_quoted(value)}," for name, value in fields)
    return (
        f"const answer = await fetch({_quoted(address)}, {{\n"
        '  method: "POST",\n'
        "  body: new URLSearchParams({\n"
        f"{lines}\n"
        "  }),\n"
        "});\n"
        "console.log(await answer.json());"
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

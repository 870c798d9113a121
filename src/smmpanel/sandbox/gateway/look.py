"""How the sandbox's own pages look: one template folder, one style sheet, nothing from elsewhere."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from smmpanel.sandbox.http_server import HTML

SAFE = (
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
)
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
STYLE = b"""
:root { color-scheme: light dark; --ink: #18212f; --soft: #566173; --line: #d9dee7; --ground: #f4f6f9; --card: #fff;
  --strong: #1f5fd6; --on-strong: #fff; --good: #13734a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf3; --soft: #a3adbd; --line: #333c4a; --ground: #12161d;
  --card: #1b212b; --strong: #86aefc; --on-strong: #0d1626; --good: #6fd3a5; --bad: #ff9d94; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
.note { color: var(--soft); font-size: .875rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem; margin: 1rem 0; }
h1 { font-size: 1.375rem; line-height: 1.3; margin: .25rem 0; }
h2 { font-size: 1rem; margin: 0 0 .75rem; }
.amount { font-size: 2rem; font-weight: 650; font-variant-numeric: tabular-nums; margin: .25rem 0; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: .75rem 0 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
form { display: inline; }
.deeds { display: flex; flex-wrap: wrap; gap: .5rem; }
button, .button { display: inline-block; min-height: 44px; padding: .5rem 1rem; font: inherit; font-weight: 550; cursor: pointer;
  color: var(--ink); background: var(--card); border: 1px solid var(--line); border-radius: 8px; text-decoration: none; }
button:hover, .button:hover { border-color: var(--soft); }
.first { color: var(--on-strong); background: var(--strong); border-color: var(--strong); }
.bad { color: var(--bad); }
:focus-visible { outline: 3px solid var(--strong); outline-offset: 2px; }
a { color: var(--strong); }
label { display: block; margin: .75rem 0 .25rem; }
input, select { width: 100%; min-height: 44px; padding: .5rem .75rem; font: inherit; color: var(--ink); background: var(--card);
  border: 1px solid var(--soft); border-radius: 8px; }
.fields { display: block; }
.fields button { margin-top: 1rem; }
.told { border-left: 4px solid var(--good); }
.told.no { border-color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
caption { text-align: left; font-weight: 650; font-size: 1rem; padding-bottom: .5rem; }
th, td { text-align: left; vertical-align: top; padding: .375rem .75rem .375rem 0; border-top: 1px solid var(--line); }
td + td { overflow-wrap: anywhere; }
code { font-size: .875em; overflow-wrap: anywhere; }
"""


def drawn(name: str, **shown: Any) -> tuple[bytes, str]:
    """Draw a page; returns its bytes and their kind."""
    return _PAGES.get_template(f"gateway/{name}").render(shown).encode(), HTML

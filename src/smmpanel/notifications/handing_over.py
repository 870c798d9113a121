"""How far a mail came when it was handed over."""

from dataclasses import dataclass
from typing import Literal

FOLDER = "mails"
"""Where mails lie in the panel's home that are kept in place of being sent."""
KEPT = "kept in the folder of mails"
"""What is said of those."""


@dataclass(frozen=True, slots=True)
class Handed:
    """How handing a mail over ended: `sent`, `refused` for good, `later` (certainly not sent), or `unknown`."""

    how: Literal["sent", "refused", "later", "unknown"]
    said: str
    line_is_up: bool = True

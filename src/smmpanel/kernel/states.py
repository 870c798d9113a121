"""State machines declared in one place, moved by compare-and-set in the database."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from smmpanel.kernel.errors import ConflictError

S = TypeVar("S", bound=StrEnum)


class IllegalMoveError(ConflictError):
    """The declared flow has no such move."""

    code, message = "illegal_move", "It cannot go from {before} to {after}."


class StaleMoveError(ConflictError):
    """Somebody else moved it first."""

    code, message = "stale_move", "It has changed in the meantime."


class Flow(Generic[S]):
    """Which state may follow which. States that lead nowhere are final."""

    def __init__(self, moves: Mapping[S, set[S]]) -> None:
        self._moves = {state: frozenset(after) for state, after in moves.items()}
        strangers = set().union(*self._moves.values()) - set(self._moves)
        assert not strangers, f"moves lead to undeclared states: {strangers}"

    def allows(self, before: S, after: S) -> bool:
        """Whether the flow has this move."""
        return after in self._moves[before]

    def check(self, before: S, after: S) -> None:
        """Raise `IllegalMoveError` unless the flow has this move."""
        if not self.allows(before, after):
            raise IllegalMoveError(before=before.value, after=after.value)

    def sources(self, after: S) -> frozenset[S]:
        """Return all states from which this one can be reached in one move."""
        return frozenset(state for state, targets in self._moves.items() if after in targets)

    @property
    def final(self) -> frozenset[S]:
        """The states that lead nowhere."""
        return frozenset(state for state, targets in self._moves.items() if not targets)

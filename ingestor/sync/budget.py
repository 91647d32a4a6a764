"""How many items of one run may fail to be read before the source itself is to blame (R8).

Only reads from the source count: an item that cannot be parsed is quarantined and costs nothing here,
an error of the ledger or the index stops the run at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorBudget:
    """State of one run; each read gives the next state. Once exceeded the run stops, deletes nothing."""

    most_in_a_row: int = 20
    most_share: float = 0.30
    share_counts_from: int = 100
    reads: int = 0
    errors: int = 0
    in_a_row: int = 0

    def succeeded(self) -> ErrorBudget:
        """After an item was read."""
        return replace(self, reads=self.reads + 1, in_a_row=0)

    def failed(self) -> ErrorBudget:
        """After an item could not be read (``ItemUnreadable``; one that vanished is no error)."""
        return replace(self, reads=self.reads + 1, errors=self.errors + 1, in_a_row=self.in_a_row + 1)

    @property
    def exceeded(self) -> bool:
        return bool(self.reason)

    @property
    def reason(self) -> str:
        """A sentence with the numbers; empty while the budget holds."""
        if self.in_a_row > self.most_in_a_row:
            return f"{self.in_a_row} items in a row could not be read (at most {self.most_in_a_row})."
        if self.reads >= self.share_counts_from and self.errors > self.most_share * self.reads:
            share = f"{self.errors / self.reads:.0%}, at most {self.most_share:.0%}"
            return f"{self.errors} of {self.reads} items could not be read ({share})."
        return ""

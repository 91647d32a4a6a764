"""The rows of who may read: places, and the principals that each grants to, with validity.

A place is one row whatever hangs on it, so one permission change is one change (R7).
"""

from __future__ import annotations

from connectors.base import Grant
from ingestor.ledger.database import Transaction
from ingestor.ledger.passages import inserted


class GrantRows:
    """What one transaction does to the places of one source. ``ingestor.ledger.sync`` builds its operations on it."""

    _tx: Transaction
    _row: int  # of the source

    def regrant(self, place: str, principals: frozenset[str]) -> int:
        """Make the place grant to exactly these; returns its row (R7: narrowings take effect here)."""
        tx = self._tx
        found = tx.execute("SELECT id FROM acl WHERE source = ? AND place = ?", (self._row, place)).fetchone()
        if found is None:
            acl = inserted(tx.execute("INSERT INTO acl (source, place) VALUES (?, ?)", (self._row, place)))
        else:
            (acl,) = found
        before = {name: principal for principal, name in self._granted(acl)}
        for name in sorted(before.keys() - principals):
            self._withdraw(acl, before[name])
        for name in sorted(principals - before.keys()):
            tx.execute("INSERT OR IGNORE INTO principal (name) VALUES (?)", (name,))
            tx.execute(
                "INSERT INTO acl_principal (acl, principal, born) SELECT ?, id, ? FROM principal WHERE name = ?",
                (acl, tx.seq, name),
            )
        return acl

    def _acl(self, grant: Grant) -> int:
        """The row of the place. Its principals are set when the place is new; later they are widened by Regrant
        alone, and narrowed by each item that saw less: a place that was empty for a while, or changed since it
        was listed, must not show the item to those whom it no longer grants to (R7)."""
        found = self._tx.execute(
            "SELECT id FROM acl WHERE source = ? AND place = ?", (self._row, grant.place)
        ).fetchone()
        if found is None:
            return self.regrant(grant.place, grant.principals)
        for principal, name in self._granted(found[0]):
            if name not in grant.principals:
                self._withdraw(found[0], principal)
        return int(found[0])

    def _granted(self, acl: int) -> list[tuple[int, str]]:
        """(row, name) of the principals that may read there now."""
        return self._tx.execute(
            "SELECT principal.id, principal.name FROM acl_principal JOIN principal ON principal.id = principal"
            " WHERE acl = ? AND died IS NULL",
            (acl,),
        ).fetchall()

    def _withdraw(self, acl: int, principal: int) -> None:
        self._tx.execute(
            "UPDATE acl_principal SET died = ? WHERE acl = ? AND principal = ? AND died IS NULL",
            (self._tx.seq, acl, principal),
        )

"""Sources and their visible state: registering, pausing, bookmarks, held plans, the live-count history."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.base import ItemId
from ingestor.errors import UnknownId, UserError
from ingestor.ledger.database import Database, Transaction
from ingestor.ledger.scopes import note_scope, rescope
from ingestor.model import Plan, SourceMemory, SourceState, blake

PURGE = "purge_wanted"
"""The setting that says that removed sources are to be erased."""

# From the attachments, of which there are few or none, and not by asking of each item whether it is one.
LISTED = """
SELECT (SELECT count(*) FROM item WHERE source = ?1) - (
    SELECT count(*) FROM document CROSS JOIN item ON item.doc = document.id
    WHERE document.container IS NOT NULL AND item.source = ?1
)
"""
"""How many items of the source live. What hangs on one of them comes and goes with it, and counts for no guard."""

_DAY = 86_400.0  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRow:
    """A live source as the ledger holds it."""

    name: str
    kind: str
    settings: Mapping[str, object]
    origin: str
    state: SourceState
    note: str
    paused: bool
    next_run: float | None
    scope: str = ""


class Sources:
    """The registry of sources."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> Sequence[SourceRow]:
        """Live sources by name."""
        rows = self._db.read(
            "SELECT name, kind, settings, origin, state, note, paused, next_run, scope FROM source"
            " WHERE removed_at IS NULL ORDER BY name"
        )
        return [
            SourceRow(
                name=str(name),
                kind=str(kind),
                settings=json.loads(str(settings)),
                origin=str(origin),
                state=SourceState(str(state)),
                note=str(note),
                paused=bool(paused),
                next_run=next_run,
                scope=str(scope),
            )
            for name, kind, settings, origin, state, note, paused, next_run, scope in rows
        ]

    def row_id(self, name: str) -> int:
        rows = self._db.read("SELECT id FROM source WHERE name = ? AND removed_at IS NULL", (name,))
        if not rows:
            raise UnknownId(f"There is no source named {name!r}.", hint="`ingestor source list` shows them.")
        return int(rows[0][0])

    def put(self, name: str, kind: str, settings: Mapping[str, object], origin: str, scope: str = "") -> bool:
        """Register a source or update its settings; True when it is new. A removed source of the same
        name is not revived: its documents were given up with it. Another ``scope`` moves its rows in the index."""
        packed = json.dumps(settings, sort_keys=True)
        with self._db.write() as tx:
            row = tx.execute(
                "SELECT id, kind, settings, origin, scope FROM source WHERE name = ? AND removed_at IS NULL", (name,)
            ).fetchone()
            if row is None:
                tx.execute(
                    "INSERT INTO source (name, kind, settings, origin, scope) VALUES (?, ?, ?, ?, ?)",
                    (name, kind, packed, origin, scope),
                )
                note_scope(tx, scope)
                return True
            if row[1] != kind:
                raise UserError(
                    f"The source {name!r} is of kind {row[1]}, not {kind}.",
                    hint=f"Give the new one another name, or run `ingestor source remove {name}` first.",
                )
            if (row[2], row[3]) != (packed, origin):
                tx.execute("UPDATE source SET settings = ?, origin = ? WHERE id = ?", (packed, origin, row[0]))
                _narrow(tx, row[0], json.loads(row[2]).get("permissions"), settings.get("permissions"))
            if row[4] != scope:
                rescope(tx, row[0], scope)
            note_scope(tx, scope)
        return False

    def remove(self, name: str, *, purge: bool = False) -> int:
        """Mark a source removed: from now on no search shows it and no run writes to it. What it holds is taken
        out, and with ``purge`` erased, by ``Ledger.finish_removals``."""
        row = self.row_id(name)
        with self._db.write() as tx:
            # A commit with a number, like all that changes what may be shown.
            tx.execute("UPDATE source SET removed_at = ? WHERE id = ?", (tx.at, row))
            tx.execute("DELETE FROM held_plan WHERE source = ?", (row,))
            if purge:
                # On record with the removal: a process that dies now has a next one that knows of it.
                tx.execute("INSERT OR IGNORE INTO setting (key, value) VALUES (?, '1')", (PURGE,))
        return row

    def set_state(self, source: str, state: SourceState, note: str = "") -> None:
        with self._db.write() as tx:
            tx.execute(
                "UPDATE source SET state = ?, note = ? WHERE name = ? AND removed_at IS NULL"
                " AND (state IS NOT ? OR note IS NOT ?)",
                (state.value, note, source, state.value, note),
            )

    def set_paused(self, source: str, paused: bool) -> bool:
        """Whether a source is to be left alone; True when that is new."""
        row = self.row_id(source)
        with self._db.write() as tx:
            changed = tx.execute("UPDATE source SET paused = ? WHERE id = ? AND paused IS NOT ?", (paused, row, paused))
            return changed.rowcount > 0

    def set_next_run(self, source: str, at: float | None) -> None:
        with self._db.write() as tx:
            tx.execute("UPDATE source SET next_run = ? WHERE name = ? AND removed_at IS NULL", (at, source))

    # -- what earlier runs left behind (R4, R5) ----------------------------------------------------

    def memory(self, source: str) -> SourceMemory:
        row = self.row_id(source)
        (head,) = self._db.read("SELECT cursor, identity, proven_at FROM source WHERE id = ?", (row,))
        (live,) = self._db.read(LISTED, (row,))
        # Of the last day; where nothing ran within it, the last that is known.
        (peak,) = self._db.read(
            "SELECT max(documents) FROM live_count WHERE source = :source"
            " AND at >= min(:since, (SELECT max(at) FROM live_count WHERE source = :source))",
            {"source": row, "since": time.time() - _DAY},
        )
        grants: dict[str, set[str]] = {}
        for place, principal in self._db.read(
            "SELECT acl.place, principal.name FROM acl"
            " LEFT JOIN acl_principal ON acl_principal.acl = acl.id AND acl_principal.died IS NULL"
            " LEFT JOIN principal ON principal.id = acl_principal.principal WHERE acl.source = ?",
            (row,),
        ):
            grants.setdefault(place, set()).update({principal} if principal else set())
        return SourceMemory(
            cursor=head[0],
            identity=head[1],
            proven_at=head[2],
            live=live[0],
            live_peak=live[0] if peak[0] is None else peak[0],
            plan=self.plan(source),
            grants={place: frozenset(principals) for place, principals in grants.items()},
        )

    def save_bookmark(
        self,
        source: str,
        *,
        cursor: str | None,
        identity: str | None,
        proven_at: float | None,
        counted: bool,
        anew: bool = False,
    ) -> None:
        row = self.row_id(source)
        with self._db.write() as tx:
            if anew:
                tx.execute("DELETE FROM live_count WHERE source = ?", (row,))
            tx.execute(
                "UPDATE source SET cursor = coalesce(?, cursor), identity = coalesce(?, identity),"
                " proven_at = coalesce(?, proven_at) WHERE id = ?",
                (cursor, identity, proven_at, row),
            )
            if counted:
                self._note_live_count(tx, row)

    def _note_live_count(self, tx: Transaction, row: int) -> None:
        """The guard measures against the largest of these: a row when the count differs from the last,
        and now and then, so that a steady source has one within each day. What is held is gone from the source, and
        would together with what came in its place make the loss look small."""
        (count,) = tx.execute(
            f"{LISTED} - (SELECT count(*) FROM held_item JOIN item USING (source, item_id) WHERE source = ?1)",
            (row,),
        ).fetchone()
        now = time.time()
        last = tx.execute(
            "SELECT documents, at FROM live_count WHERE source = ? ORDER BY at DESC LIMIT 1", (row,)
        ).fetchone()
        if last is not None and last[0] == count and last[1] > now - _DAY / 2:
            return
        tx.execute("INSERT INTO live_count (source, at, documents) VALUES (?, ?, ?)", (row, now, count))
        tx.execute("DELETE FROM live_count WHERE source = ? AND at < ?", (row, now - _DAY))

    def plan(self, source: str) -> Plan | None:
        """The plan that waits: of its items those that are still there, since a process may have died
        between an approved deletion (or a move) and the new plan."""
        row = self.row_id(source)
        head = self._db.read("SELECT reason, created_at FROM held_plan WHERE source = ?", (row,))
        rows = self._db.read(
            "SELECT item_id FROM held_item JOIN item USING (source, item_id) WHERE source = ? ORDER BY item_id", (row,)
        )
        if not head or not rows:
            return None
        items = tuple(ItemId(str(item)) for (item,) in rows)
        reason, created_at = head[0]
        return Plan(
            plan_id=_plan_id(source, items),
            source=source,
            reason=str(reason),
            items=items,
            created_at=float(created_at),
        )

    def hold(self, source: str, reason: str, items: Sequence[ItemId]) -> Plan | None:
        row, before = self.row_id(source), self.plan(source)
        wanted = tuple(sorted(items))
        if before is not None and before.items == wanted:
            return before
        with self._db.write() as tx:
            tx.execute("DELETE FROM held_plan WHERE source = ?", (row,))
            if not wanted:
                return None
            plan_id = _plan_id(source, wanted)
            created_at = before.created_at if before is not None else time.time()
            tx.execute(
                "INSERT INTO held_plan (source, plan_id, reason, created_at) VALUES (?, ?, ?, ?)",
                (row, plan_id, reason, created_at),
            )
            tx.executemany("INSERT INTO held_item (source, item_id) VALUES (?, ?)", [(row, item) for item in wanted])
        return Plan(plan_id=plan_id, source=source, reason=reason, items=wanted, created_at=created_at)


def _narrow(tx: Transaction, source: int, before: object, after: object) -> None:
    """R7: what the configuration no longer grants is granted to nobody from now on, whether or not the source can
    be listed. What it grants anew comes with the next listing."""
    if before == after:
        return
    kept = sorted(str(name) for name in after) if isinstance(after, list | tuple) else []
    tx.execute(
        "UPDATE acl_principal SET died = ? WHERE died IS NULL AND acl IN (SELECT id FROM acl WHERE source = ?)"
        f" AND principal NOT IN (SELECT id FROM principal WHERE name IN ({','.join('?' * len(kept))}))",
        (tx.seq, source, *kept),
    )


def _plan_id(source: str, items: Sequence[ItemId]) -> str:
    """A digest of the items, so that a script approves exactly what it was shown."""
    return blake(source.encode(), *(item.encode() for item in items)).hex()[:12]

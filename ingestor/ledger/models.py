"""The models that the ledger knows by name, and the wish to switch to another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingestor.ledger.database import Database
from ingestor.model import ModelId, ModelSwitch, SwitchOutcome

_CONFIGURED = "configured_model"

_SWITCH = """
SELECT model_switch.model, model.name, keep_s, questions, margin, report, outcome, begun_at, ended_at
FROM model_switch JOIN model ON model.model = model_switch.model
"""


class Models:
    """Each method that writes is one transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def names(self) -> Mapping[ModelId, str]:
        """What loads each model that was ever configured or switched to."""
        return {ModelId(model): name for model, name in self._db.read("SELECT model, name FROM model")}

    def configured(self) -> ModelId | None:
        """The model of the configuration at the last start of a process that writes."""
        rows = self._db.read("SELECT value FROM setting WHERE key = ?", (_CONFIGURED,))
        return ModelId(rows[0][0]) if rows else None

    def configure(self, model: ModelId, name: str, *, keep_s: float) -> bool:
        """Note the configuration's model. Where it is another one than at the last start, it is switched to;
        whether it is. What was switched to by hand stays until the configuration changes."""
        before = self.configured()
        if before == model and self.names().get(model) == name:
            return False
        with self._db.write() as tx:
            self._name(tx, model, name)
            tx.execute(
                "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (_CONFIGURED, model),
            )
            if before in {None, model}:
                return False
            wish = self.wish()
            if wish is not None and wish.model != model:
                self._end(tx, wish.model, SwitchOutcome.CANCELLED)
            return self._begin(tx, model, keep_s, None, 0.0)

    def begin(self, model: ModelId, name: str, *, keep_s: float, questions: str | None, margin: float) -> bool:
        """Wish for ``model``; false where it serves already. A wish that stands for it takes these terms."""
        with self._db.write() as tx:
            self._name(tx, model, name)
            return self._begin(tx, model, keep_s, questions, margin)

    def _begin(self, tx: Any, model: ModelId, keep_s: float, questions: str | None, margin: float) -> bool:
        if tx.execute("SELECT 1 FROM generation WHERE state = 'serving' AND model = ?", (model,)).fetchone():
            return False
        # A generation that was kept for a rollback has followed the ledger: it has only to take its place.
        tx.execute(
            "UPDATE generation SET state = 'building' WHERE model = ? AND state = 'kept' AND kept_until IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM generation WHERE model = ? AND state = 'building')",
            (model, model),
        )
        changed = tx.execute(
            "UPDATE model_switch SET keep_s = ?, questions = ?, margin = ?, report = ''"
            " WHERE outcome IS NULL AND model = ?",
            (keep_s, questions, margin, model),
        )
        if not changed.rowcount:
            tx.execute(
                "INSERT INTO model_switch (model, keep_s, questions, margin, begun_at) VALUES (?, ?, ?, ?, ?)",
                (model, keep_s, questions, margin, tx.at),
            )
        return True

    def wish(self) -> ModelSwitch | None:
        """The switch that is under way."""
        rows = self._db.read(_SWITCH + " WHERE outcome IS NULL")
        return _switch(rows[0]) if rows else None

    def latest(self) -> ModelSwitch | None:
        """The switch that was begun last, however it ended."""
        rows = self._db.read(_SWITCH + " ORDER BY id DESC LIMIT 1")
        return _switch(rows[0]) if rows else None

    def judge(self, model: ModelId, report: str) -> None:
        """What the evaluation found, for the open switch to ``model``."""
        with self._db.write() as tx:
            tx.execute("UPDATE model_switch SET report = ? WHERE outcome IS NULL AND model = ?", (report, model))

    def end(self, model: ModelId, outcome: SwitchOutcome) -> None:
        """Give up the open switch to ``model``: the generations that were being built for it are nobody's now."""
        with self._db.write() as tx:
            self._end(tx, model, outcome)

    def _end(self, tx: Any, model: ModelId, outcome: SwitchOutcome) -> None:
        tx.execute(
            "UPDATE model_switch SET outcome = ?, ended_at = ? WHERE outcome IS NULL AND model = ?",
            (outcome.value, tx.at, model),
        )
        # One that was kept for a rollback before has its time still; any other goes with the next sweep.
        tx.execute("UPDATE generation SET state = 'kept' WHERE model = ? AND state = 'building'", (model,))

    def _name(self, tx: Any, model: ModelId, name: str) -> None:
        tx.execute(
            "INSERT INTO model (model, name, added_at) VALUES (?, ?, ?)"
            " ON CONFLICT (model) DO UPDATE SET name = excluded.name WHERE name != excluded.name",
            (model, name, tx.at),
        )


def _switch(row: tuple[Any, ...]) -> ModelSwitch:
    model, name, keep_s, questions, margin, report, outcome, begun_at, ended_at = row
    return ModelSwitch(
        model=ModelId(model),
        name=name,
        keep_s=keep_s,
        questions=questions,
        margin=margin,
        report=report,
        outcome=SwitchOutcome(outcome) if outcome is not None else None,
        begun_at=begun_at,
        ended_at=ended_at,
    )

"""Generations of the vector index: which there are, what each of them begins with, which one serves."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.ledger.database import Database
from ingestor.model import Generation, GenerationId, GenerationState, ModelId

_EVERY = """
SELECT id, model, location, state, manifest, kept_until,
    (SELECT group_concat(scope) FROM collection WHERE collection.generation = generation.id)
FROM generation ORDER BY id
"""

_OF_GENERATION = ("index_state", "stray", "collection")


class Generations:
    """The part of ``ports.IndexLedger`` that is about generations as wholes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def generations(self) -> Sequence[Generation]:
        return [
            Generation(
                generation_id=GenerationId(row),
                model=ModelId(model),
                location=location,
                state=GenerationState(state),
                manifest=manifest,
                kept_until=kept_until,
                scopes=frozenset(scopes.split(",")) if scopes else frozenset(),
            )
            for row, model, location, state, manifest, kept_until, scopes in self._db.read(_EVERY)
        ]

    def add_generation(self, model: ModelId, location: str, state: GenerationState) -> Generation:
        with self._db.write() as tx:
            if state is GenerationState.SERVING:
                tx.execute("UPDATE generation SET state = 'kept' WHERE state = 'serving'")
            made = tx.execute(
                "INSERT INTO generation (model, location, state, created_at) VALUES (?, ?, ?, ?)",
                (model, location, state.value, tx.at),
            )
            row = made.lastrowid
            # What each should be there is digested when it is written: digests for all of them would make every
            # edit wait for seconds.
            tx.execute(
                "INSERT INTO index_state (generation, chunk, wanted, alive)"
                " SELECT ?, chunk, x'', 1 FROM cut WHERE died IS NULL",
                (row,),
            )
            scopes = tx.execute(
                "INSERT INTO collection (generation, scope) SELECT DISTINCT ?, scope FROM source WHERE scope != ''"
                " RETURNING scope",
                (row,),
            ).fetchall()
        return Generation(
            generation_id=GenerationId(row or 0),
            model=model,
            location=location,
            state=state,
            scopes=frozenset(scope for (scope,) in scopes),
        )

    def set_generation(
        self, generation: GenerationId, state: GenerationState, *, keep_until: float | None = None
    ) -> None:
        with self._db.write() as tx:
            if state is GenerationState.SERVING:
                tx.execute(
                    "UPDATE generation SET state = 'kept', kept_until = ? WHERE state = 'serving' AND id != ?",
                    (keep_until, generation),
                )
                tx.execute("UPDATE generation SET kept_until = NULL WHERE id = ?", (generation,))
                # The wish to switch to its model is fulfilled by this and by nothing else.
                tx.execute(
                    "UPDATE model_switch SET outcome = 'done', ended_at = ? WHERE outcome IS NULL"
                    " AND model = (SELECT model FROM generation WHERE id = ?)",
                    (tx.at, generation),
                )
            tx.execute("UPDATE generation SET state = ? WHERE id = ?", (state.value, generation))
            if state is GenerationState.CONDEMNED:
                # Nothing is wanted of it any more; its folder is removed by whoever condemned it.
                for table in _OF_GENERATION:
                    tx.execute(f"DELETE FROM {table} WHERE generation = ?", (generation,))

    def set_manifest(self, generation: GenerationId, manifest: str | None) -> None:
        with self._db.write() as tx:
            tx.execute(
                "UPDATE generation SET manifest = ? WHERE id = ? AND manifest IS NOT ?",
                (manifest, generation, manifest),
            )

    def start_over(self, model: ModelId, location: str) -> Generation:
        """Forget every generation and what was written there, and begin to build one (a restored ledger knows
        nothing of the stores that are there now, and leaves them alone)."""
        with self._db.write() as tx:
            for table in (*_OF_GENERATION, "generation"):
                tx.execute(f"DELETE FROM {table}")
            return self.add_generation(model, location, GenerationState.BUILDING)

"""The phases that a process may be killed in, where to wish for each, and how many kills fell into which."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from tests.support.faults_marks import Wish


class Phase(StrEnum):
    LIST = "list"
    PARSE = "parse"
    COMMIT = "commit"
    EMBED = "embed"
    WRITE = "Chroma write"
    SETTLE = "settle"


# (role, point) of each phase where a kill may be wished for.
_WISHES = {
    Phase.LIST: [("sync", "list")],
    Phase.PARSE: [("sync", "fetch"), ("sync", "parse")],
    Phase.COMMIT: [("sync", "ledger.commit")],
    Phase.EMBED: [("embed", "embed.batch"), ("embed", "embed.commit"), ("embed", "embed.ready")],
    Phase.WRITE: [("index", "index.write")],
    Phase.SETTLE: [("index", "index.write.done"), ("index", "index.settle")],
}


def phase_at(role: str, point: str) -> Phase | None:
    """What the thread of ``role`` was in after it came to ``point``; None between two pieces of work."""
    match role, point:
        case "sync", "list":
            return Phase.LIST
        case "sync", "fetch" | "parse":
            return Phase.PARSE
        case "sync", "ledger.commit":
            return Phase.COMMIT
        case "embed", "embed.batch" | "embed.commit" | "embed.commit.done" | "embed.ready" | "ledger.commit":
            return Phase.EMBED
        case "index", "index.write":
            return Phase.WRITE
        case "index", "index.write.done" | "index.settle" | "ledger.commit":
            return Phase.SETTLE
        case _:
            return None


def wish_for(
    phase: Phase,
    chance: random.Random,
    *,
    listed: int,
    hold: int = 0,
    stay: bool = False,
    armed: bool = True,
    pace_s: float = 0.02,
) -> Wish:
    """Some place in ``phase``: among the first ``listed`` entries of a listing. With ``hold`` the source's thread
    waits in the middle of its reading, after about so many documents, until another thread has come to its
    place. With ``stay`` the thread never goes on from there, else only sometimes not."""
    role, point = chance.choice(_WISHES[phase])
    beside = role != "sync"
    return Wish(
        role=role,
        point=point,
        times=chance.choice([1, 1, 1, 2]) if beside else chance.randint(1, listed if phase is Phase.LIST else 3),
        after_content=phase is not Phase.LIST,
        stay=chance.random() < (0.5 if phase in {Phase.PARSE, Phase.WRITE} else 0.75) or stay,
        pace_s=pace_s,
        hold_after=chance.randint(hold, hold + hold // 2 + 2) if beside and hold else 0,
        armed=armed,
    )


def histogram(kills: Mapping[tuple[str, Phase], int]) -> list[str]:
    """A table of (kind, phase): a row for each phase, a column for each kind."""
    kinds = sorted({kind for kind, _ in kills})
    total = Counter[Phase]()
    for (_, phase), count in kills.items():
        total[phase] += count
    rows = [
        f"| {phase.value} | " + " | ".join(str(kills.get((kind, phase), 0)) for kind in kinds) + f" | {total[phase]} |"
        for phase in Phase
    ]
    return [f"| phase | {' | '.join(kinds)} | all |", "|---|" + "---|" * (len(kinds) + 1), *rows]

"""Removing generations that nothing tends any more.

What was deleted from the sources since must not stay readable in them, and the vectors to build any of them
again are in the ledger.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from ingestor.index.chroma import ChromaIndex
from ingestor.index.place import FOLDER_PREFIX, Limits, Server, in_folder
from ingestor.model import Generation, GenerationId, GenerationState
from ingestor.ports import IndexLedger

now = time.time
"""The clock that kept generations run out by; a test turns it forward."""


def condemn_expired(ledger: IndexLedger) -> list[GenerationId]:
    """Condemn what was replaced and is not to be kept, or was kept long enough; returns these."""
    gone = [
        generation.generation_id
        for generation in ledger.generations()
        if generation.state is GenerationState.KEPT and (generation.kept_until or 0.0) <= now()
    ]
    for generation_id in gone:
        ledger.set_generation(generation_id, GenerationState.CONDEMNED)
    return gone


def remove_leftovers(generations: Sequence[Generation], *, folder: Path, url: str, limits: Limits) -> None:
    """Remove the folders, or on a server the collections, that no live generation names. Raises ``IndexFailure``."""
    live = {generation.location for generation in generations if generation.state is not GenerationState.CONDEMNED}
    if url:
        for generation in generations:
            if generation.state is GenerationState.CONDEMNED and not in_folder(generation.location):
                index = ChromaIndex(Server(url=url, collection=generation.location), limits=limits)
                try:
                    index.drop()
                finally:
                    index.close()
    elif folder.is_dir():
        for path in folder.iterdir():
            if path.name.startswith(FOLDER_PREFIX) and path.name not in live:
                shutil.rmtree(path, ignore_errors=True)

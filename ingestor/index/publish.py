"""The name by which other readers find the generation that serves: it stays, whatever generation that is.

In the state folder it is the link ``chroma/serving``, whatever collections are in the folder; on a server it is the
collection's name, which the one that served before gives back first. Both are put right again at each start, as the
ledger says.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ingestor.errors import IndexUnavailable
from ingestor.index.opened import Opened
from ingestor.index.place import Folder
from ingestor.ports import IndexLedger

LINK = "serving"


def publish(opened: Opened, ledger: IndexLedger, public: str) -> None:
    """Give this generation the public name, and its scopes theirs, unless they have them; nothing is named while there
    is no store yet, because nothing was written. Raises ``IndexFailure``."""
    if opened.published == opened.generation.scopes:
        return
    # As they are now: a collection that has just been dropped must not be made again.
    mine = opened.generation.generation_id
    scopes = next(one.scopes for one in ledger.generations() if one.generation_id == mine)
    if isinstance(opened.index.place, Folder):
        if not opened.index.place.path.is_dir():
            return
        try:
            _link(opened.index.place.path)
        except OSError as error:
            raise IndexUnavailable(f"The link {LINK} to the index cannot be made: {error}.") from error
    else:
        opened.index.publish(public, scopes)
    opened.published = scopes


def _link(store: Path) -> None:
    link = store.parent / LINK
    if link.is_symlink() and link.readlink() == Path(store.name):
        return
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(link)  # a copy of a state folder that followed the link: one store too many
    fresh = link.with_name(f".{LINK}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(store.name)
    fresh.replace(link)  # at once: there is always a link, to the one or to the other

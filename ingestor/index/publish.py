"""The name by which other readers find the generation that serves: it stays, whatever generation that is.

In the state folder it is the link ``chroma/serving``; on a server it is the collection's name, which the one that
served before gives back first. Both are put right again at each start, as the ledger says.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ingestor.errors import IndexUnavailable
from ingestor.index.chroma import ChromaIndex
from ingestor.index.place import Folder

LINK = "serving"


def publish(index: ChromaIndex, public: str) -> bool:
    """Give ``index`` the public name; false while there is no store yet, because nothing was written. Raises
    ``IndexFailure``; doing it twice changes nothing."""
    if isinstance(index.place, Folder):
        if not index.place.path.is_dir():
            return False
        try:
            _link(index.place.path)
        except OSError as error:
            raise IndexUnavailable(f"The link {LINK} to the index cannot be made: {error}.") from error
    else:
        index.publish(public)
    return True


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

"""What runs inside the index host: the only code that imports chromadb, and the only process that opens a store.

The host is asked one thing at a time over a socket pair and answers ``(kind, value)``:

==============  ==========================================================================
``ok``          the value
``unavailable`` a sentence: no answer can be had now (server away, disk full, store locked)
``fault``       a sentence: a server answered with an internal error
``wrecked``     a sentence: the store fails in a way that healthy stores do not
==============  ==========================================================================

It ends when the other side of the socket is gone: it finishes the call that it is in, closes the store
and leaves. That is on purpose not a kill (``PR_SET_PDEATHSIG``): a Chroma folder is at its most fragile
while it is written, and that signal would also fire when merely the thread that started us ends. Only
when a call does not return for ``_GRACE_S`` after the parent died does the host end at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import select
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARK = {"made_by": "ingestor"}
"""Metadata of every collection that we made: a server may hold others, which are none of our business."""

OWN_NAME = "generation"
"""Metadata key of the name that a generation's collection was made under: it may have the public name instead. That of
a scope has the scope's name behind it, in either name."""

SCOPE = "scope"
"""Metadata key of the named scope whose rows a collection holds."""

_GRACE_S = 10.0
_PARENT_CHECK_MS = 2_000

Row = tuple[str, "NDArray[np.float32]", str, Mapping[str, str | int]]


class Unavailable(Exception):
    """No answer can be had now; the sentence goes to the other side."""


class Fault(Exception):
    """A server answered with an internal error; the sentence goes to the other side."""


class Wrecked(Exception):
    """The store fails in a way that healthy stores do not; the sentence goes to the other side."""


def main(fd: int, place: Mapping[str, str], limits: Mapping[str, float]) -> None:
    """Serve requests on ``fd`` until it is closed. ``place`` has ``folder`` or ``url``, and ``collection``."""
    _confine(limits)
    parent = Connection(fd)
    threading.Thread(target=_watch_parent, args=(fd, os.getppid()), daemon=True).start()
    store = Store(place, limits["lock_s"])
    operations: dict[str, Callable[..., Any]] = {
        "open": store.open,
        "upsert": store.upsert,
        "delete": store.delete,
        "get": store.get,
        "page": store.page,
        "count": store.count,
        "scopes": store.scopes,
        "query": store.query,
        "publish": store.publish,
        "drop": store.drop,
    }
    with contextlib.suppress(EOFError, ConnectionError):
        parent.send(("ok", os.getpid()))
        while True:
            name, args = parent.recv()
            if name == "close":
                store.close()
                parent.send(("ok", None))
                break
            parent.send(_answer(operations[name], args))
    store.close()


def _answer(operation: Callable[..., Any], args: Sequence[Any]) -> tuple[str, Any]:
    try:
        return "ok", operation(*args)
    except Unavailable as error:
        return "unavailable", str(error)
    except Fault as error:
        return "fault", str(error)
    except Wrecked as error:
        return "wrecked", str(error)
    except MemoryError:
        return "wrecked", "The store asked for more memory than the index host may have."
    except Exception as error:  # ours, or the system's before Chroma was asked: nothing was learnt about the store
        return "unavailable", f"The index host failed: {type(error).__name__}: {error}."


class Store:
    """The collections of one generation, by scope; '' is the one without a name, which is always there."""

    def __init__(self, place: Mapping[str, str], lock_s: float) -> None:
        self._lock_s = lock_s
        self._folder = place["folder"]
        self._url = place["url"]
        self._name = place["collection"]
        self._client: Any = None
        self._collections: dict[str, Any] = {}
        self._lock_fd: int | None = None

    def open(self) -> None:
        """Open the store and its collections, making the one without a name where it is not there."""
        if self._folder:
            self._lock_folder()
        with self._judged():
            self._client = self._connect()
            self._collections = self._find_collections()

    def upsert(
        self,
        ids: list[str],
        vectors: NDArray[np.float32],
        texts: list[str],
        metadata: list[Mapping[str, str | int]],
        scope: str,
    ) -> None:
        with self._judged():
            if scope not in self._collections:
                self._collections[scope] = self._make_collection(scope)
            self._collections[scope].upsert(ids=ids, embeddings=vectors, documents=texts, metadatas=metadata)

    def delete(self, ids: list[str] | None, scope: str) -> None:
        with self._judged():
            if ids is None:
                self._drop(scope)
            elif scope in self._collections:
                self._collections[scope].delete(ids=ids)

    def get(self, ids: list[str], scope: str) -> list[Row]:
        """The rows that exist. A row without its vector, which Chroma may hold after a kill, is an error."""
        import numpy as np

        if scope not in self._collections:
            return []
        with self._judged():
            found = self._collections[scope].get(ids=ids, include=["embeddings", "documents", "metadatas"])
        vectors = np.asarray(found["embeddings"], dtype=np.float32)
        if not len(found["ids"]) == len(vectors) == len(found["documents"]) == len(found["metadatas"]):
            raise Wrecked("The store answered with rows that lack a vector, a text or metadata.")
        return [
            (chunk_id, vector, text or "", metadata or {})
            for chunk_id, vector, text, metadata in zip(
                found["ids"], vectors, found["documents"], found["metadatas"], strict=True
            )
        ]

    def page(self, offset: int, limit: int, scope: str) -> list[str]:
        if scope not in self._collections:
            return []
        with self._judged():
            found = self._collections[scope].get(offset=offset, limit=limit, include=[])
        return list(found["ids"])

    def count(self, scope: str) -> int:
        if scope not in self._collections:
            return 0
        with self._judged():
            return int(self._collections[scope].count())

    def scopes(self) -> list[str]:
        return [scope for scope in self._collections if scope]

    def query(self, vector: NDArray[np.float32], n: int, scopes: Collection[str]) -> dict[str, float]:
        """Ids and their cosine distances. The nearest of each collection are merged by them: they are the nearest of
        all."""
        asked = [found for scope, found in self._collections.items() if not scopes or scope in scopes]
        nearest: list[tuple[float, str]] = []
        with self._judged():
            for collection in asked:
                found = collection.query(query_embeddings=[vector], n_results=n, include=["distances"])
                nearest += zip(found["distances"][0], found["ids"][0], strict=True)
        best: dict[str, float] = {}
        for distance, chunk_id in sorted(nearest):
            best.setdefault(chunk_id, distance)
        return dict(islice(best.items(), n))

    def publish(self, public: str, scopes: Collection[str]) -> None:
        """Take the name ``public``, and for each of ``scopes`` that with the scope's name behind it. A kill between
        two renames leaves nobody with a name, until this is called again: a collection is found by its metadata."""
        with self._judged():
            self._collections = self._find_collections()
            for scope in scopes:
                if scope not in self._collections:
                    self._collections[scope] = self._make_collection(scope)
            if all(found.name == _named(public, scope) for scope, found in self._collections.items()):
                return
            self._take_back(public)
            for scope, found in self._collections.items():
                if found.name != _named(public, scope):
                    found.modify(name=_named(public, scope))

    def drop(self) -> None:
        """Remove the generation from its server."""
        with self._judged():
            self._collections = self._find_collections()
            for scope in sorted(self._collections, reverse=True):
                self._client.delete_collection(self._collections[scope].name)

    def close(self) -> None:
        """Close the files; what is wrong by now shows at the next open."""
        self._collections = {}
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _lock_folder(self) -> None:
        """Two processes on one folder lose vectors in silence, so the folder itself is locked."""
        Path(self._folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        end = time.monotonic() + self._lock_s
        while True:
            try:
                fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Unavailable(f"Another process has the index folder open ({self._folder}).") from None
                time.sleep(0.05)
            else:
                return

    def _connect(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False, allow_reset=False)
        if self._folder:
            return chromadb.PersistentClient(path=self._folder, settings=settings)
        parts = urlsplit(self._url)
        host = parts.hostname or "127.0.0.1"
        secure = parts.scheme == "https"
        if host in {"127.0.0.1", "localhost", "::1"}:
            os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"  # a loopback server is never behind a proxy
        return chromadb.HttpClient(host=host, port=parts.port or (443 if secure else 80), ssl=secure, settings=settings)

    def _find_collections(self) -> dict[str, Any]:
        """Ours under whatever names they have now, by scope; that without a name is made where it is not there."""
        there = self._client.list_collections()
        found = {
            str(metadata.get(SCOPE, "")): self._client.get_collection(one.name, embedding_function=None)
            for one in there
            if (metadata := one.metadata or {}).get(OWN_NAME) == self._name and metadata.items() >= MARK.items()
        }
        if "" not in found:
            names = {one.name for one in there}
            found[""] = (
                self._ours(self._client.get_collection(self._name, embedding_function=None))
                if self._name in names
                else self._make_collection("")
            )
        return found

    def _make_collection(self, scope: str) -> Any:
        return self._ours(
            self._client.create_collection(
                _named(self._name, scope),
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine"}},
                metadata={**MARK, OWN_NAME: self._name, **({SCOPE: scope} if scope else {})},
                get_or_create=True,
            )
        )

    def _take_back(self, public: str) -> None:
        """Whoever of another generation has a public name gets its own back: also that of a scope which is not here,
        for who reads it shall not find what nobody looks after."""
        wanted = {_named(public, scope) for scope in self._collections}
        for found in self._client.list_collections():
            metadata = found.metadata or {}
            scope, own = str(metadata.get(SCOPE, "")), metadata.get(OWN_NAME)
            if own == self._name:
                continue
            if found.name == _named(public, scope) and own and self._ours(found):
                self._client.get_collection(found.name, embedding_function=None).modify(name=_named(str(own), scope))
            elif found.name in wanted and self._ours(found):
                raise Unavailable(
                    f"The collection {found.name} belongs to another ingestor. Choose another name ([index]"
                    " collection) or another scope."
                )

    def _drop(self, scope: str) -> None:
        self._collections = self._find_collections()
        if scope in self._collections:
            self._client.delete_collection(self._collections.pop(scope).name)

    def _ours(self, found: Any) -> Any:
        if dict(found.metadata or {}).items() >= MARK.items():
            return found
        raise Unavailable(
            f"The collection {found.name} was not made by ingestor, which would replace what it holds. "
            "Choose another name ([index] collection)."
        )

    @contextlib.contextmanager
    def _judged(self) -> Any:
        """Sort what Chroma raises by what it says about the store."""
        try:
            yield
        except (Unavailable, Fault, Wrecked, MemoryError):
            raise
        except BaseException as error:  # a panic in Chroma's native part derives from BaseException
            raise self._verdict(error) from error

    def _verdict(self, error: BaseException) -> Exception:
        text = " ".join(str(error).split())[:300] or type(error).__name__
        if isinstance(error, ImportError):
            return Unavailable(f"Chroma cannot be loaded: {text}.")
        from chromadb.errors import DuplicateIDError, InternalError, NotFoundError

        if self._url and isinstance(error, InternalError):
            return Fault(f"The Chroma server at {self._url} fails: {text}.")
        if self._url:
            return Unavailable(f"The Chroma server at {self._url} gave no answer: {text}.")
        if isinstance(error, NotFoundError):
            return Wrecked(f"The collection has vanished from the store: {text}.")
        if isinstance(error, ValueError | DuplicateIDError) and self._collections:
            return Unavailable(f"Chroma refused the request: {text}.")
        lowered = text.lower()
        if any(sign in lowered for sign in _PASSING):
            return Unavailable(f"The store cannot be used now: {text}.")
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}:
            return Unavailable(f"The store cannot be used now: {text}.")
        return Wrecked(f"The store fails: {text}.")


def _named(name: str, scope: str) -> str:
    return f"{name}-{scope}" if scope else name


_PASSING = (
    "disk is full",
    "no space left",
    "quota exceeded",
    "database is locked",
    "readonly database",
    "read-only",
    "permission denied",
    "too many open files",
    "unable to open database file",
)
"""Words of SQLite and the system in errors that say nothing about the health of the store."""


def _confine(limits: Mapping[str, float]) -> None:
    """Signals for the service are not for us; a damaged store must not take the machine with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # systemd sends it to all; the service closes us in order
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, name in ((resource.RLIMIT_FSIZE, "file_bytes"), (resource.RLIMIT_DATA, "memory_bytes")):
        _, hard = resource.getrlimit(kind)
        wanted = int(limits[name]) if hard == resource.RLIM_INFINITY else min(int(limits[name]), hard)
        resource.setrlimit(kind, (wanted, wanted))


def _watch_parent(fd: int, parent: int) -> None:
    """End the process when the parent is gone and the current call does not come back."""
    gone = select.poll()
    gone.register(fd, 0)  # only the hang-up is of interest; data are for the main thread
    while not gone.poll(_PARENT_CHECK_MS) and os.getppid() == parent:
        pass
    time.sleep(_GRACE_S)
    os._exit(1)

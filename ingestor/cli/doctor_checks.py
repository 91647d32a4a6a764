"""What ``ingestor doctor`` looks at, a function each. They read; they change nothing."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.examining import Finding, Level
from ingestor.errors import ConfigError, IngestorError

if TYPE_CHECKING:
    from ingestor.config import Config
    from ingestor.context import Context

_DISK_LOW = 2 * 1024**3  # bytes; a rebuild of the index needs room for a second copy beside the first
_COUNT_SECONDS = 3.0
_FOREIGN = 0.10  # of the documents in a language that the model does not know
_INOTIFY = Path("/proc/sys/fs/inotify")


def examine(context: Context, folders: Sequence[str] = (), texts: Sequence[str] = ()) -> Iterator[Finding]:
    """Every check, cheap ones first. ``folders`` are those of the registered sources, ``texts`` those of some
    documents. A broken configuration ends only what depends on it."""
    yield python()
    yield sqlite()
    yield package("chroma", "chromadb")
    yield package("unstructured", "unstructured")
    yield state_folder(context)
    yield disk(context.state.root)
    yield from formats()
    yield parsers()
    try:
        config = context.config
    except ConfigError as error:
        yield Finding(name="configuration", level=Level.FAIL, message=str(error), hint="Mend the file.")
        return
    where = str(config.file) if config.file else "no file; defaults"
    yield Finding(name="configuration", level=Level.OK, message=where)
    yield ocr(config)
    yield model(config)
    yield from reranker(config)
    yield from languages(config, texts)
    configured = [str(source.settings["path"]) for source in config.sources if source.kind == "files"]
    yield from inotify(sorted({*configured, *folders}))


def python() -> Finding:
    fine = sys.version_info >= (3, 11)
    message = f"Python {platform.python_version()} at {sys.executable}"
    return Finding(name="python", level=Level.OK if fine else Level.FAIL, message=message)


def sqlite() -> Finding:
    """A ledger is made in a scratch folder: that takes every feature that the schema needs."""
    from ingestor.ledger.database import Database

    try:
        with tempfile.TemporaryDirectory(prefix="ingestor-doctor-") as scratch:
            database = Database(Path(scratch) / "ledger.sqlite3", "migrations")
            [(number,)] = database.read("SELECT sqlite_version()")
            database.close()
    except (IngestorError, OSError) as error:
        return Finding(name="sqlite", level=Level.FAIL, message=f"A ledger cannot be made: {error}")
    return Finding(name="sqlite", level=Level.OK, message=f"SQLite {number} with full-text search")


def package(name: str, distribution: str) -> Finding:
    try:
        return Finding(name=name, level=Level.OK, message=f"{distribution} {version(distribution)}")
    except PackageNotFoundError:
        return Finding(
            name=name, level=Level.FAIL, message=f"{distribution} is not installed.", hint="Install ingestor again."
        )


def state_folder(context: Context) -> Finding:
    root = context.state.root
    try:
        facts = root.stat()
    except FileNotFoundError:
        return Finding(name="state", level=Level.OK, message=f"{root} does not exist yet; the first backfill makes it")
    except OSError as error:
        return Finding(name="state", level=Level.FAIL, message=f"{root}: {error.strerror}")
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            name="state",
            level=Level.FAIL,
            message=f"{root} cannot be written by this user",
            hint="Run ingestor as the folder's owner.",
        )
    holder = context.state.holder()
    used = f"; held by process {holder.pid}" if holder is not None else ""
    if stat.S_IMODE(facts.st_mode) & 0o077:
        return Finding(
            name="state", level=Level.WARN, message=f"{root} is open to other users{used}", hint=f"chmod 700 {root}"
        )
    return Finding(name="state", level=Level.OK, message=f"{root}, for its owner only{used}")


def disk(root: Path) -> Finding:
    place = next(folder for folder in (root, *root.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    message = f"{free / 1024**3:,.1f} GiB free at {place}"
    if free < _DISK_LOW:
        return Finding(name="disk", level=Level.WARN, message=message, hint="Make room, or move the state folder.")
    return Finding(name="disk", level=Level.OK, message=message)


def formats() -> Iterator[Finding]:
    from ingestor.parsing.formats import formats as known
    from ingestor.parsing.third_party import installed

    brought = {one.name: one.trouble for one in installed() if one.trouble}
    listed = [fmt for fmt in known() if fmt.works or fmt.format not in brought]
    works = [fmt.format for fmt in listed if fmt.works]
    yield Finding(name="formats", level=Level.OK if works else Level.FAIL, message=", ".join(works))
    lacking = [f"{fmt.format} ({fmt.missing})" for fmt in listed if not fmt.works]
    if lacking:
        yield Finding(name="formats not taken", level=Level.OK, message=", ".join(lacking))
    for name, trouble in brought.items():
        hint = "Mend or remove the package that brings it; what it would read is set aside, or read by another parser."
        yield Finding(name=f"parser {name}", level=Level.WARN, message=f"It is not used: {trouble}.", hint=hint)


def parsers() -> Finding:
    """Whether the kernel keeps parsers, and what they start, from the network."""
    from ingestor.parsing.sandbox_filter import trouble

    if not (why := trouble()):
        return Finding(name="parsers", level=Level.OK, message="kept from the network by the kernel")
    return Finding(
        name="parsers",
        level=Level.WARN,
        message=f"Parsers are kept from the network by Python alone: {why}.",
        hint="Run ingestor where it needs no network, or on a kernel with seccomp filters.",
    )


def ocr(config: Config) -> Finding:
    """Whether pictures and scanned pages can be read, and in which languages."""
    from ingestor.parsing.ocr import OcrMode, ocr_settings
    from ingestor.parsing.tesseract import installed

    settings = ocr_settings(config.parsing)
    if settings.mode is OcrMode.OFF:
        return Finding(name="ocr", level=Level.OK, message="off; pictures and scanned pages are set aside")
    if (found := installed()) is None:
        return Finding(
            name="ocr",
            level=Level.WARN,
            message="tesseract is not installed; pictures and scanned pages are set aside",
            hint='Install tesseract and its languages, or set ocr = "off" under [parsing].',
        )
    used = settings.here().languages
    missing = [language for language in settings.languages if language not in found.languages]
    message = f"tesseract {found.version}, reading {', '.join(used) or 'nothing'}"
    if missing or not used:
        return Finding(
            name="ocr",
            level=Level.WARN,
            message=message,
            hint=f"Install what tesseract lacks: {', '.join(missing) or 'a language'}.",
        )
    if left := [language for language in found.languages if language not in used and not settings.languages]:
        message += f"; also installed: {', '.join(left)} (ocr_languages under [parsing] chooses)"
    return Finding(name="ocr", level=Level.OK, message=message)


def model(config: Config) -> Finding:
    """Whether the embedding model is there and is what it should be; it is neither loaded nor fetched."""
    from ingestor.embedding.models import DEFAULT_MODEL, check_weights, resolve_model

    name = config.embedding.model
    local = name.startswith(("builtin:", "/", ".", "~")) or Path(name).is_dir()
    if not local:
        return Finding(
            name="model",
            level=Level.WARN,
            message=f"{name} is fetched from a model hub where it is not in its cache",
            hint="For machines without network name a local folder, or use the built-in model.",
        )
    try:
        found = resolve_model(name)
        check_weights(found)
    except IngestorError as error:
        return Finding(name="model", level=Level.FAIL, message=error.message, hint=error.hint)
    message = f"{name} ({found.model})"
    if name == DEFAULT_MODEL:
        message += ", intact; trained on English, so other languages are found mainly by their words"
    return Finding(name="model", level=Level.OK, message=message)


def reranker(config: Config) -> Iterator[Finding]:
    """Whether the reranking model is there, where one is configured; it is not loaded. Searches do without it."""
    from ingestor.embedding.reranker import check_reranker

    if not (name := config.search.rerank_model):
        return
    try:
        check_reranker(Path(name))
    except IngestorError as error:
        message = f"{error.message} Hits are not reranked."
        yield Finding(name="reranking", level=Level.WARN, message=message, hint=error.hint)
        return
    yield Finding(name="reranking", level=Level.OK, message=f"{name} reads the first {config.search.rerank_top} hits")


def languages(config: Config, texts: Sequence[str]) -> Iterator[Finding]:
    """Whether the model was trained on the languages that the documents are in, where its card tells."""
    from ingestor.embedding.languages import language_of, trained_on
    from ingestor.embedding.models import DEFAULT_MODEL, resolve_model

    name = config.embedding.model
    if not (name == DEFAULT_MODEL or Path(name).expanduser().is_dir()):
        return  # to find its card could reach the network
    try:
        known = trained_on(resolve_model(name).folder)
    except IngestorError:
        return  # said by the check of the model
    found = Counter(language for text in texts if (language := language_of(text)))
    foreign = Counter({language: count for language, count in found.items() if language not in known})
    if not known or not found:
        return
    message = f"{found.total()} documents looked at, {foreign.total()} in languages that {name} was not trained on"
    if foreign.total() <= _FOREIGN * found.total():
        yield Finding(name="languages", level=Level.OK, message=message)
        return
    named = ", ".join(f"{language} {count}" for language, count in foreign.most_common(4))
    yield Finding(
        name="languages",
        level=Level.WARN,
        message=f"{message} ({named}): by meaning these are hardly found",
        hint="Choose a model for these languages: set [embedding] model, or run `ingestor model switch NAME`.",
    )


def inotify(roots: Sequence[str]) -> Iterator[Finding]:
    """Whether the kernel lets us watch every folder of every source."""
    try:
        limit = int((_INOTIFY / "max_user_watches").read_text(encoding="ascii"))
        instances = int((_INOTIFY / "max_user_instances").read_text(encoding="ascii"))
    except (OSError, ValueError):
        yield Finding(
            name="watching", level=Level.WARN, message="This system has no inotify; changes are found by schedule only"
        )
        return
    for root in roots:
        if why := in_the_way(root):
            yield Finding(
                name="source",
                level=Level.WARN,
                message=f"{root}: {why}",
                hint=f"Run `namei -l {root}`; a group or an access control list opens a folder for this user.",
            )
    count, whole = count_folders(roots)
    message = f"{limit:,} watches and {instances:,} instances allowed; the sources have "
    message += f"{'' if whole else 'at least '}{count:,} folders"
    if count > limit * 0.8:
        yield Finding(
            name="watching",
            level=Level.WARN,
            message=message,
            hint=f"Raise it: sysctl fs.inotify.max_user_watches={max(count * 2, limit * 2)}",
        )
    elif len(roots) >= instances:
        yield Finding(
            name="watching",
            level=Level.WARN,
            message=message,
            hint=f"Raise it: sysctl fs.inotify.max_user_instances={len(roots) * 2 + 128}",
        )
    else:
        yield Finding(name="watching", level=Level.OK, message=message)


def in_the_way(root: str) -> str:
    """Why this user cannot list a folder: the first one on its path that is not there or shut; empty when it can."""
    for folder in (*reversed(Path(root).parents), Path(root)):
        if not os.access(folder, os.F_OK):
            return f"{folder} is not there"
        if not folder.is_dir():
            return f"{folder} is not a folder"
        if not os.access(folder, os.X_OK):
            return f"{_user()} may not enter {folder}"
    return "" if os.access(root, os.R_OK) else f"{_user()} may not list {root}"


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


def count_folders(roots: Sequence[str], *, seconds: float = _COUNT_SECONDS) -> tuple[int, bool]:
    """How many folders there are, and whether the time was enough to count them all."""
    deadline = time.monotonic() + seconds
    count = 0
    for root in roots:
        for _ in os.walk(root):
            count += 1
            if time.monotonic() > deadline:
                return count, False
    return count, True

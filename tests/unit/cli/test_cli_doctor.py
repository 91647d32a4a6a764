"""``ingestor doctor``: each check on the real thing, and how the findings end."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest
from scripted_backend import Invoke, Scripted

from connectors.examining import Level
from ingestor.cli import doctor_checks
from ingestor.cli.doctor_checks import (
    count_folders,
    in_the_way,
    inotify,
    model,
    ocr,
    package,
    sqlite,
    state_folder,
)
from ingestor.config import Config
from ingestor.config_sections import Embedding, Parsing
from ingestor.context import Context
from ingestor.embedding import models
from ingestor.errors import LedgerError
from ingestor.parsing import tesseract
from ingestor.state import resolve
from tests.support.nobody import as_nobody


def test_doctor_finds_this_machine_sound(invoke: Invoke, tmp_path: Path) -> None:
    """Every check has a line; the state folder is not made by looking at it."""
    result = invoke("doctor", "--json")
    report = json.loads(result.out)
    assert (result.code, report["ok"]) == (0, True), report
    names = [check["name"] for check in report["checks"]]
    for name in (
        "python",
        "sqlite",
        "chroma",
        "state",
        "disk",
        "formats",
        "parsers",
        "ocr",
        "configuration",
        "model",
        "watching",
    ):
        assert name in names
    assert not (tmp_path / "state").exists()


def test_doctor_warns_of_languages_that_the_model_does_not_know(invoke: Invoke, backend: Scripted) -> None:
    """From a tenth of the documents on; what is in no language counts neither way."""
    english = ["The refund is paid within seven days of the return, and it is sent to the account of the order." * 3]
    german = ["Die Erstattung wird auf das Konto gezahlt, von dem die Bestellung bezahlt wurde, und nicht bar." * 3]
    for foreign, level in ((1, "ok"), (2, "warn")):
        backend.answers["sample"] = english * (10 - foreign) + german * foreign + ["1 2 3"] * 20
        checks = {check["name"]: check for check in json.loads(invoke("doctor", "--json").out)["checks"]}
        assert checks["languages"]["level"] == level
        assert f"10 documents looked at, {foreign} in languages" in checks["languages"]["message"]
    assert "de 2" in checks["languages"]["message"]


def test_doctor_prints_a_line_per_check(invoke: Invoke, backend: Scripted) -> None:
    """A ledger that cannot be read does not keep the doctor from working."""
    backend.answers["source_list"] = LedgerError("broken")
    result = invoke("doctor")
    assert result.code == 0
    assert "ok   sqlite: SQLite 3." in result.out


def test_a_wrong_configuration_is_exit_code_2(invoke: Invoke, tmp_path: Path) -> None:
    """The problems are listed among the findings."""
    (tmp_path / "ingestor.toml").write_text("[retention]\nday = 3\n")
    result = invoke("doctor")
    assert result.code == 2
    assert "day is not a known key" in result.out


def test_a_damaged_model_is_exit_code_4(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file that is not the one it should be keeps the program from working."""
    monkeypatch.setattr(models, "_BUILTIN_SHA256", "0" * 64)
    result = invoke("doctor")
    assert result.code == 4
    assert "FAIL model: The weights of builtin:all-MiniLM-L6-v2 are damaged" in result.out


@pytest.mark.parametrize(
    ("name", "level"), [("{folder}", Level.OK), ("{folder}/none", Level.FAIL), ("intfloat/e5-small", Level.WARN)]
)
def test_other_models_are_judged_by_what_can_be_known(tmp_path: Path, name: str, level: Level) -> None:
    """A folder that is there, one that is not, and a name that a hub would have to answer."""
    (tmp_path / "config.json").write_text("{}")
    config = Config(embedding=Embedding(model=name.format(folder=tmp_path)))
    assert model(config).level is level


@pytest.mark.parametrize(
    ("found", "settings", "level", "says"),
    [
        (None, Parsing(), Level.WARN, "Install tesseract"),
        (None, Parsing(ocr="off"), Level.OK, "off"),
        (("eng",), Parsing(), Level.OK, "tesseract 5.3.0, reading eng"),
        (("deu", "eng"), Parsing(ocr_languages="fra+eng"), Level.WARN, "fra"),
        (("ces", "dan", "deu", "eng", "fra"), Parsing(), Level.OK, "also installed: fra"),
        ((), Parsing(), Level.WARN, "reading nothing"),
    ],
)
def test_what_ocr_reads_is_told(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...] | None, settings: Parsing, level: Level, says: str
) -> None:
    """Which languages are used, which are missing, and what to install where there is no tesseract."""
    program = None if found is None else tesseract.Tesseract(version="5.3.0", languages=found)
    monkeypatch.setattr(tesseract, "installed", lambda: program)
    check = ocr(Config(parsing=settings))
    assert check.level is level
    assert says in check.message + check.hint


def test_a_missing_package_is_a_failure() -> None:
    """It names what is not installed."""
    assert package("x", "no-such-distribution-xyz").level is Level.FAIL


def test_sqlite_is_tried_and_not_only_asked() -> None:
    """A whole ledger is made in a scratch folder."""
    assert sqlite().level is Level.OK


def test_the_state_folder_is_judged_by_mode_and_holder(tmp_path: Path) -> None:
    """Open to others is a warning; who holds it is told."""
    root = tmp_path / "state"
    root.mkdir(mode=0o700)
    context = Context(state=resolve(root, {}))
    assert state_folder(context).level is Level.OK
    with context.state.try_lock() or pytest.fail("the lock is free"):
        assert "held by process" in state_folder(context).message
    root.chmod(0o755)
    assert state_folder(context).level is Level.WARN


@pytest.mark.parametrize(
    ("watches", "instances", "level", "hint"),
    [(100, 10, Level.OK, ""), (4, 10, Level.WARN, "max_user_watches"), (100, 1, Level.WARN, "max_user_instances")],
)
def test_watches_are_compared_with_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watches: int, instances: int, level: Level, hint: str
) -> None:
    """Too few watches or instances are a warning with the setting that helps."""
    limits, root = tmp_path / "limits", tmp_path / "root"
    limits.mkdir()
    (limits / "max_user_watches").write_text(f"{watches}\n")
    (limits / "max_user_instances").write_text(f"{instances}\n")
    (root / "a" / "b").mkdir(parents=True)
    (root / "c").mkdir()
    monkeypatch.setattr(doctor_checks, "_INOTIFY", limits)
    (check,) = inotify([str(root)])
    assert check.level is level
    assert hint in check.hint
    assert "4 folders" in check.message


def test_a_missing_source_folder_and_a_missing_inotify_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are warnings: the rest works."""
    found = {check.name: check.level for check in inotify([str(tmp_path / "none")])}
    assert found["source"] is Level.WARN
    monkeypatch.setattr(doctor_checks, "_INOTIFY", tmp_path)
    (check,) = inotify([])
    assert (check.name, check.level) == ("watching", Level.WARN)


def pytests_own(folder: Path) -> list[Path]:
    """The folders above that pytest made, shut to others; with workers there is one more."""
    temporary = Path(tempfile.gettempdir())
    return [parent for parent in folder.parents if temporary in parent.parents]


def test_the_first_folder_in_the_way_is_named(tmp_path: Path) -> None:
    """Of a long path it is the one that has to be opened: not there, no folder, shut, or one that lists nothing."""
    deep = tmp_path / "shut" / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, *pytests_own(tmp_path)):
        folder.chmod(0o755)
    assert in_the_way(str(deep)) == ""
    assert in_the_way(str(tmp_path / "file" / "x")) == f"{tmp_path}/file is not a folder"
    assert in_the_way(str(tmp_path / "shut" / "none" / "x")) == f"{tmp_path}/shut/none is not there"
    (tmp_path / "shut").chmod(0o700)
    deep.chmod(0o711)
    if os.geteuid() == 0:
        assert as_nobody(lambda: in_the_way(str(deep))) == f"nobody may not enter {tmp_path}/shut"
        (tmp_path / "shut").chmod(0o755)
        assert as_nobody(lambda: in_the_way(str(deep))) == f"nobody may not list {deep}"


def test_counting_folders_ends_in_time(tmp_path: Path) -> None:
    """A share of millions of folders is counted for a while only, and the count says so."""
    for name in "abc":
        (tmp_path / name).mkdir()
    assert count_folders([str(tmp_path)]) == (4, True)
    assert count_folders([str(tmp_path)], seconds=-1.0) == (1, False)

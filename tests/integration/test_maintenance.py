"""What a service does by itself beside following its sources: when, what comes of it, and what is remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingestor import wire, wiring, wiring_config
from ingestor.config import load
from ingestor.context import Context
from ingestor.errors import LedgerError
from ingestor.service import backup as backups
from ingestor.service.jobs import Job, JobOutcome, job_state
from ingestor.state import resolve
from ingestor.wire_service import ReloadRequest
from tests.support.moved_clock import MovedClock
from tests.support.served import Served

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DAY = 86_400.0
EVERYTHING = """
[maintenance]
verify = "0 4 * * *"
quarantine_retry = "12h"
backup = "1d"
backup_keep = 2
"""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    return MovedClock(monkeypatch)


@pytest.fixture
def start(tmp_path: Path, clock: MovedClock) -> Iterator[Callable[[str], Served]]:
    """A service on the same state, whatever it is told. Its clock begins where the last one's ended."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nA zebra.\n")
    made: list[Served] = []

    def begin(settings: str) -> Served:
        if made:
            made[-1].close()
        made.append(Served(tmp_path / "state", settings=settings))
        if len(made) == 1:
            made[0].add(tmp_path / "docs", "docs")
        made[-1].service.watch()
        made[-1].sync("docs")
        return made[-1]

    yield begin
    made[-1].close()


def status(tmp_path: Path) -> dict[str, wire.JobStatus]:
    """As another process sees it, while this one holds the folder."""
    context = Context(state=resolve(tmp_path / "state"), config_file=tmp_path / "state.toml")
    lock = context.state.try_lock()
    assert lock is not None
    with lock:
        return {job.job: job for job in wiring.read_only(context).status().maintenance}


def outcome(served: Served, job: Job) -> JobOutcome | None:
    state = job_state(served.ledger.upkeep, job)
    return state.outcome if state is not None else None


def test_what_is_done_by_default_is_cheap_and_has_its_turns_over_restarts(
    start: Callable[[str], Served], tmp_path: Path, clock: MovedClock
) -> None:
    """Retention, a look whether a rebuild is due, and a probe; a restart neither forgets nor postpones a turn, and one
    that was missed is caught up soon."""
    start("")
    planned = status(tmp_path)
    assert set(planned) == {"retention", "rebuild", "probe"}
    before = {name: job.next_run or 0.0 for name, job in planned.items()}
    assert all(clock.now() + 5.9 * 3600 < at for at in before.values())
    clock.ahead += 3600
    start("")
    assert all(abs((job.next_run or 0.0) - before[name]) < 120 for name, job in status(tmp_path).items())
    clock.ahead += 7 * 3600
    served = start("")
    after = status(tmp_path)
    assert abs((after["retention"].next_run or 0.0) - clock.now() - 120) < 60
    assert abs((after["probe"].next_run or 0.0) - before["probe"]) < 120
    clock.move(300, served.service._schedule)
    served.until(lambda: outcome(served, Job.RETENTION) is JobOutcome.OK, "retention to be caught up")
    assert (status(tmp_path)["retention"].next_run or 0.0) > clock.now() + 5 * 3600


def test_every_job_is_done_at_its_turn(start: Callable[[str], Served], tmp_path: Path, clock: MovedClock) -> None:
    """A day later all of them were, and say what came of it; backups are whole, private, and only so many."""
    served = start(EVERYTHING)
    (tmp_path / "docs" / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    served.sync("docs")
    with served.ledger.sync._db.write() as tx:
        tx.execute("UPDATE quarantine SET reason = 'timeout', attempts = 5, retry_at = NULL")
    folder = tmp_path / "state" / "backups"
    for day in range(1, 4):
        clock.move(DAY + 3600, served.service._schedule)
        served.until(lambda day=day: len(list(folder.glob("*.tar"))) >= min(day, 2), f"the backup of day {day}")
        served.until(
            lambda: all((status(tmp_path)[job].done_at or 0.0) > clock.now() - 3600 for job in Job), "every job"
        )
        time.sleep(1.1)  # backups are named by the second of the real clock
    found = status(tmp_path)
    assert {job: one.outcome for job, one in found.items()} == dict.fromkeys(Job, "ok")
    assert found["verify"].message.endswith("no difference.")
    assert all((one.next_run or 0.0) > clock.now() for one in found.values())
    assert len(list(folder.iterdir())) == 2
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700
    served.until(
        lambda: served.ledger.quarantine.all()[0].reason == "corrupt",
        "the document that had timed out to be read again",
    )


def test_what_fails_is_told_and_tried_again(
    start: Callable[[str], Served], tmp_path: Path, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that has no room is not begun; a difference that `verify` finds says how to mend it; a bug ends neither
    the schedule nor the other jobs."""
    served = start(EVERYTHING)
    maintenance = served.service.maintenance
    with monkeypatch.context() as patch:
        patch.setattr(backups, "free", lambda _: 1024)
        assert maintenance.do(Job.BACKUP) is JobOutcome.FAILED
    assert not list((tmp_path / "state" / "backups").iterdir())
    assert "Make room there" in status(tmp_path)["backup"].message
    assert maintenance.do(Job.BACKUP) is JobOutcome.OK
    index = served.service.parts.index.serving()
    assert index is not None
    index.delete(list(index.page(0, 5)))
    assert maintenance.do(Job.VERIFY) is JobOutcome.DIFFERS
    assert "1 lost" in status(tmp_path)["verify"].message
    assert "ingestor verify --repair" in status(tmp_path)["verify"].message
    assert served.operations.verify(wire.VerifyRequest(repair=True), lambda _: None).ok

    def bug() -> int:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(served.ledger, "forget", bug)
        assert maintenance.do(Job.RETENTION) is JobOutcome.FAILED
    state = job_state(served.ledger.upkeep, Job.RETENTION)
    assert state is not None
    assert state.well_at is None
    assert maintenance.do(Job.RETENTION) is JobOutcome.OK

    def refuses(*_: object) -> None:
        raise LedgerError("No space is left.")

    with monkeypatch.context() as patch:
        patch.setattr(served.ledger.upkeep, "set_setting", refuses)
        assert maintenance.do(Job.RETENTION) is JobOutcome.OK


def test_a_reload_takes_on_other_jobs_and_quiet_hours(
    start: Callable[[str], Served], tmp_path: Path, clock: MovedClock
) -> None:
    """Without a restart: a job that is off has no next turn, a new one has; sources are scanned after quiet hours only,
    those too that a command added."""
    served = start("")
    before = served.service._schedule.next_run("docs")
    hour = time.localtime(clock.now()).tm_hour
    quiet = f'"{hour:02}:00-{(hour + 2) % 24:02}:00"'
    text = f'[schedule]\nquiet = [{quiet}]\n[maintenance]\nprobe = ""\nverify = "1d"\n'
    (tmp_path / "state.toml").write_text(text)
    reply = served.operations.reload(ReloadRequest())
    assert (reply.changed, reply.restart) == (("docs",), ())
    after = served.service._schedule.next_run("docs")
    assert before is not None
    assert after is not None
    end = time.localtime(after)
    assert (end.tm_hour, end.tm_min) == ((hour + 2) % 24, 0)
    assert after > before
    planned = status(tmp_path)
    assert planned["probe"].next_run is None
    assert planned["verify"].next_run is not None
    (tmp_path / "state.toml").write_text("")
    served.operations.reload(ReloadRequest())
    assert (served.service._schedule.next_run("docs") or 0.0) < clock.now() + 400


def test_a_source_may_have_quiet_hours_of_its_own(tmp_path: Path) -> None:
    """Instead of those of all; none at all by an empty list."""
    (tmp_path / "docs").mkdir()
    table = '[[source]]\nname = "{}"\nkind = "files"\npath = "docs/{}"\n'
    text = '[schedule]\nquiet = ["08:00-18:00"]\n' + table.format("a", "a") + table.format("b", "b") + "quiet = []\n"
    (tmp_path / "ingestor.toml").write_text(text)
    wanted = wiring_config.wanted(load(tmp_path / "ingestor.toml", {}))
    assert [len(wanted.timing(name).quiet) for name in ("a", "b", "added by a command")] == [1, 0, 1]
    assert all(timing.quiet for timing in wanted.maintenance.timings.values())

"""What a worker imports for a document: all of it before the document's time begins."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# Each file in a child of a process that has imported no library yet.
PROBE = """
import json, os, sys
from pathlib import Path
sys.modules["torch"] = None
from ingestor.model import ParseRequest
from ingestor.parsing import clock
from ingestor.parsing.clock import Mark
from ingestor.parsing.parse import parse

loaded = {}
clock.prepare(lambda mark: loaded.update({mark: {name.partition(".")[0] for name in sys.modules}}), stretches=0)
for path in sorted(Path(sys.argv[1]).iterdir()):
    if os.fork() == 0:
        parse(ParseRequest(name=path.name, content=path.read_bytes()))
        late = {name.partition(".")[0] for name in sys.modules} - loaded[Mark.BEGUN]
        print(json.dumps([path.suffix, sorted(late - sys.stdlib_module_names)]), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


def test_every_library_of_a_format_is_loaded_before_the_documents_time_begins(
    samples: dict[str, bytes], tmp_path: Path
) -> None:
    """A worker that has just begun, on a machine that is busy, gives a document as much time as any other."""
    for name, content in samples.items():
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-c", PROBE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    late = dict(json.loads(line) for line in done.stdout.splitlines())
    assert late == {Path(name).suffix: [] for name in samples}

"""What has to be there before the loops of the pump run side by side."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, threading
from unittest.mock import Mock
from ingestor.service.pump import Pump
assert "numpy" not in sys.modules, "nobody loads it before it is needed"
stop = threading.Event()
stop.set()
pump = Pump(ledger=Mock(), embed=Mock(), index=Mock(), stop=stop, require_room=Mock())
pump.start()
assert "numpy" in sys.modules
assert pump.join(10)
"""


def test_numpy_is_loaded_by_one_thread_before_the_loops_begin() -> None:
    """Two loops that import it at once can leave it half imported for the rest of the process."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

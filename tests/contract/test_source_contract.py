"""What every ``Source`` keeps, the scripted one included: the protocol's prose, sentence by sentence."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from connectors import registry
from connectors.base import (
    WHOLE,
    Change,
    Checkpoint,
    Hint,
    ItemId,
    ItemRef,
    Scope,
    Source,
    Unreadable,
    Upserted,
    Watcher,
    within,
)
from connectors.confluence.config import parse_settings as parse_confluence
from connectors.confluence.source import ConfluenceSource
from connectors.dokuwiki.config import parse_settings as parse_doku
from connectors.dokuwiki.source import DokuSource
from connectors.errors import ItemUnreadable, ItemVanished, SourceUnavailable
from connectors.files.config import FilesConfig
from connectors.files.source import FilesSource
from connectors.gitwiki.config import parse_settings as parse_git
from connectors.gitwiki.source import GitSource
from connectors.mediawiki.config import parse_settings as parse_wiki
from connectors.mediawiki.source import WikiSource
from connectors.memory import MemorySource
from connectors.web.pace import Pace
from tests.support.confluence_bench import item_of as confluence_item
from tests.support.confluence_bench import settings_of
from tests.support.confluence_server import Confluence, Flavour
from tests.support.doku_wiki import DokuWiki
from tests.support.git_wiki import Wiki
from tests.support.media_wiki import MediaWiki
from tests.support.nobody import as_nobody
from tests.support.web_server import Answer

CONTENT = {
    "top.md": b"# Top\n",
    "a/one.md": b"one",
    "a/two.md": b"two",
    "a/deep/er/three.md": b"three",
    "ab/one.md": b"a neighbour whose name begins alike",
    "b/empty.md": b"",
}


class Rig(Protocol):
    """A source and the hands that change what it shows. Things are called as in ``CONTENT``; where their ids are
    other ones, ``item`` says them."""

    source: Source

    def fill(self, content: Mapping[str, bytes]) -> None: ...
    def put(self, item: str, content: bytes) -> None: ...
    def remove(self, item: str) -> None: ...
    def go_away(self) -> None: ...
    def become_another(self) -> None: ...
    def asked(self, question): ...


class MovingRig(Rig, Protocol):
    """Where things can be moved."""

    def move(self, old: str, new: str) -> None: ...


class BlockingRig(Rig, Protocol):
    """Where things can be kept from a reader."""

    def block(self, item: str) -> None: ...


class FilesRig:
    """A real folder; blocked means mode 000, asked without the superuser's rights."""

    def __init__(self, base: Path) -> None:
        self.root = base / "source"
        self.root.mkdir()
        self.source = FilesSource(FilesConfig(name="contract", path=str(self.root), permissions=("group:staff",)))

    def fill(self, content: Mapping[str, bytes]) -> None:
        for item, data in content.items():
            self.put(item, data)

    def put(self, item: str, content: bytes) -> None:
        path = self.root / item
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def remove(self, item: str) -> None:
        path = self.root / item
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def move(self, old: str, new: str) -> None:
        (self.root / new).parent.mkdir(parents=True, exist_ok=True)
        (self.root / old).rename(self.root / new)

    def block(self, item: str) -> None:
        (self.root / item).chmod(0)

    def go_away(self) -> None:
        self.root.rename(self.root.with_name("elsewhere"))

    def become_another(self) -> None:
        self.go_away()
        self.root.mkdir()

    def asked(self, question):
        return as_nobody(lambda: question(self.source))


class MemoryRig:
    def __init__(self) -> None:
        self.source = MemorySource("contract")
        self.put, self.remove, self.move = self.source.put, self.source.remove, self.source.move
        self.block = self.source.unreadable

    def fill(self, content: Mapping[str, bytes]) -> None:
        for item, data in content.items():
            self.put(item, data)

    def go_away(self) -> None:
        self.source.offline()

    def become_another(self) -> None:
        self.source.identity_is("another")

    def asked(self, question):
        return question(self.source)


class GitRig:
    """A real repository. Nothing in one can be blocked, and it tells nobody that it changed."""

    def __init__(self, base: Path) -> None:
        self.wiki = Wiki(base / "wiki.git")
        settings = {"url": self.wiki.url, "permissions": ["group:staff"]}
        # Answers are used once here: every question is to see the change before it.
        self.source = GitSource(parse_git("contract", settings), base / "cache", fresh_s=0.0)
        self.put, self.remove, self.move = self.wiki.put, self.wiki.remove, self.wiki.move

    def fill(self, content: Mapping[str, bytes]) -> None:
        self.wiki.commit(put=content)

    def go_away(self) -> None:
        self.wiki.path.rename(self.wiki.path.with_name("elsewhere.git"))

    def become_another(self) -> None:
        self.go_away()
        self.wiki = Wiki(self.wiki.path)
        self.wiki.put("another.md", b"another")

    def asked(self, question):
        return question(self.source)


class NotesRig:
    """A connector of somebody else's, found by its entry point."""

    def __init__(self, base: Path) -> None:
        self.file = base / "notes.json"
        self._write({"place": "here", "notes": {}})
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(Path(__file__).parents[1] / "support" / "example")
            assert registry.kinds()[-1] == "notes"
            settings = {"file": str(self.file), "permissions": ["group:staff"]}
            assert registry.check("notes", "contract", settings) == []
            self.source = registry.make("notes", "contract", settings, base / "cache")

    def fill(self, content: Mapping[str, bytes]) -> None:
        for item, data in content.items():
            self.put(item, data)

    def put(self, item: str, content: bytes) -> None:
        held = self._read()
        before = held["notes"].get(item, {"key": f"n{len(held['notes'])}"})
        held["notes"][item] = {**before, "text": content.decode(), "at": 1.0}
        self._write(held)

    def remove(self, item: str) -> None:
        held = self._read()
        held["notes"] = {one: note for one, note in held["notes"].items() if not within(one, item)}
        self._write(held)

    def move(self, old: str, new: str) -> None:
        held = self._read()
        held["notes"] = {
            new + one[len(old) :] if within(one, old) else one: note for one, note in held["notes"].items()
        }
        self._write(held)

    def go_away(self) -> None:
        self.file.rename(self.file.with_name("elsewhere.json"))

    def become_another(self) -> None:
        self._write({"place": "elsewhere", "notes": {}})

    def asked(self, question):
        return question(self.source)

    def _read(self):
        return json.loads(self.file.read_text())

    def _write(self, held) -> None:
        self.file.write_text(json.dumps(held))


class MediaWikiRig:
    """A scripted wiki over HTTP: the things are files, whose bytes are their content. An id is that of a page and says
    nothing of its name, and nothing contains anything but a page its file."""

    def __init__(self) -> None:
        self.wiki = MediaWiki()
        settings = {"url": self.wiki.url, "permissions": ["group:staff"]}
        self.source = WikiSource(parse_wiki("contract", settings), fresh_s=0.0, pace=Pace())
        self.source._api._web._config = replace(self.source._api._web._config, first_pause_s=0.001, attempts=2)
        self._ids: dict[str, str] = {}

    def item(self, name: str) -> str:
        return self._ids.get(name, name)

    def fill(self, content: Mapping[str, bytes]) -> None:
        for name, data in content.items():
            self.put(name, data)

    def put(self, name: str, content: bytes) -> None:
        self._ids[name] = f"{self.wiki.put(f'File:{name}', file=content)}/file"

    def remove(self, name: str) -> None:
        for one in [one for one in self._ids if within(one, name)]:
            self.wiki.delete(f"File:{one}")

    def move(self, old: str, new: str) -> None:
        self.wiki.move(f"File:{old}", f"File:{new}")
        self._ids[new] = self._ids.pop(old)

    def go_away(self) -> None:
        self.wiki.weather = lambda _asked: Answer(dead=True)

    def become_another(self) -> None:
        self.wiki.wikiid = "another"

    def asked(self, question):
        return question(self.source)


class DokuWikiRig:
    """A scripted wiki over HTTP, in one of its languages: the things are files of it. An id is that of a path beneath
    ``media``; here no page is there for a file to hang on."""

    def __init__(self, language: str) -> None:
        self.wiki = DokuWiki(language=language)
        settings = {"url": self.wiki.url, "permissions": ["group:staff"]}
        self.source = DokuSource(parse_doku("contract", settings), fresh_s=0.0, pace=Pace())
        self.source._api._web._config = replace(self.source._api._web._config, first_pause_s=0.001, attempts=2)

    def item(self, name: str) -> str:
        return f"media/{name}"

    def fill(self, content: Mapping[str, bytes]) -> None:
        for name, data in content.items():
            self.put(name, data)

    def put(self, name: str, content: bytes) -> None:
        self.wiki.upload(name, content)

    def remove(self, name: str) -> None:
        for one in [one.replace(":", "/") for one in self.wiki.files]:
            if within(one, name):
                self.wiki.remove(one)

    def go_away(self) -> None:
        self.wiki.weather = lambda _asked: Answer(dead=True)

    def become_another(self) -> None:
        self.wiki.title = "Another wiki"

    def asked(self, question):
        return question(self.source)


class AttachmentsOnly(ConfluenceSource):
    """Without the page that they hang on."""

    def _refs(self, facts):
        return {item: ref for item, ref in super()._refs(facts).items() if ref.parent}


class ConfluenceRig:
    """A scripted wiki over HTTP, of one of its editions: the things are attachments of one page. No name of theirs
    can hold a slash."""

    def __init__(self, base: Path, flavour: Flavour) -> None:
        context = "/wiki" if flavour is Flavour.CLOUD else "/confluence"
        self.wiki = Confluence(flavour=flavour, context=context)
        self.wiki.site.add_space("DOC")
        self.page = self.wiki.site.put("DOC", "Files")
        settings = {**settings_of(self.wiki, base), "permissions": ["group:staff"]}
        config = parse_confluence("contract", settings)
        web = replace(config.web, first_pause_s=0.001, attempts=2, rate=1000.0)
        self.source = AttachmentsOnly(replace(config, web=web), base / "cache", fresh_s=0.0, pace=Pace())
        self._ids: dict[str, str] = {}

    def item(self, name: str) -> str:
        return self._ids.get(name, name)

    def called(self, name: str) -> str:
        return name.replace("/", "_")

    def fill(self, content: Mapping[str, bytes]) -> None:
        for name, data in content.items():
            self.put(name, data)

    def put(self, name: str, content: bytes) -> None:
        content_id = self.wiki.site.upload(self.page, self.called(name), content)
        self._ids[name] = confluence_item(self.wiki.site.contents[content_id])

    def remove(self, name: str) -> None:
        for one in [one for one in self._ids if within(one, name)]:
            self.wiki.site.trash(int(self._ids[one].rpartition("att")[2]))

    def go_away(self) -> None:
        self.wiki.weather = lambda _asked: Answer(dead=True)

    def become_another(self) -> None:
        self.wiki.mark = "another"

    def asked(self, question):
        return question(self.source)


def item_of(rig: Rig, name: str) -> ItemId:
    return ItemId(rig.item(name) if isinstance(rig, MediaWikiRig | DokuWikiRig | ConfluenceRig) else name)


def called(rig: Rig, name: str) -> str:
    """Where it is not the last part of the id."""
    return rig.called(name) if isinstance(rig, ConfluenceRig) else name


def content_of(rig: Rig) -> dict[str, bytes]:
    """``CONTENT`` by ids."""
    return {item_of(rig, name): content for name, content in CONTENT.items()}


RIGS: dict[str, Callable[[Path], Rig]] = {
    "files": FilesRig,
    "memory": lambda _base: MemoryRig(),
    "gitwiki": GitRig,
    "notes": NotesRig,
    "mediawiki": lambda _base: MediaWikiRig(),
    "dokuwiki": lambda _base: DokuWikiRig("json"),
    "dokuwiki by xml": lambda _base: DokuWikiRig("xml"),
    "confluence cloud": lambda base: ConfluenceRig(base, Flavour.CLOUD),
    "confluence data center": lambda base: ConfluenceRig(base, Flavour.DATA_CENTER),
}

blocking = pytest.mark.parametrize("rig", ["files", "memory"], indirect=True)
# Those whose ids are paths, with what contains what.
pathed = pytest.mark.parametrize("rig", ["files", "memory", "gitwiki", "notes"], indirect=True)
watching = pytest.mark.parametrize("rig", ["files", "memory"], indirect=True)


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    base = Path(tempfile.mkdtemp(prefix="contract-"))
    base.chmod(0o755)  # nobody has to reach it
    rig = RIGS[request.param](base)
    rig.fill(CONTENT)
    yield rig
    rig.source.close()
    if isinstance(rig, MediaWikiRig | DokuWikiRig | ConfluenceRig):
        rig.wiki.close()
    for folder, _, _ in os.walk(base):
        Path(folder).chmod(0o755)
    shutil.rmtree(base)


def listed(source: Source, scope: str = WHOLE) -> tuple[dict[str, ItemRef], list[Change], Checkpoint]:
    """The items of a listing by id, the other changes, and the last mark."""
    items, others, mark = {}, [], None
    for change in source.list(Scope(scope), None):
        if isinstance(change, Checkpoint):
            mark = change
        elif isinstance(change, Upserted):
            assert change.ref.item_id not in items, "an item is yielded at most once"
            items[change.ref.item_id] = change.ref
        else:
            others.append(change)
    assert mark is not None, "a listing ends with a checkpoint"
    return items, others, mark


def as_told(ref: ItemRef, listing: ItemRef) -> ItemRef:
    """Without the tags and the author of which the listing said nothing."""
    silent = {name: None for name in ("tags", "author") if getattr(listing, name) is None}
    return replace(ref, **silent)


def test_is_a_source(rig: Rig) -> None:
    """Every source satisfies the protocol and says its configured name."""
    assert isinstance(rig.source, Source)
    assert rig.source.name == "contract"


def test_lists_everything_once(rig: Rig) -> None:
    """A listing of the whole yields every item once and then a complete mark with nothing unproven."""
    items, others, mark = listed(rig.source)
    assert set(items) == set(content_of(rig))
    assert not others
    assert mark.complete
    assert mark.scope == WHOLE
    assert not mark.unproven


@pathed
@pytest.mark.parametrize(
    "scope", ["a", "a/deep", "a/one.md", "b/empty.md", "ab", "nothing", "a/one.md/below", "top.md"]
)
def test_lists_a_scope(rig: Rig, scope: str) -> None:
    """A listing of a scope yields exactly what lies in it, and may be taken as complete, also when there
    is nothing."""
    items, _, mark = listed(rig.source, scope)
    assert set(items) == {item for item in CONTENT if within(item, scope)}
    assert mark.complete
    assert mark.scope == scope
    assert not mark.unproven


def test_an_item_is_a_scope_of_its_own(rig: Rig) -> None:
    """A listing of one item yields it alone; of what is not there, nothing, and may be taken as complete."""
    for scope in (item_of(rig, "a/one.md"), "nothing", "999999"):
        items, others, mark = listed(rig.source, scope)
        assert set(items) == {scope} & set(content_of(rig))
        assert not others
        assert mark.complete
        assert (mark.scope, mark.unproven) == (scope, ())


def test_refs_are_ascii_and_whole(rig: Rig) -> None:
    """Ids and versions are ASCII; name, parent, size and place agree with the id and the content."""
    names = {item_of(rig, name): called(rig, name) for name in CONTENT}
    for item, ref in listed(rig.source)[0].items():
        assert item.isascii()
        assert "#" not in item  # what follows one names an attachment
        assert ref.version.isascii()
        assert ref.grant.place.isascii()
        numbered = isinstance(rig, MediaWikiRig | ConfluenceRig)
        assert ref.name == (names[item] if numbered else item.rpartition("/")[2])
        above = "" if isinstance(rig, DokuWikiRig) else item.rpartition("/")[0]
        above = f"page/{rig.page}" if isinstance(rig, ConfluenceRig) else above
        assert (ref.parent or "") == above
        assert ref.size == len(content_of(rig)[item])
        assert ref.grant.principals


def test_unchanged_items_keep_their_versions(rig: Rig) -> None:
    """Two listings with nothing in between, and a fetch of everything, give equal references."""
    before = listed(rig.source)[0]
    for ref in before.values():
        rig.source.fetch(ref)
    assert listed(rig.source)[0] == before


def test_a_change_changes_the_version(rig: Rig) -> None:
    """New content gives the item a new version and leaves the others theirs."""
    before = listed(rig.source)[0]
    rig.put("a/one.md", b"another one")
    after = listed(rig.source)[0]
    one = item_of(rig, "a/one.md")
    assert after[one].version != before[one].version
    assert {k: v for k, v in after.items() if k != one} == {k: v for k, v in before.items() if k != one}


def test_fetch_gives_the_content_and_its_version(rig: Rig) -> None:
    """A fetch returns the bytes, with the reference that the listing gave them; of tags and author it may say more."""
    for item, ref in listed(rig.source)[0].items():
        fetched = rig.source.fetch(ref)
        assert fetched.content == content_of(rig)[item]
        assert as_told(fetched.ref, ref) == ref


def test_fetch_pairs_new_content_with_the_new_version(rig: Rig) -> None:
    """A fetch by an old reference returns what is there now, under the version it has now."""
    one = item_of(rig, "a/one.md")
    old = listed(rig.source)[0][one]
    rig.put("a/one.md", b"newer")
    fetched = rig.source.fetch(old)
    assert fetched.content == b"newer"
    assert fetched.ref.version == listed(rig.source)[0][one].version != old.version


def test_fetch_in_several_threads(rig: Rig) -> None:
    """Fetches may run side by side and do not mix their contents up."""
    refs = listed(rig.source)[0]
    found: dict[str, bytes] = {}

    def fetch(item: str) -> None:
        found[item] = rig.source.fetch(refs[item]).content

    threads = [threading.Thread(target=fetch, args=(item,)) for item in refs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == content_of(rig)


def test_a_removed_item_is_absent(rig: Rig) -> None:
    """What was removed is in no listing, has no lookup, and vanishes under a fetch."""
    one = item_of(rig, "a/one.md")
    ref = listed(rig.source)[0][one]
    rig.remove("a/one.md")
    assert one not in listed(rig.source)[0]
    assert rig.source.lookup(one) is None
    with pytest.raises(ItemVanished):
        rig.source.fetch(ref)


@pathed
def test_a_removed_container_is_absent(rig: Rig) -> None:
    """A listing of a container that was removed is complete and empty."""
    rig.remove("a")
    items, others, mark = listed(rig.source, "a")
    assert not items
    assert not others
    assert mark.complete
    assert not mark.unproven


@pathed
def test_a_move_keeps_what_proves_it(rig: MovingRig) -> None:
    """A rename keeps file key and move key, so that the item is known again under its new id."""
    before = listed(rig.source)[0]["a/one.md"]
    rig.move("a/one.md", "b/uno.md")
    items = listed(rig.source)[0]
    assert "a/one.md" not in items
    assert (items["b/uno.md"].file_key, items["b/uno.md"].move_key) == (before.file_key, before.move_key)


@pytest.mark.parametrize("rig", ["mediawiki"], indirect=True)
def test_a_move_may_keep_the_id(rig: MovingRig) -> None:
    """Where the id is not the place, a rename changes the name alone."""
    one = item_of(rig, "a/one.md")
    before = listed(rig.source)[0]
    rig.move("a/one.md", "b/uno.md")
    after = listed(rig.source)[0]
    assert after.keys() == before.keys()
    assert (after[one].name, after[one].version) == ("b/uno.md", before[one].version)


@pathed
def test_a_container_moves_with_what_is_in_it(rig: MovingRig) -> None:
    """A renamed container shows each item under the new id, with its keys."""
    before = listed(rig.source)[0]
    rig.move("a", "c")
    after = listed(rig.source)[0]
    for item in ("one.md", "two.md", "deep/er/three.md"):
        assert after[f"c/{item}"].file_key == before[f"a/{item}"].file_key
        assert after[f"c/{item}"].move_key == before[f"a/{item}"].move_key
    assert not [item for item in after if within(item, "a")]


def test_lookup_agrees_with_the_listing(rig: Rig) -> None:
    """A lookup gives the reference that the listing gives, of tags and author perhaps more; containers and strangers
    have none."""
    for item, ref in listed(rig.source)[0].items():
        found = rig.source.lookup(ItemId(item))
        assert found is not None
        assert as_told(found, ref) == ref
    for item in ("a", "nothing", "a/nothing", "a/one.md/below", "999999", "999999/file"):
        assert rig.source.lookup(ItemId(item)) is None


def test_explain_is_silent_about_what_is_listed(rig: Rig) -> None:
    """What is listed needs no explanation; what is not gets a sentence."""
    assert rig.source.explain(item_of(rig, "a/one.md")) is None
    assert rig.source.explain(ItemId("a/nothing.md"))
    assert rig.source.explain(ItemId("999999"))


@blocking
def test_an_unreadable_container_is_unproven(rig: BlockingRig) -> None:
    """A container that cannot be read is told as unreadable, only its own scope is unproven, and the
    rest is listed."""
    rig.block("a")
    items, others, mark = rig.asked(listed)
    assert set(items) == {item for item in CONTENT if not within(item, "a")}
    assert [change.item_id for change in others if isinstance(change, Unreadable)] == ["a"]
    assert len(others) == 1
    assert mark.unproven == ("a",)
    assert mark.complete


@blocking
def test_a_scope_in_an_unreadable_container_is_unproven(rig: BlockingRig) -> None:
    """Nothing below a container that cannot be read is proven absent."""
    rig.block("a")
    items, _, mark = rig.asked(lambda source: listed(source, "a/one.md"))
    assert not items
    assert any(within("a/one.md", scope) for scope in mark.unproven)


@blocking
def test_an_unreadable_item_is_not_gone(rig: BlockingRig) -> None:
    """An item that may not be read raises ``ItemUnreadable`` at the fetch, and is never proven absent."""
    ref = listed(rig.source)[0]["a/one.md"]
    rig.block("a/one.md")
    items, _, mark = rig.asked(listed)
    assert "a/one.md" in items or any(within("a/one.md", scope) for scope in mark.unproven)
    with pytest.raises(ItemUnreadable) as caught:
        rig.asked(lambda source: source.fetch(ref))
    assert str(caught.value).rstrip(")").endswith((".", "one.md"))


@blocking
def test_lookup_below_an_unreadable_container_raises(rig: BlockingRig) -> None:
    """A lookup says None only when the item is known not to be there."""
    rig.block("a")
    with pytest.raises(ItemUnreadable):
        rig.asked(lambda source: source.lookup(ItemId("a/one.md")))


def test_a_source_that_is_away_says_so(rig: Rig) -> None:
    """Every question to a source that is away raises ``SourceUnavailable``, with a hint what to do."""
    one = item_of(rig, "a/one.md")
    ref = listed(rig.source)[0][one]
    rig.go_away()
    questions: list[Callable[[], object]] = [
        rig.source.identity,
        lambda: listed(rig.source),
        lambda: listed(rig.source, "a"),
        lambda: rig.source.fetch(ref),
        lambda: rig.source.lookup(one),
    ]
    for question in questions:
        with pytest.raises(SourceUnavailable) as caught:
            question()
        assert caught.value.hint


def test_identity_holds_while_content_changes(rig: Rig) -> None:
    """The identity is that of the place: edits, removals and new items leave it alone."""
    before = rig.source.identity()
    rig.put("new.md", b"new")
    rig.remove("a")
    assert rig.source.identity() == before
    assert before.isascii()


def test_another_place_has_another_identity(rig: Rig) -> None:
    """Another place under the same name has another identity, so its absences prove nothing."""
    before = rig.source.identity()
    rig.become_another()
    assert rig.source.identity() != before


@watching
def test_a_watcher_hints_at_what_changes(rig: Rig) -> None:
    """After ``start`` a change is hinted at by a scope that contains it; after ``stop`` nothing comes."""
    watcher = rig.source.watcher()
    assert isinstance(watcher, Watcher)
    hints: list[Hint] = []
    came = threading.Event()

    def emit(hint: Hint) -> None:
        hints.append(hint)
        came.set()

    assert not watcher.alive()
    watcher.start(emit)
    assert watcher.alive()
    rig.put("a/one.md", b"changed under a watch")
    assert came.wait(10)
    assert any(within("a/one.md", hint.scope) for hint in hints)
    watcher.stop()
    watcher.stop()
    assert not watcher.alive()


@watching
def test_a_watcher_may_be_stopped_before_it_starts(rig: Rig) -> None:
    """``stop`` before ``start`` is harmless."""
    watcher = rig.source.watcher()
    assert watcher is not None
    watcher.stop()
    assert not watcher.alive()


@watching
def test_a_watcher_of_an_absent_source_says_so(rig: Rig) -> None:
    """Starting to watch a source that is away raises ``SourceUnavailable``."""
    rig.go_away()
    watcher = rig.source.watcher()
    assert watcher is not None
    with pytest.raises(SourceUnavailable):
        watcher.start(lambda _: None)
    watcher.stop()


def test_closing_twice_is_harmless(rig: Rig) -> None:
    """``close`` may be called again."""
    rig.source.close()
    rig.source.close()


def states(root: Path) -> dict[str, tuple[object, ...]]:
    """Everything about a tree but its access times."""
    found = {}
    for folder, _, files in os.walk(root):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            s = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(s.st_mode) else b""
            found[str(path)] = (
                s.st_mode,
                s.st_uid,
                s.st_gid,
                s.st_nlink,
                s.st_size,
                s.st_mtime_ns,
                s.st_ctime_ns,
                content,
            )
    return found


@pytest.mark.parametrize("rig", ["files"], indirect=True)
def test_a_source_is_never_written_to(rig: FilesRig) -> None:
    """Listing, fetching, looking up, explaining and watching leave the folder as it was."""
    before = states(rig.root)
    watcher = rig.source.watcher()
    assert watcher is not None
    watcher.start(lambda _: None)
    rig.source.identity()
    for item, ref in listed(rig.source)[0].items():
        rig.source.fetch(ref)
        rig.source.lookup(ItemId(item))
        rig.source.explain(ItemId(item))
    watcher.stop()
    assert states(rig.root) == before


def test_a_journal_tells_what_happened_since() -> None:
    """A source with a journal yields the changes since the cursor, without a claim to be complete."""
    source = MemorySource(journal=True)
    source.put("a.md", "a")
    source.put("b.md", "b")
    *_, mark = source.list(WHOLE, None)
    assert isinstance(mark, Checkpoint)
    assert mark.complete
    source.remove("a.md")
    source.move("b.md", "c.md")
    *changes, after = source.list(WHOLE, mark.cursor)
    assert [type(change).__name__ for change in changes] == ["Deleted", "Moved"]
    assert isinstance(after, Checkpoint)
    assert not after.complete
    assert [*source.list(WHOLE, after.cursor)] == [after]


def test_the_script_can_make_items_vanish_and_sources_fail_midway() -> None:
    """A vanishing item is listed and gone at the fetch; a source that goes offline breaks its listing off."""
    source = MemorySource()
    source.put("a.md", "a")
    source.put("b.md", "b")
    source.vanishing("a.md")
    refs = listed(source)[0]
    with pytest.raises(ItemVanished):
        source.fetch(refs["a.md"])
    listing = source.list(WHOLE, None)
    next(listing)
    source.offline()
    with pytest.raises(SourceUnavailable):
        next(listing)

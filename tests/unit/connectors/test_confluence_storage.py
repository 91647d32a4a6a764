"""Confluence's storage format as HTML: one row of a table a construct, and what the parser of HTML makes of it."""

from __future__ import annotations

import pytest

from connectors.confluence.storage import Target, TooDeep, anchors, html_of, targets_of


def macro(name: str, body: str = "", /, *, plain: str | None = None, **parameters: str) -> str:
    given = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters.items())
    text = f"<ac:rich-text-body>{body}</ac:rich-text-body>" if body else ""
    code = f"<ac:plain-text-body><![CDATA[{plain}]]></ac:plain-text-body>" if plain is not None else ""
    return f'<ac:structured-macro ac:name="{name}" ac:schema-version="1">{given}{text}{code}</ac:structured-macro>'


def include(title: str, *, space: str = "", name: str = "include") -> str:
    key = f' ri:space-key="{space}"' if space else ""
    page = f'<ac:parameter ac:name=""><ac:link><ri:page{key} ri:content-title="{title}"/></ac:link></ac:parameter>'
    return f'<ac:structured-macro ac:name="{name}">{page}</ac:structured-macro>'


PAGES = {
    ("HR", "Hours"): "<p>From nine to five.</p>",
    ("HR", "Circle"): f"<p>Round.</p>{include('Circle')}{include('Own')}",
    ("IT", "Nested"): f"<p>Outer.</p>{include('Inner')}",
    ("IT", "Inner"): "<p>Inner.</p>",
    ("HR", "Excerpts"): macro("excerpt", "<p>One.</p>") + macro("excerpt", "<p>Two.</p>", name="two") + "<p>Rest.</p>",
}


def shown(storage: str) -> str:
    return html_of(
        storage,
        own=("HR", "Own"),
        anchor=anchors("Own", cloud=True),
        included=lambda target: PAGES.get((target.space, target.title)),
    )


TABLE = {
    "a paragraph": ("<p>Plain <strong>words</strong>.</p>", "<p>Plain <strong>words</strong>.</p>"),
    "entities": ("<p>&uuml;&nbsp;&mdash;&amp;&lt;&unknown;</p>", "<p>\u00fc\u00a0\u2014&amp;&lt;&amp;unknown;</p>"),
    "what is no XML": ("<p>One<br>two \x0b<b>three</p>", "<p>One<br>two <b>three</b></p>"),
    "headings": ("<h1>A b</h1><h6>A b</h6>", '<h2 id="A-b">A b</h2><h6 id="A-b.1">A b</h6>'),
    "code": (
        macro("code", plain="if a < b &amp;&amp; c:\n  x", language="py", title="run.py"),
        '<p>run.py</p><pre><code class="language-py">\nif a &lt; b &amp;amp;&amp;amp; c:\n  x</code></pre>',
    ),
    "text as it is": (macro("noformat", plain="a  b"), "<pre><code>\na  b</code></pre>"),
    "a panel": (
        macro("panel", "<p>In.</p>", title="Mind"),
        "<div><p><strong>Mind</strong></p><p>In.</p></div>",
    ),
    "a note": (macro("note", "<p>In.</p>"), "<div><p>In.</p></div>"),
    "an expand": (macro("expand", "<p>In.</p>", title="More"), "<div><p><strong>More</strong></p><p>In.</p></div>"),
    "a status": (f"<p>It is{macro('status', title='DONE', colour='Green')}now</p>", "<p>It is DONE now</p>"),
    "tasks": (
        (
            "<ac:task-list><ac:task><ac:task-id>7</ac:task-id><ac:task-status>complete</ac:task-status><ac:task-body>Ask"
            "</ac:task-body></ac:task><ac:task><ac:task-status>incomplete</ac:task-status><ac:task-body>Go</ac:task-body>"
            "</ac:task></ac:task-list>"
        ),
        "<ul><li>[x] Ask</li><li>[ ] Go</li></ul>",
    ),
    "a table": (
        '<table class="x"><colgroup><col/></colgroup><tbody><tr><th colspan="2">A</th></tr></tbody></table>',
        '<table><colgroup><col></colgroup><tbody><tr><th colspan="2">A</th></tr></tbody></table>',
    ),
    "a link to a page": ('<ac:link><ri:page ri:content-title="Hours"/></ac:link>', "<a>Hours</a>"),
    "a link with words": (
        '<ac:link><ri:page ri:content-title="Hours"/><ac:link-body>when <em>open</em></ac:link-body></ac:link>',
        "<a>when <em>open</em></a>",
    ),
    "a link with plain words": (
        '<ac:link ac:anchor="x"><ac:plain-text-link-body><![CDATA[a & b]]></ac:plain-text-link-body></ac:link>',
        "<a>a &amp; b</a>",
    ),
    "a link to a file": ('<ac:link><ri:attachment ri:filename="a.pdf"/></ac:link>', "<a>a.pdf</a>"),
    "a link to a place on the page": ('<ac:link ac:anchor="Below"/>', "<a>Below</a>"),
    "a person": ('<ac:link><ri:user ri:account-id="1"/></ac:link>', "<a></a>"),
    "a picture": (
        '<ac:image ac:alt="A map"><ri:attachment ri:filename="m.png"/><ac:caption><p>Of it</p></ac:caption></ac:image>',
        '<img alt="A map"><div><p>Of it</p></div>',
    ),
    "a picture without words": ('<ac:image><ri:url ri:value="https://x/y.png"/></ac:image>', ""),
    "an emoticon": ('<p>Hi <ac:emoticon ac:name="smile"/></p>', "<p>Hi </p>"),
    "a date": ('<p><time datetime="2024-01-31"/></p>', "<p>2024-01-31</p>"),
    "a layout": (
        "<ac:layout><ac:layout-section><ac:layout-cell><p>A</p></ac:layout-cell></ac:layout-section></ac:layout>",
        "<div><div><div><p>A</p></div></div></div>",
    ),
    "lists of elsewhere": (macro("toc") + macro("children", all="true") + macro("recently-updated"), ""),
    "an unknown macro": (macro("fancy", "<p>In.</p>", depth="3"), "<div><p>In.</p></div>"),
    "an unknown macro of text": (macro("markdown", plain="# A"), "<pre><code>\n# A</code></pre>"),
    "an unknown macro without": (macro("fancy"), ""),
    "a ticket": (macro("jira", key="OPS-1", server="x"), " OPS-1 "),
    "the new editor": (
        (
            '<ac:adf-extension><ac:adf-node type="panel"><ac:adf-attribute key="panel-type">note</ac:adf-attribute>'
            "<ac:adf-content><p>In.</p></ac:adf-content></ac:adf-node><ac:adf-fallback><p>In.</p></ac:adf-fallback>"
            "</ac:adf-extension>"
        ),
        "<div><p>In.</p></div>",
    ),
    "a remark in a line": ('<p>a <ac:inline-comment-marker ac:ref="1">b</ac:inline-comment-marker></p>', "<p>a b</p>"),
    "an include": (include("Hours"), "<div><p>From nine to five.</p></div>"),
    "an include of elsewhere": (
        include("Nested", space="IT"),
        "<div><p>Outer.</p><div><p>Inner.</p></div></div>",
    ),
    "an include of nothing": (include("Secret"), ""),
    "an include in itself": (include("Own"), ""),
    "a circle": (include("Circle"), "<div><p>Round.</p></div>"),
    "an excerpt": (macro("excerpt", "<p>In.</p>"), "<div><p>In.</p></div>"),
    "a hidden excerpt": (macro("excerpt", "<p>In.</p>", hidden="true"), ""),
    "an excerpt of elsewhere": (include("Excerpts", name="excerpt-include"), "<div><p>One.</p></div>"),
    "no excerpt there": (include("Hours", name="excerpt-include"), ""),
    "a document type": ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><p>a&e;</p>', "<p>a&amp;e;</p>"),
    "nothing": ("", ""),
}


@pytest.mark.parametrize("name", TABLE)
def test_storage_becomes_html(name: str) -> None:
    """Each construct is what a reader of the page sees of it."""
    storage, wanted = TABLE[name]
    made = shown(storage)
    if name == "a document type":
        assert "root" not in made
        assert "a" in made
    else:
        assert made == wanted


def test_depth_has_an_end() -> None:
    """What is nested without end keeps its words."""
    made = shown("<div>" * 1500 + "deep" + "</div>" * 1500 + "after")
    assert made.endswith("after")
    assert "deep" in made
    assert made.count("<div>") < 1000
    with pytest.raises(TooDeep):
        shown("<div>" * 5000 + "deep" + "</div>" * 5000)


def test_a_named_excerpt_is_found_by_its_name() -> None:
    """Where a page has several."""
    named = include("Excerpts", name="excerpt-include").replace(
        "</ac:structured-macro>", '<ac:parameter ac:name="name">two</ac:parameter></ac:structured-macro>'
    )
    assert shown(named) == "<div><p>Two.</p></div>"


def test_targets_are_named_in_order() -> None:
    """Also in the form of older texts; a space that is not named is the text's own."""
    old = '<ac:macro ac:name="include"><ac:default-parameter>IT:Nested</ac:default-parameter></ac:macro>'
    text = include("Hours") + old + macro("panel", include("Excerpts", space="HR", name="excerpt-include"))
    assert [*targets_of(text)] == [
        Target(space="", title="Hours"),
        Target(space="IT", title="Nested"),
        Target(space="HR", title="Excerpts", excerpt=True),
    ]


@pytest.mark.parametrize(
    ("cloud", "ids"),
    [(True, ["Own-hours", "Own-hours.1"]), (False, ["MyPage-Ownhours", "MyPage-Ownhours.1"])],
)
def test_headings_are_named_as_the_edition_does(cloud: bool, ids: list[str]) -> None:
    """So that a link opens there; a second one of the same words is counted."""
    anchor = anchors("My Page", cloud=cloud)
    assert [anchor("Own hours"), anchor("Own  hours")] == ids

"""``ingestor eval``: how much of the answers of an evaluation set a search finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestor.cli.filters import Kinds, Paths, Scopes, Since, SourceNames, Tags, Until, filters_of
from ingestor.cli.output import clean, emit_line, print_table
from ingestor.cli.principals import As, principals_of
from ingestor.cli.search import Mode
from ingestor.cli.session import Json, operations, reading

if TYPE_CHECKING:
    from ingestor.evaluation.questions import Question
    from ingestor.evaluation.study import Interval, Marks
    from ingestor.web.api import Operations


def command(
    ctx: typer.Context,
    questions: Annotated[Path, typer.Argument(metavar="QUESTIONS.jsonl", help="Questions with their answers.")],
    mode: Annotated[
        list[Mode] | None, typer.Option("--mode", help="Only this one; may be repeated. All three by default.")
    ] = None,
    source: SourceNames = None,
    scope: Scopes = None,
    path: Paths = None,
    kind: Kinds = None,
    tag: Tags = None,
    since: Since = None,
    until: Until = None,
    principals: As = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="What --json printed elsewhere: say which of both finds more."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each question that missed why it did.")] = False,
    json: Json = False,
) -> None:
    """Ask every question of a file, and say how much of the answers was found.

    A line of the file is a JSON object: {"question": "...", "answer": "a passage as it stands in a document"}.
    A "path" beside them names the file that should hold the answer, absolute or from the folder of
    QUESTIONS.jsonl; with it, --explain can tell an outdated document from one that was never read.

    To compare two models, ways to cut or configurations, keep what --json prints with the one and give it to
    --against with the other (after a switch of the model, or with another --config and --state-dir). The
    difference is taken question by question, at an equal amount of text.

    Examples:
      ingestor eval questions.jsonl
      ingestor eval questions.jsonl --json > before.json
      ingestor eval questions.jsonl --against before.json
      ingestor eval questions.jsonl --mode hybrid --explain
      ingestor eval questions.jsonl --as group:staff --json
      ingestor eval questions.jsonl --source handbook --path hr
    """
    import json as codec
    from dataclasses import asdict

    from ingestor.evaluation.questions import read_questions
    from ingestor.evaluation.study import marks as marks_of
    from ingestor.evaluation.study import means, missed, why_missed

    asked = read_questions(_read(questions), str(questions))
    modes = mode or list(Mode)
    before = _earlier(against, modes, [question.question for question in asked]) if against is not None else {}
    what = {"principals": principals_of(principals), **filters_of(source, path, kind, tag, since, until, scope)}
    each: dict[str, list[Marks]] = {}
    why: list[dict[str, str]] = []
    with operations(ctx) as opened:
        for one in modes:
            ask = _first_hits(opened.operations, one, what)
            texts = [ask(question.question) for question in asked]
            each[one.value] = [marks_of(q.answers, hits) for q, hits in zip(asked, texts, strict=True)]
            if explain:
                probes = _probes(ctx, opened.operations, one, what, questions.absolute().parent)
                why += [
                    {"question": question.question, "mode": one.value, "reason": why_missed(question, probes).value}
                    for question, hits in zip(asked, texts, strict=True)
                    if missed(question, hits)
                ]
    found = {name: means(marks) for name, marks in each.items()}
    compared = _compared(each, before)
    if json:
        reply = {
            "questions": len(asked),
            "modes": [{"mode": name, **{key: asdict(value) for key, value in m.items()}} for name, m in found.items()],
            "against": [
                {"mode": name, "better": which, **{key: asdict(value) for key, value in m.items()}}
                for name, which, m in compared
            ],
            "missed": why,
            "each": [
                {"mode": name, "question": question.question, **asdict(one)}
                for name, marks in each.items()
                for question, one in zip(asked, marks, strict=True)
            ],
        }
        emit_line(codec.dumps(reply))
        return
    emit_line(f"{len(asked)} questions, per cent, with intervals of 95 %")
    headings = ("mode", *(_HEADINGS[key] for key in next(iter(found.values()))))
    print_table(headings, [(name, *map(_shown, m.values())) for name, m in found.items()])
    if compared:
        emit_line("")
        emit_line(f"more (or less) than in {clean(str(against))}")
        print_table(headings, [(name, *map(_shown, m.values())) for name, _, m in compared])
        for name, which, _ in compared:
            emit_line(f"{name}: {_VERDICTS[which]}")
    if why:
        emit_line("")
        print_table(("missed by", "because", "question"), [(w["mode"], w["reason"], w["question"]) for w in why])


_HEADINGS = {
    "recall_1": "recall@1",
    "recall_5": "recall@5",
    "recall_10": "recall@10",
    "recall_text": "in 4,000 characters",
    "ndcg_10": "nDCG@10",
    "mrr": "MRR",
    "iou_5": "IoU@5",
}
_VERDICTS = {
    "this": "more of the answers is found here.",
    "other": "more of the answers was found there.",
    "neither": "the difference may be chance.",
}


def _shown(value: Interval) -> str:
    return f"{100 * value.mean:.1f} [{100 * value.low:.0f}, {100 * value.high:.0f}]"


def _read(file: Path) -> str:
    from ingestor.errors import UserError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The questions in {file} cannot be read: {error}.") from error


def _earlier(file: Path, modes: Sequence[Mode], asked: Sequence[str]) -> Mapping[str, list[Marks]]:
    """By mode, the marks of these questions in what an earlier ``--json`` printed; all or none of a mode. Raises
    ``UserError``."""
    import json as codec

    from ingestor.errors import UserError
    from ingestor.evaluation.study import Marks

    try:
        rows = {(row.pop("mode"), row.pop("question")): Marks(**row) for row in codec.loads(_read(file))["each"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file} is not what `ingestor eval --json` prints.",
            hint=f"Make it first, where the other one is searched: ingestor eval QUESTIONS.jsonl --json > {file}",
        ) from error
    both = {mode for mode, _ in rows}.intersection(mode.value for mode in modes)
    if not both or any((mode, question) not in rows for mode in both for question in asked):
        raise UserError(
            f"{file} has the marks of other questions or modes.",
            hint="Compare with the same QUESTIONS.jsonl and --mode.",
        )
    return {mode: [rows[mode, question] for question in asked] for mode in both}


def _compared(
    each: Mapping[str, list[Marks]], before: Mapping[str, list[Marks]]
) -> list[tuple[str, str, Mapping[str, Interval]]]:
    """Mode, which finds more, and the differences, for the modes that both have."""
    from ingestor.evaluation.study import better, differences

    found = [(mode, differences(marks, before[mode])) for mode, marks in each.items() if mode in before]
    return [(mode, better(difference).value, difference) for mode, difference in found]


def _first_hits(opened: Operations, mode: Mode, what: Mapping[str, Any]) -> Callable[[str], Sequence[str]]:
    """The first ten, and more where these are short."""
    from ingestor.evaluation.study import HITS, TEXT, TEXT_HITS

    ask, ask_more = _asker(opened, mode, what, HITS), _asker(opened, mode, what, TEXT_HITS)

    def first(query: str) -> Sequence[str]:
        hits = ask(query)
        return ask_more(query) if len(hits) == HITS and sum(map(len, hits)) < TEXT else hits

    return first


def _asker(opened: Operations, mode: Mode, what: Mapping[str, Any], top: int) -> Callable[[str], Sequence[str]]:
    from ingestor.wire import SearchRequest

    def ask(query: str) -> Sequence[str]:
        request = SearchRequest(query=query, mode=mode.value, top=top, **what)
        return [hit.text for hit in opened.search(request).hits]

    return ask


def _probes(ctx: typer.Context, opened: Operations, mode: Mode, what: Mapping[str, Any], base: Path) -> Any:
    from ingestor.evaluation.study import DEEP, Probes

    def stale(question: Question) -> bool:
        return bool(question.path) and reading(ctx).why(str(base / question.path)).stale

    return Probes(
        deep=_asker(opened, mode, what, DEEP),
        owner=_asker(opened, mode, {**what, "principals": None}, DEEP),
        words=_asker(opened, Mode.KEYWORD, {}, DEEP),
        stale=stale,
    )

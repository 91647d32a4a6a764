"""``ingestor eval``: how much of the answers of an evaluation set a search finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ingestor.cli.filters import Kinds, Paths, Since, SourceNames, Until, filters_of
from ingestor.cli.output import emit_line, print_table
from ingestor.cli.principals import As, principals_of
from ingestor.cli.search import Mode
from ingestor.cli.session import Json, operations, reading

if TYPE_CHECKING:
    from ingestor.evaluation.questions import Question
    from ingestor.evaluation.study import Interval
    from ingestor.web.api import Operations


def command(
    ctx: typer.Context,
    questions: Annotated[Path, typer.Argument(metavar="QUESTIONS.jsonl", help="Questions with their answers.")],
    mode: Annotated[
        list[Mode] | None, typer.Option("--mode", help="Only this one; may be repeated. All three by default.")
    ] = None,
    source: SourceNames = None,
    path: Paths = None,
    kind: Kinds = None,
    since: Since = None,
    until: Until = None,
    principals: As = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say of each question that missed why it did.")] = False,
    json: Json = False,
) -> None:
    """Ask every question of a file, and say how much of the answers was found.

    A line of the file is a JSON object: {"question": "...", "answer": "a passage as it stands in a document"}.
    A "path" beside them names the file that should hold the answer, absolute or from the folder of
    QUESTIONS.jsonl; with it, --explain can tell an outdated document from one that was never read.

    Examples:
      ingestor eval questions.jsonl
      ingestor eval questions.jsonl --mode hybrid --explain
      ingestor eval questions.jsonl --as group:staff --json
      ingestor eval questions.jsonl --source handbook --path hr
    """
    import json as codec
    from dataclasses import asdict

    from ingestor.evaluation.questions import read_questions
    from ingestor.evaluation.study import HITS, means, missed, why_missed
    from ingestor.evaluation.study import marks as marks_of

    asked = read_questions(_read(questions), str(questions))
    what = {"principals": principals_of(principals), **filters_of(source, path, kind, since, until)}
    found, why = {}, []
    with operations(ctx) as opened:
        for one in mode or list(Mode):
            ask = _asker(opened.operations, one, what, HITS)
            texts = [ask(question.question) for question in asked]
            found[one.value] = means([marks_of(q.answers, hits) for q, hits in zip(asked, texts, strict=True)])
            if explain:
                probes = _probes(ctx, opened.operations, one, what, questions.absolute().parent)
                why += [
                    {"question": question.question, "mode": one.value, "reason": why_missed(question, probes).value}
                    for question, hits in zip(asked, texts, strict=True)
                    if missed(question, hits)
                ]
    if json:
        modes = [{"mode": name, **{key: asdict(value) for key, value in m.items()}} for name, m in found.items()]
        emit_line(codec.dumps({"questions": len(asked), "modes": modes, "missed": why}))
        return
    emit_line(f"{len(asked)} questions, per cent, with intervals of 95 %")
    headings = ("mode", *(_HEADINGS[key] for key in next(iter(found.values()))))
    print_table(headings, [(name, *map(_shown, m.values())) for name, m in found.items()])
    if why:
        emit_line("")
        print_table(("missed by", "because", "question"), [(w["mode"], w["reason"], w["question"]) for w in why])


_HEADINGS = {
    "recall_1": "recall@1",
    "recall_5": "recall@5",
    "recall_10": "recall@10",
    "ndcg_10": "nDCG@10",
    "mrr": "MRR",
    "iou_5": "IoU@5",
}


def _shown(value: Interval) -> str:
    return f"{100 * value.mean:.1f} [{100 * value.low:.0f}, {100 * value.high:.0f}]"


def _read(file: Path) -> str:
    from ingestor.errors import UserError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The questions in {file} cannot be read: {error}.") from error


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

"""CQL over a scripted Confluence: the fields, operators and forms of dates that the public pages name.

https://developer.atlassian.com/cloud/confluence/cql-fields/ (which operator a field takes, the four forms of dates,
"relative to your configured time zone"), https://developer.atlassian.com/cloud/confluence/cql-functions/ (``now``),
https://developer.atlassian.com/server/confluence/advanced-searching-using-cql/ (AND, OR, NOT, brackets, ORDER BY).
Not found there and decided here: a date has the grain of its minute, so that ``=`` is that minute and ``>`` begins at
its first second; AND binds closer than OR; text is compared by words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from tests.support.confluence_space import Site
from tests.support.confluence_values import Content, Kind, User

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign>!=|>=|<=|!~|[=<>~(),])|(?P<word>[^\s=<>~!(),"']+))"""
)
_DATES = ("%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y-%m-%d")
_UNITS = {"y": 365 * 86400, "M": 30 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60}
_EQUAL = frozenset({"=", "!=", "in", "not in"})
_TEXT = frozenset({"~", "!~"})
_ORDER = frozenset({"=", "!=", ">", ">=", "<", "<="})
OPERATORS = {
    "ancestor": _EQUAL,
    "content": _EQUAL,
    "created": _ORDER,
    "creator": _EQUAL,
    "id": _EQUAL,
    "label": _EQUAL,
    "lastmodified": _ORDER,
    "parent": _EQUAL,
    "space": _EQUAL,
    "space.key": _EQUAL,
    "text": _TEXT,
    "title": frozenset({"=", "!=", *_TEXT, "in", "not in"}),
    "type": _EQUAL,
}
_SORTED: dict[str, Callable[[Content], object]] = {
    "created": lambda one: one.versions[0].at,
    "id": lambda one: one.content_id,
    "lastmodified": lambda one: one.modified,
    "title": lambda one: one.title,
}


class CannotParse(Exception):
    """Answered with 400."""


Test = Callable[[Content], bool]


@dataclass(frozen=True, kw_only=True)
class Query:
    matches: Test
    order: tuple[tuple[str, bool], ...]
    """Field and whether it descends."""

    def sorted(self, contents: Iterable[Content]) -> list[Content]:
        found = sorted(contents, key=lambda one: one.content_id)
        for name, falls in reversed(self.order):
            found.sort(key=_SORTED[name], reverse=falls)  # type: ignore[arg-type]
        return found


def parse(text: str, *, site: Site, user: User) -> Query:
    """Raises ``CannotParse``. Dates are in the user's time zone."""
    return _Parser(text, site, user).query()


class _Parser:
    def __init__(self, text: str, site: Site, user: User) -> None:
        self._site, self._user = site, user
        self._tokens = _tokens(text)
        self._at = 0

    def query(self) -> Query:
        matches: Test = lambda _one: True  # noqa: E731 - nothing asked for, everything found
        if self._tokens and not self._is("order"):
            matches = self._either()
        order = self._order() if self._is("order") else ()
        if self._at != len(self._tokens):
            raise CannotParse(f"Expected an operator, found {self._tokens[self._at]}")
        return Query(matches=matches, order=order)

    # -- the grammar -------------------------------------------------------------------------------

    def _either(self) -> Test:
        parts = [self._all()]
        while self._took("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda one: any(part(one) for part in parts)

    def _all(self) -> Test:
        parts = [self._negated()]
        while self._took("and"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else lambda one: all(part(one) for part in parts)

    def _negated(self) -> Test:
        if self._took("not"):
            inner = self._negated()
            return lambda one: not inner(one)
        if self._took("("):
            inner = self._either()
            self._must(")")
            return inner
        return self._clause()

    def _clause(self) -> Test:
        name = self._word().lower()
        if name not in OPERATORS:
            raise CannotParse(f"No field exists with name {name}")
        operator = self._word().lower()
        if operator == "not":
            self._must("in")
            operator = "not in"
        if operator not in OPERATORS[name]:
            raise CannotParse(f"Field {name} does not support {operator}")
        values = self._values() if operator in {"in", "not in"} else [self._value()]
        if name in {"created", "lastmodified"}:
            return self._dated(name, operator, values[0])
        wanted = [value.lower() for value in values]
        found = self._facts(name)
        if operator in _TEXT:
            words = wanted[0].strip('"* ').split()
            return lambda one: all(word in found(one)[0] for word in words) is (operator == "~")
        positive = operator in {"=", "in"}
        return lambda one: any(fact in wanted for fact in found(one)) is positive

    def _order(self) -> tuple[tuple[str, bool], ...]:
        self._must("order")
        self._must("by")
        keys = []
        while True:
            name = self._word().lower()
            if name not in _SORTED:
                raise CannotParse(f"Cannot order by {name}")
            falls = self._took("desc")
            keys.append((name, falls if falls else (self._took("asc"), False)[1]))
            if not self._took(","):
                return tuple(keys)

    # -- what fields mean --------------------------------------------------------------------------

    def _facts(self, name: str) -> Callable[[Content], Sequence[str]]:
        site = self._site
        table: dict[str, Callable[[Content], Sequence[str]]] = {
            "type": lambda one: (one.kind.value,),
            "space": lambda one: (one.space.lower(),),
            "space.key": lambda one: (one.space.lower(),),
            "id": lambda one: (str(one.content_id),),
            "content": lambda one: (str(one.content_id),),
            "parent": lambda one: (str(one.parent),) if one.kind is Kind.PAGE else (),
            "ancestor": lambda one: (
                tuple(str(up.content_id) for up in site.above(one)) if one.kind is Kind.PAGE else ()
            ),
            "label": lambda one: tuple(label.lower() for label in one.labels),
            "creator": lambda one: (one.versions[0].author.lower(),),
            "title": lambda one: (one.title.lower(),),
            "text": lambda one: (f"{one.title} {one.body}".lower(),),
        }
        return table[name]

    def _dated(self, name: str, operator: str, value: str) -> Test:
        bound = self._moment(value)
        when = _SORTED[name]

        def test(one: Content) -> bool:
            at = float(when(one))  # type: ignore[arg-type]
            match operator:
                case ">=":
                    return at >= bound
                case ">":
                    return at > bound
                case "<=":
                    return at <= bound
                case "<":
                    return at < bound
                case "=":
                    return bound <= at < bound + 60
                case _:
                    return not bound <= at < bound + 60

        return test

    def _moment(self, value: str) -> float:
        if value == "now":
            self._must("(")
            step = "" if self._is(")") else self._value()
            self._must(")")
            match = re.fullmatch(r"([+-]?)(\d+)([yMwdhm])", step) if step else None
            if step and match is None:
                raise CannotParse(f"{step} is no increment")
            moved = int(match[2]) * _UNITS[match[3]] * (-1 if match[1] == "-" else 1) if match else 0
            return self._site.now() + moved
        for form in _DATES:
            try:
                found = datetime.strptime(value, form)
            except ValueError:
                continue
            return found.replace(tzinfo=ZoneInfo(self._user.time_zone)).timestamp()
        raise CannotParse(f"{value} is no date: yyyy-MM-dd HH:mm, yyyy/MM/dd HH:mm, yyyy-MM-dd or yyyy/MM/dd")

    # -- tokens ------------------------------------------------------------------------------------

    def _values(self) -> list[str]:
        self._must("(")
        values = [self._value()]
        while self._took(","):
            values.append(self._value())
        self._must(")")
        return values

    def _value(self) -> str:
        token = self._word()
        return re.sub(r"\\(.)", r"\1", token[1:-1]) if token[:1] in {'"', "'"} else token

    def _word(self) -> str:
        if self._at >= len(self._tokens):
            raise CannotParse("The query ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, word: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at].lower() == word

    def _took(self, word: str) -> bool:
        found = self._is(word)
        self._at += found
        return found

    def _must(self, word: str) -> None:
        if not self._took(word):
            raise CannotParse(f"Expected {word}")


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise CannotParse(f"Could not parse cql: {text[at:]}")
        found.append(match.group().strip())
        at = match.end()
    return found

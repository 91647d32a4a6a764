"""A dot plot with intervals, as SVG: a row a ranking, best on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_ROW, _TOP, _LEFT, _RIGHT, _WIDTH = 16, 34, 300, 20, 760
_LOW, _HIGH = 30, 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """``value``: mean and the ends of its interval, in per cent."""

    name: str
    value: tuple[float, float, float]
    ours: bool = False


def draw(title: str, dots: Sequence[Dot]) -> str:
    ordered = sorted(dots, key=lambda dot: -dot.value[0])
    height = _TOP + _ROW * len(ordered) + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="18" font-size="13" font-weight="bold">{escape(title)}</text>',
    ]
    for tick in range(_LOW, _HIGH + 1, 10):
        x = _x(tick)
        lines.append(f'<path d="M{x} {_TOP - 8}V{height - 20}" stroke="#dddddd"/>')
        lines.append(f'<text x="{x}" y="{height - 6}" text-anchor="middle" fill="#666666">{tick}</text>')
    for number, dot in enumerate(ordered):
        y = _TOP + _ROW * number + 4
        color = "#b3261e" if dot.ours else "#4a5568"
        weight = ' font-weight="bold"' if dot.ours else ""
        value, low, high = dot.value
        lines += [
            f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end" fill="{color}"{weight}>{escape(dot.name)}</text>',
            f'<path d="M{_x(low)} {y}H{_x(high)}" stroke="{color}" stroke-width="1.5"/>',
            f'<circle cx="{_x(value)}" cy="{y}" r="3.5" fill="{color}"/>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def _x(value: float) -> float:
    share = (min(max(value, _LOW), _HIGH) - _LOW) / (_HIGH - _LOW)
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

"""What the status page says in words, and where its plots put what."""

from __future__ import annotations

import pytest

from ingestor.web.page.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, lag_plot, throughput_plot
from ingestor.web.page.wording import duration, marked, readable, relative, web_link
from ingestor.wire_reading import ActivityReply, Slot


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0.0, "0.00 s"),
        (0.384, "0.38 s"),
        (1.25, "1.2 s"),
        (12.4, "12 s"),
        (59.6, "60 s"),
        (60, "1 min"),
        (3_599, "1 h"),
        (7_300, "2 h"),
        (86_400 * 9, "9 d"),
    ],
)
def test_durations_are_about(seconds: float | None, said: str) -> None:
    """Two digits say as much as a person takes in."""
    assert duration(seconds) == said


def test_times_are_told_from_now() -> None:
    """Before it and behind it."""
    assert [relative(at, 1_000.0) for at in (1_000.4, 940.0, 400.0, 1_002.0)] == [
        "now",
        "1 min ago",
        "10 min ago",
        "in 2.0 s",
    ]


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://docs.example.org/a b", "https://docs.example.org/a b"),
        ("HTTP://x/", "HTTP://x/"),
        ("http:///etc", ""),
        ("javascript:alert(1)", ""),
        (" javascript:alert(1)", ""),
        ("//evil.example/", ""),
        ("https:evil", ""),
        ("http://[", ""),
        ("file:///etc/passwd", ""),
        ("", ""),
    ],
)
def test_only_addresses_of_the_web_are_links(url: str, link: str) -> None:
    """Anything else is text."""
    assert web_link(url) == link


def test_words_of_the_question_are_marked_and_all_else_is_escaped() -> None:
    """Also the word itself."""
    assert marked("<b>Pumps & pump", "the pump <b>") == "&lt;b&gt;Pumps &amp; <mark>pump</mark>"
    assert marked("a <i> é", "") == "a &lt;i&gt; é"


def test_ids_are_read_as_people_write_them() -> None:
    """Whatever bytes a name holds."""
    assert readable("ingestor:docs/a%20b/%C3%BC.md") == "docs/a b/ü.md"
    assert readable("ingestor:docs/%FF") == "docs/�"


def _activity(**slots: Slot) -> ActivityReply:
    every = [slots.get(f"n{number}", Slot()) for number in range(48)]
    return ActivityReply(since=0.0, step_s=1_800.0, slots=tuple(every))


def test_plots_without_anything_say_so() -> None:
    """And have their lines nevertheless."""
    for plot in (lag_plot(_activity()), throughput_plot(_activity())):
        assert plot.bars == []
        assert plot.summary.startswith("No ")
        assert len(plot.ticks) >= 2


@pytest.mark.parametrize("most", [0.01, 0.4, 3.0, 75.0, 5_000.0, 90_000.0, 5e6])
def test_everything_stands_inside_of_the_plot(most: float) -> None:
    """However long the lag and however many the documents; what is more stands higher."""
    made = _activity(
        n0=Slot(changed=most, edits=3, p50=most / 4, p95=most),
        n47=Slot(changed=most / 9, edits=1, p50=0.001, p95=0.002),
    )
    for plot in (lag_plot(made), throughput_plot(made)):
        assert len(plot.rows) == len(plot.bars) == 2
        for bar in plot.bars:
            assert LEFT <= bar.x <= bar.x + bar.width <= WIDTH - RIGHT + 1
            assert TOP <= bar.top <= bar.bottom <= HEIGHT - BOTTOM
        assert all(TOP <= tick.at <= HEIGHT - BOTTOM for tick in plot.ticks)
        assert plot.bars[0].top <= plot.bars[1].top
        assert len(plot.ticks) <= 12

"""The HTTP client against a server that does everything wrong: one row of a table a fault."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, RateLimited, SourceUnavailable
from connectors.web import client as web
from connectors.web.client import Client, TooLarge, WebConfig
from connectors.web.origins import is_here, leads_inside, origin
from connectors.web.pace import MOST_PAUSE_S, Bucket, Pace, retry_after
from tests.support.web_server import Answer, Asked, WebServer, web_server

FINE = Answer(body=b'{"fine": true}')
MOST = 1000
ELSEWHERE = "elsewhere.test"


class Script:
    """Answers in turn; the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [FINE]

    def __call__(self, _asked: Asked) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def server(script: Script) -> Iterator[WebServer]:
    with web_server(script) as made:
        yield made


Make = Callable[..., Client]


@pytest.fixture
def make(server: WebServer) -> Iterator[Make]:
    made = list[Client]()

    def client(*, authorize: Callable[[], dict[str, str]] | None = None, **options: object) -> Client:
        given = {"url": server.url, "silence_s": 0.4, "most_s": 5.0, "first_pause_s": 0.001, **options}
        made.append(Client(WebConfig(**given), authorize=authorize, pace=Pace()))  # type: ignore[arg-type]
        return made[-1]

    yield client
    for one in made:
        one.close()


PASSING = {
    "a time-out": Answer(body=b"late", stall_s=2.0),
    "no answer at all": Answer(dead=True),
    "an answer cut short": Answer(body=b"x" * 100, cut=40),
    "an error of its own": Answer(status=500),
    "a gateway that fails": Answer(status=502),
    "a gateway that waits": Answer(status=504),
    "a status that nobody knows": Answer(status=599),
    "too early": Answer(status=425),
    "a pause of nothing": Answer(status=429, headers=(("Retry-After", "0"),)),
    "a pause that has passed": Answer(status=503, headers=(("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"),)),
    "compressed rubbish": Answer(body=b"rubbish", headers=(("Content-Encoding", "gzip"),)),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_tried_again(fault: str, script: Script, server: WebServer, make: Make) -> None:
    """Once is no harm: the answer after it is taken."""
    script.answers = [PASSING[fault], FINE]
    assert make().get(server.url, most=MOST).content == FINE.body
    assert len(server.asked) == 2


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_is_an_outage(fault: str, script: Script, server: WebServer, make: Make) -> None:
    """Tried a few times and no more; then the source cannot be asked, with a hint what to do."""
    script.answers = [PASSING[fault]]
    with pytest.raises(SourceUnavailable) as caught:
        make(attempts=2).get(server.url + "/api.php", params={"secret": "s3cret"}, most=MOST)
    assert len(server.asked) == 2
    assert caught.value.hint
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


LASTING = {
    "a pause of minutes": (Answer(status=429, headers=(("Retry-After", "120"),)), RateLimited),
    "a pause without a length": (Answer(status=429), RateLimited),
    "maintenance": (Answer(status=503, headers=(("Retry-After", "600"),)), RateLimited),
    "an answer without end": (Answer(body=b"x" * (MOST + 1)), TooLarge),
    "an answer that grows": (
        Answer(body=gzip.compress(b"x" * 100_000), headers=(("Content-Encoding", "gzip"),)),
        TooLarge,
    ),
    "a redirect to another port": (
        Answer(status=302, headers=(("Location", "http://127.0.0.1:1/x"),)),
        SourceUnavailable,
    ),
    "a redirect to another host": (
        Answer(status=301, headers=(("Location", f"http://{ELSEWHERE}/x"),)),
        SourceUnavailable,
    ),
    "a redirect to a file": (Answer(status=302, headers=(("Location", "file:///etc/passwd"),)), SourceUnavailable),
    "a redirect to itself": (Answer(status=307, headers=(("Location", "/"),)), SourceUnavailable),
}


@pytest.mark.parametrize("fault", LASTING)
def test_what_lasts_is_not_tried_again(fault: str, script: Script, server: WebServer, make: Make) -> None:
    """To ask again at once would do no good, or harm."""
    answer, error = LASTING[fault]
    script.answers = [answer]
    with pytest.raises(error) as caught:
        make().get(server.url, most=MOST)
    assert caught.value.hint
    assert len(server.asked) == (6 if "itself" in fault else 1)


def test_a_host_that_asked_for_a_pause_gets_it(script: Script, server: WebServer, make: Make) -> None:
    """Until it is over nobody asks that host, and whoever wants to hears at once how long it takes."""
    script.answers = [Answer(status=429, headers=(("Retry-After", "9223372036854775807"),)), FINE]
    client = make()
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            client.get(server.url, most=MOST)
        assert 0 < caught.value.retry_after <= MOST_PAUSE_S
    assert len(server.asked) == 1


def test_an_answer_that_trickles_ends(script: Script, server: WebServer, make: Make) -> None:
    """A byte now and then is never silent; the whole has a limit of its own."""
    script.answers = [Answer(body=b"x" * 500, drip_s=0.05)]
    with pytest.raises(SourceUnavailable, match="too long"):
        make(attempts=1, most_s=0.4).get(server.url, most=MOST)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n"])
def test_a_certificate_that_cannot_be_used_is_named(
    content: bytes | None, server: WebServer, make: Make, tmp_path: Path
) -> None:
    """Without the authority that was named nobody is asked."""
    place = tmp_path / "ca.pem"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(SourceUnavailable, match="ca_file") as caught:
        make(ca_file=str(place)).get(server.url, most=MOST)
    assert caught.value.hint
    assert not server.asked


@pytest.mark.parametrize("status", [200, 304, 400, 401, 403, 404, 410, 451])
def test_what_the_status_says_of_the_question_is_the_callers(
    status: int, script: Script, server: WebServer, make: Make
) -> None:
    """Whether 404 or 403 means anything is not for the client to say."""
    script.answers = [Answer(status=status, body=b"" if status == 304 else b"words")]
    assert make().get(server.url, most=MOST).status == status


def test_a_login_is_not_sent_after_a_redirect(script: Script, server: WebServer, make: Make) -> None:
    """A form holds what nobody else may see."""
    script.answers = [Answer(status=307, headers=(("Location", "/other"),)), FINE]
    with pytest.raises(SourceUnavailable, match="sending us"):
        make().post(server.url, {"password": "p"}, most=MOST)
    assert len(server.asked) == 1


# -- origins ---------------------------------------------------------------------------------------


@pytest.fixture
def other() -> Iterator[WebServer]:
    """Another server; it sets a cookie."""
    with web_server(lambda _asked: Answer(body=b"theirs", headers=(("Set-Cookie", "theirs=1"),))) as made:
        yield made


def proof() -> dict[str, str]:
    return {"Authorization": "Bearer t0ken"}


def test_what_proves_who_we_are_stays_at_home(
    script: Script, server: WebServer, other: WebServer, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An allowed host is asked without our cookies and without our token, and what it sets comes back to nobody."""
    monkeypatch.setattr(web, "leads_inside", lambda _host, _port: False)
    there = f"http://localhost:{other.port}/file"
    script.answers = [
        Answer(headers=(("Set-Cookie", "session=ours"),)),
        Answer(status=302, headers=(("Location", there),)),
        FINE,
    ]
    client = make(authorize=proof, hosts=("localhost",))
    client.get(server.url, most=MOST)
    assert client.get(server.url, most=MOST).content == b"theirs"
    client.get(there, most=MOST)
    client.get(server.url, most=MOST)
    for asked in other.asked:
        assert not {"Cookie", "Authorization", "cookie", "authorization"} & asked.headers.keys()
    assert len(other.asked) == 2
    assert server.asked[1].headers["Cookie"] == server.asked[2].headers["Cookie"] == "session=ours"
    assert all(asked.headers["Authorization"] == "Bearer t0ken" for asked in server.asked)


def test_a_name_that_leads_inside_is_not_asked(script: Script, server: WebServer, other: WebServer, make: Make) -> None:
    """An allowed name may not be used to reach what only this machine can see, unless that is allowed too."""
    script.answers = [Answer(status=302, headers=(("Location", f"http://localhost:{other.port}/metadata"),))]
    with pytest.raises(SourceUnavailable, match="private network"):
        make(hosts=("localhost",)).get(server.url, most=MOST)
    assert not other.asked
    assert make(hosts=("localhost",), allow_private=True).get(server.url, most=MOST).content == b"theirs"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1/", "another scheme or port"),
        ("http://2130706433/", "not the host"),
        ("http://127.0.0.1.nip.example/", "not the host"),
        ("http://user@evil.example/", "not the host"),
        ("gopher://127.0.0.1/", "no address"),
        ("//evil.example/", "no address"),
        ("http://[::1", "no address"),
    ],
)
def test_strangers_are_named(url: str, why: str, make: Make) -> None:
    """Whatever an address looks like, it is home or it is not."""
    assert why in make().may_ask(url)


def test_origins() -> None:
    """Scheme, host and port together."""
    assert origin("HTTPS://Wiki.Example/x?y") == origin("https://wiki.example:443/") != origin("http://wiki.example/")
    assert is_here("localhost")
    assert is_here("::1")
    assert not is_here("10.0.0.1")
    assert leads_inside("127.0.0.1", 80)
    assert leads_inside("169.254.169.254", 80)
    assert leads_inside("::ffff:10.0.0.1", 80)
    assert not leads_inside("93.184.215.14", 80)


# -- pace ------------------------------------------------------------------------------------------

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("5", 5.0),
        (" 7 ", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("inf", MOST_PAUSE_S),
        ("9223372036854775807", MOST_PAUSE_S),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MOST_PAUSE_S),
        ("Fri, 99 Foo 2023 00:00:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    """Seconds or a date; nonsense says nothing, and nobody is believed for longer than an hour."""
    assert retry_after(value, NOW) == seconds


def test_a_bucket_lets_a_burst_pass_and_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first come at once, the next wait for their turn; time fills the bucket again, and the slowest counts."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    bucket = Bucket(10.0)
    waits = [bucket.take() for _ in range(12)]
    assert waits[:10] == [0.0] * 10
    assert waits[10:] == pytest.approx([0.1, 0.2])
    now[0] = 5.0
    assert bucket.take() == 0.0
    bucket.slow_down(1.0)
    bucket.slow_down(100.0)
    assert [bucket.take() for _ in range(11)][-1] == pytest.approx(2.0)


def test_hosts_share_their_bucket() -> None:
    """Two sources of one host together ask no faster than one."""
    pace = Pace()
    assert pace.of("a", 5.0) is pace.of("a", 10.0)
    assert pace.of("a", 5.0) is not pace.of("b", 5.0)


def test_every_error_is_a_connectors_error() -> None:
    """Nothing else comes out of the client."""
    assert issubclass(web.Hiccup, ConnectorError)
    assert issubclass(TooLarge, SourceUnavailable)

"""Asks a server, and takes its answer only whole: the one HTTP client of all connectors.

What passes by itself (a time-out, a 5xx, an answer cut short) is tried again a few times; then it is
``SourceUnavailable``. Statuses that say something about what was asked (4xx) are the caller's to judge. Nothing that
proves who we are, cookies and headers both, leaves the source's own origin; other hosts are asked only where they were
allowed, and no name may lead there into a private network.
"""

from __future__ import annotations

import functools
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urljoin, urlsplit

import httpx
import stamina
from stamina.instrumentation import set_on_retry_hooks

from connectors.errors import RateLimited, SourceUnavailable
from connectors.settings import MIB
from connectors.web.origins import leads_inside, origin
from connectors.web.pace import PACE, WAITED_S, Pace, retry_after

_REDIRECTS = 5
_MOVED = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
_PASSING = frozenset({408, 425, 500, 502, 503, 504})
_PAUSE_S = 30.0  # where a host asks us to wait and does not say how long

# Its retries are told by the error that remains; by itself stamina would write a line for each.
set_on_retry_hooks([])


class Hiccup(SourceUnavailable):
    """It may go away by itself within seconds, so it is tried again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WebConfig:
    """``url`` is any address of the source: its origin is trusted with ``authorize``'s headers and keeps cookies.
    ``hosts`` may be asked beside it. ``rate`` is in requests a second; ``silence_s`` ends a request over which nothing
    comes, ``most_s`` one that takes too long in all."""

    url: str
    hosts: tuple[str, ...] = ()
    allow_private: bool = False
    ca_file: str = ""
    rate: float = 20.0
    silence_s: float = 30.0
    most_s: float = 300.0
    attempts: int = 4
    first_pause_s: float = 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """A whole answer: its status is below 500 and neither 408, 425 nor 429."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """What is sent in another form than that of a web page."""

    content: bytes = field(repr=False)
    media_type: str


Form = Mapping[str, str] | Body
Judge = Callable[[Reply], None]


class Client:
    """Any number of threads. ``authorize`` gives the headers that prove who we are, each time anew."""

    def __init__(
        self, config: WebConfig, *, authorize: Callable[[], Mapping[str, str]] | None = None, pace: Pace = PACE
    ) -> None:
        self._config = config
        self._home = origin(config.url)
        self._authorize = authorize
        self._pace = pace
        self._lock = threading.Lock()
        self._open: dict[bool, httpx.Client] = {}

    def get(self, url: str, *, params: Mapping[str, str] | None = None, most: int, judge: Judge | None = None) -> Reply:
        """``most`` is how many bytes the answer may have. ``judge`` raises what the answer itself says is wrong: a
        ``Hiccup`` and a short ``RateLimited`` are tried again like those of the wire."""
        return self._ask("GET", url, params, None, most, judge)

    def post(self, url: str, form: Form, *, most: int, judge: Judge | None = None) -> Reply:
        """As ``get``. Only to the source's own origin, and not after a redirect."""
        return self._ask("POST", url, None, form, most, judge)

    def may_ask(self, url: str) -> str:
        """Why an address would not be asked, as a sentence; empty when it would."""
        try:
            where = origin(url)
        except ValueError:
            return "It is no address of the web."
        return "" if where == self._home else self._stranger(where)

    def forget(self) -> None:
        """Drop the session: every cookie."""
        self._client(own=True).cookies.clear()

    def close(self) -> None:
        """Close the connections; safe to call twice."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    # -- one question ------------------------------------------------------------------------------

    def _ask(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        form: Form | None,
        most: int,
        judge: Judge | None,
    ) -> Reply:
        config = self._config
        for attempt in stamina.retry_context(
            on=_again,
            attempts=config.attempts,
            timeout=config.most_s,
            wait_initial=config.first_pause_s,
            wait_max=config.first_pause_s * 10,
            wait_jitter=config.first_pause_s,
        ):
            with attempt:
                reply = self._followed(method, url, params, form, most)
                if judge is not None:
                    judge(reply)
                return reply
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _followed(self, method: str, url: str, params: Mapping[str, str] | None, form: Form | None, most: int) -> Reply:
        """The answer behind redirects, each of which has to be allowed."""
        deadline = time.monotonic() + self._config.most_s
        for _ in range(_REDIRECTS + 1):
            if refused := self.may_ask(url):
                raise SourceUnavailable(
                    f"The server sends us to {_shown(url)}, which is not asked. {refused}",
                    place=_shown(self._config.url),
                    hint="Put the present address into url, or the host into hosts if it is to be trusted.",
                )
            reply = self._once(method, url, params, form, most, deadline)
            target = reply.headers.get("location", "")
            if reply.status not in _MOVED or not target:
                return reply
            if method != "GET":
                raise SourceUnavailable(
                    f"The server answers a login or a long question by sending us to {_shown(urljoin(url, target))}.",
                    place=_shown(url),
                    hint="Put the present address into url.",
                )
            url, params = urljoin(url, target), None
        raise SourceUnavailable(
            "The server sends us from one address to the next without end.", place=_shown(url), hint="Correct url."
        )

    def _once(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        form: Form | None,
        most: int,
        deadline: float,
    ) -> Reply:
        where = origin(url)
        own = where == self._home
        bucket = self._pace.of(where[1], self._config.rate)
        if (pause := bucket.paused_s()) > WAITED_S:
            raise _limited(url, pause)
        time.sleep(max(pause, bucket.take()))
        headers = dict(self._authorize()) if own and self._authorize is not None else {}
        raw, data = (form.content, None) if isinstance(form, Body) else (None, form)
        if isinstance(form, Body):
            headers["Content-Type"] = form.media_type
        client = self._client(own=own)
        try:
            with client.stream(method, url, params=params, data=data, content=raw, headers=headers) as answer:
                self._judge(answer, url)
                content = self._read(answer, url, most, deadline)
        except httpx.TimeoutException as error:
            raise _hiccup("The server does not answer in time.", url) from error
        except httpx.RemoteProtocolError as error:
            raise _hiccup("The server broke its answer off.", url) from error
        except (httpx.TransportError, httpx.DecodingError, OSError) as error:
            raise _unreachable(error, url) from error
        except (httpx.InvalidURL, httpx.StreamError) as error:
            raise SourceUnavailable(
                "The server's answer cannot be followed.", place=_shown(url), hint="Correct url."
            ) from error
        finally:
            if not own:  # what a stranger sets comes back to nobody
                client.cookies.clear()
        return Reply(status=answer.status_code, headers=answer.headers, content=content)

    def _client(self, *, own: bool) -> httpx.Client:
        """That of the source's origin, which keeps cookies, or that of strangers."""
        with self._lock:
            if own not in self._open:
                silence = self._config.silence_s
                self._open[own] = httpx.Client(
                    verify=self._trusting(),
                    timeout=httpx.Timeout(silence, connect=min(10.0, silence)),
                    headers={"User-Agent": _agent(), "Accept-Encoding": "gzip"},
                )
            return self._open[own]

    def _trusting(self) -> ssl.SSLContext:
        try:
            return _trusting(self._config.ca_file)
        except OSError as error:
            raise SourceUnavailable(
                f"ca_file cannot be used: {error.strerror or 'it holds no certificate'}.",
                place=self._config.ca_file,
                hint="Give this service's account read access to the certificate, in PEM form.",
            ) from error

    def _judge(self, answer: httpx.Response, url: str) -> None:
        """What its status says about the server itself."""
        status = answer.status_code
        wait = retry_after(answer.headers.get("retry-after"), time.time())
        if status in _BUSY and (status == 429 or wait is not None):
            wait = _PAUSE_S if wait is None else wait
            self._pace.of(origin(url)[1], self._config.rate).pause(wait)
            raise _limited(url, wait)
        if status in _PASSING or status > 504:
            raise _hiccup(f"The server answers with an error of its own ({status}).", url)

    def _read(self, answer: httpx.Response, url: str, most: int, deadline: float) -> bytes:
        content = bytearray()
        for block in answer.iter_bytes():
            content += block
            if len(content) > most and answer.status_code >= 400:
                return bytes(content[:most])  # a page that says why not, and no more
            if len(content) > most:
                raise TooLarge(
                    f"The answer is larger than {most / MIB:,.0f} MiB.",
                    place=_shown(url),
                    hint="Raise max_size, or leave it out.",
                )
            if time.monotonic() > deadline:
                raise _hiccup("The answer takes too long.", url)
        return bytes(content)

    def _stranger(self, where: tuple[str, str, int]) -> str:
        _, host, port = where
        if host not in self._config.hosts:
            if host == self._home[1]:
                return "That is another scheme or port of the host in url."
            return f"{host} is not the host in url, nor one of hosts."
        if not self._config.allow_private and leads_inside(host, port):
            return f"{host} leads into a private network (allow_private = false)."
        return ""


class TooLarge(SourceUnavailable):
    """The answer would be larger than what was asked for at most."""


# -- helpers ---------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=16)
def _trusting(ca_file: str) -> ssl.SSLContext:
    """Whose certificates are believed. Made once: it reads a hundred of them."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context()


def _again(error: Exception) -> bool | float:
    """Whether, and when, to try again."""
    if isinstance(error, RateLimited):
        return max(error.retry_after, 0.1) if error.retry_after <= WAITED_S else False
    return isinstance(error, Hiccup)


def _hiccup(message: str, url: str) -> Hiccup:
    return Hiccup(message, place=_shown(url), hint="It is tried again at the next run.")


def _limited(url: str, wait: float) -> RateLimited:
    return RateLimited(
        f"The server asks us to come back in {wait:,.0f} s.",
        retry_after=wait,
        place=_shown(url),
        hint="It is left alone for so long. If this happens often, make the schedule longer or rate smaller.",
    )


def _unreachable(error: Exception, url: str) -> SourceUnavailable:
    said = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in said or isinstance(error, ssl.SSLError):
        return SourceUnavailable(
            "The server's certificate is not trusted.",
            place=_shown(url),
            hint="If an authority of your own signed it, name its certificate in ca_file.",
        )
    return _hiccup("The server cannot be reached.", url)


def _shown(url: str) -> str:
    """An address without what might be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _agent() -> str:
    try:
        return f"ingestor/{version('ingestor')}"
    except PackageNotFoundError:
        return "ingestor"

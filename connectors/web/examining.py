"""The way to a web server, step by step: its name, the connection, its certificate, where it sends us, its clock, the
limits that it tells of. Asked without any login, so that nothing that proves who we are is on the way."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from connectors.examining import Finding, Level
from connectors.web.origins import is_here, origin

_SECONDS = 10.0
_DAYS_LOW = 21.0
_CLOCK_S = 60.0
_HOPS = 5
_DAY_S = 86_400.0
_LIMITS = re.compile(r"retry-after|(?:x-)?rate-?limit.*|x-retry.*", re.IGNORECASE)


def way_to(url: str, *, ca_file: str = "") -> Iterator[Finding]:
    """Findings until the first that nothing can follow."""
    scheme, host, port = origin(url)
    if _by_proxy(scheme, host):
        yield Finding(name="proxy", message=f"{host} is asked through the proxy that the environment names")
    else:
        for finding in reached(host, port):
            yield finding
            if finding.level is Level.FAIL:
                return
        if scheme == "https":
            tls = _certificate(host, port, ca_file)
            yield tls
            if tls.level is Level.FAIL:
                return
    if scheme == "http" and not is_here(host):
        message = "What is read, and the login, can be read and changed on the way."
        yield Finding(
            name="encryption", level=Level.WARN, message=message, hint="Use https:// where the server has it."
        )
    yield from _answers(url, ca_file)


def reached(host: str, port: int) -> Iterator[Finding]:
    """A name, and whether there is a connection."""
    try:
        found = sorted({str(place[0]) for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError) as error:
        hint = "Check the name, and this machine's DNS."
        yield Finding(name="name", level=Level.FAIL, message=f"{host} is not known: {_words(error)}", hint=hint)
        return
    yield Finding(name="name", message=f"{host} is {', '.join(found)}")
    yield _connected(host, port)


def _by_proxy(scheme: str, host: str) -> bool:
    return scheme in getproxies() and not proxy_bypass(host)


def _connected(host: str, port: int) -> Finding:
    began = time.monotonic()
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        return Finding(
            name="connection",
            level=Level.FAIL,
            message=f"{host}:{port} does not let us in: {_words(error)}",
            hint="Check the port, and what firewalls on the way let through.",
        )
    return Finding(name="connection", message=f"{host}:{port} in {(time.monotonic() - began) * 1000:.0f} ms")


def _certificate(host: str, port: int, ca_file: str) -> Finding:
    try:
        context = _context(ca_file)
        with (
            socket.create_connection((host, port), timeout=_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=host) as wrapped,
        ):
            ends = ssl.cert_time_to_seconds(str((wrapped.getpeercert() or {})["notAfter"]))
            spoken = wrapped.version()
    except ssl.SSLCertVerificationError as error:
        return Finding(
            name="certificate",
            level=Level.FAIL,
            message=f"It is not trusted: {error.verify_message}",
            hint="If an authority of your own signed it, name its certificate in ca_file.",
        )
    except (OSError, KeyError, ValueError) as error:
        return Finding(
            name="certificate",
            level=Level.FAIL,
            message=f"No encrypted connection: {_words(error)}",
            hint="Check ca_file, and whether the server speaks TLS at this port.",
        )
    left = (ends - time.time()) / _DAY_S
    until = time.strftime("%Y-%m-%d", time.gmtime(ends))
    return Finding(
        name="certificate",
        level=Level.WARN if left < _DAYS_LOW else Level.OK,
        message=f"trusted, until {until} ({left:.0f} days); {spoken}",
        hint="Have it renewed; with its end the source is offline." if left < _DAYS_LOW else "",
    )


def _answers(url: str, ca_file: str) -> Iterator[Finding]:
    """What the address answers to anybody, and where it leads."""
    home, reply = origin(url), None
    try:
        with httpx.Client(verify=_context(ca_file), timeout=_SECONDS, follow_redirects=False) as client:
            for _ in range(_HOPS):
                began = time.time()
                reply = client.get(url)
                if not reply.is_redirect:
                    break
                target = urljoin(url, reply.headers["location"])
                own = urlsplit(target).scheme in {"http", "https"} and origin(target) == home
                yield Finding(
                    name="redirect",
                    level=Level.OK if own else Level.WARN,
                    message=f"{reply.status_code} to {_shown(target)}",
                    hint="" if own else "No login goes there. Put the present address into url.",
                )
                if not own:
                    break
                url = target
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        yield Finding(name="answer", level=Level.FAIL, message=f"none: {_words(error)}", hint="Is it a web server?")
        return
    if reply is None:
        return
    yield Finding(name="answer", message=f"{reply.status_code} in {reply.elapsed.total_seconds() * 1000:.0f} ms")
    yield _dated(reply.headers.get("date", ""), (began + time.time()) / 2)
    limits = [f"{name}: {value}" for name, value in reply.headers.items() if _LIMITS.fullmatch(name)]
    yield Finding(name="limits", message="; ".join(limits) or "none told")


def clock(name: str, ahead_s: float) -> Finding:
    """How far a clock is from ours."""
    far = abs(ahead_s) > _CLOCK_S
    return Finding(
        name=name,
        level=Level.WARN if far else Level.OK,
        message=f"{abs(ahead_s):,.0f} s {'ahead of' if ahead_s > 0 else 'behind'} ours",
        hint="Set both by NTP: lag is measured by them." if far else "",
    )


def _dated(date: str, now: float) -> Finding:
    try:
        return clock("clock", parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError):
        return Finding(name="clock", message="the server does not tell its time")


def _context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context()


def _shown(url: str) -> str:
    """An address without what might be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _words(error: BaseException) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return said or type(error).__name__

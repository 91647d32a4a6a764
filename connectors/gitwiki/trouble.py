"""What git's words mean for the source. Pure.

git tells causes in words only (they are asked for in English). What no rule knows counts as "cannot be asked
now": no answer of this module ever says that something is gone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.errors import AuthRejected, ConnectorError, RateLimited, SourceUnavailable
from connectors.gitwiki.config import GitConfig, Transport

_RETRY_S = 60.0
_SAID_MOST = 200


class Broken(Exception):
    """The mirror is damaged, or lacks what it should hold. It can be fetched again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    make: type[ConnectorError] | None
    message: str
    hint: str


def _rule(pattern: str, make: type[ConnectorError] | None, message: str = "", hint: str = "") -> _Rule:
    return _Rule(pattern=re.compile(pattern, re.IGNORECASE), make=make, message=message, hint=hint)


_RULES = (
    _rule(
        r"No space left on device|Disk quota exceeded",
        SourceUnavailable,
        "The disk of the state folder is full, so the repository cannot be fetched.",
        "Make room; the next run carries on.",
    ),
    _rule(
        r"File too large",
        SourceUnavailable,
        "What the repository would bring is larger than max_repository.",
        "Raise max_repository.",
    ),
    _rule(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No .* host key is known",
        SourceUnavailable,
        "The server's host key is not the one in known_hosts_file.",
        "Ask the server's owner whether the key was changed, and pin the new one; else somebody stands in between.",
    ),
    _rule(
        r"UNPROTECTED PRIVATE KEY FILE|Load key .*(?:Permission denied|No such file|invalid format|error in libcrypto)"
        r"|Identity file .* not accessible",
        AuthRejected,
        "The key of ssh_key_file cannot be used.",
        "It must exist, hold a private key without passphrase, and be readable by this service's account alone.",
    ),
    _rule(
        r"error: 429|Too Many Requests|rate limit",
        RateLimited,
        "The server asks us to come less often.",
        "Make the schedule longer.",
    ),
    _rule(
        r"Authentication failed|could not read (?:Username|Password)|Invalid username or (?:password|token)"
        r"|error: 40[13]|Access denied|Permission denied \(|Permission to .* denied|not authorized",
        AuthRejected,
        "The server refuses our login.",
        "Check that the token or key is valid and may read this repository.",
    ),
    _rule(
        r"error: 30[12378]|unable to update url base from redirection",
        SourceUnavailable,
        "The server sends us to another address, which is not followed.",
        "Put the repository's present address into url.",
    ),
    _rule(
        r"Repository not found|error: 404|does not appear to be a git repository|repository '.*' not found"
        r"|No such file or directory|project you were looking for could not be found|does not exist",
        SourceUnavailable,
        "There is no repository at this address, or we may not see it.",
        "Check url, and whether the login may read it.",
    ),
    _rule(
        r"couldn't find remote ref",
        SourceUnavailable,
        "The branch is no longer in the repository.",
        "Put the present branch into branch.",
    ),
    _rule(
        r"transport '.*' not allowed",
        SourceUnavailable,
        "The repository's address leads to a transport that is not allowed.",
        "Use the address that its owner gives.",
    ),
    _rule(
        r"SSL|certificate",
        SourceUnavailable,
        "The server's certificate is not trusted.",
        "If an authority of your own signed it, name its certificate in ca_file.",
    ),
    _rule(
        r"Could not resolve|timed out|Connection refused|Failed to connect|Network is unreachable|No route to host"
        r"|Operation too slow|unexpected disconnect|early EOF|hung up|Connection (?:reset|closed)|Recv failure"
        r"|transfer closed|Empty reply|RPC failed|error: 5\d\d|invalid index-pack output|bad line length"
        r"|protocol error",
        SourceUnavailable,
        "The server cannot be reached, or broke off.",
        "It is tried again at the next run.",
    ),
    _rule(
        r"object file .* is empty|loose object .* corrupt|packfile .* (?:cannot be|is|claims)|bad (?:object|tree|ref)"
        r"|missing (?:blob|tree|commit|object)|not a git repository|unable to read (?:tree|sha1|\w{40})"
        r"|did not send all necessary objects"
        r"|Could not (?:read|parse) |inflate|cannot lock ref|index-pack failed|bad config|unresolved deltas",
        None,
    ),
)


def full_disk(said: str, config: GitConfig) -> Exception | None:
    """The error, if a full disk is what git's words tell of."""
    return trouble_of(said, config) if _RULES[0].pattern.search(said) else None


def trouble_of(said: str, config: GitConfig, *, secrets: Sequence[str] = ()) -> Exception:
    """The error that git's last words stand for; ``Broken`` where the mirror itself is at fault."""
    rule = next((rule for rule in _RULES if rule.pattern.search(said)), None)
    if rule is not None and rule.make is None:
        return Broken(said)
    words = _words(said, rule.pattern if rule is not None else None, secrets)
    if rule is None or rule.make is None:
        message = f"git could not ask the repository: {words}" if words else "git could not ask the repository."
        return SourceUnavailable(message, place=config.url, hint="Try the same by hand: git ls-remote URL.")
    message = f"{rule.message} git says: {words}" if words else rule.message
    if rule.make is RateLimited:
        return RateLimited(message, retry_after=_RETRY_S, place=config.url, hint=rule.hint)
    hint = rule.hint
    if rule.make is AuthRejected and not config.token and not config.ssh_key and config.transport is not Transport.FILE:
        hint = "The repository is not public: name a token in token_file."
    return rule.make(message, place=config.url, hint=hint)


def _words(said: str, pattern: re.Pattern[str] | None, secrets: Sequence[str]) -> str:
    """The line that tells most, without what nobody may read in a log."""
    for secret in secrets:
        said = said.replace(secret, "(hidden)")
    said = re.sub(r"://[^/@\s]+@", "://(hidden)@", said)
    lines = ["".join(c for c in " ".join(line.split()) if c.isprintable()) for line in said.splitlines()]
    telling = [line for line in lines if pattern is not None and pattern.search(line)]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    line = next(iter([*telling, *fatal, *filter(None, lines)]), "")
    line = re.sub(r"^(?:fatal|error|remote): |^@+|@+$", "", line).strip()
    return line[:_SAID_MOST].rstrip(".") + "." if line else ""

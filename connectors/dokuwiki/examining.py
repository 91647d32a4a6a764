"""What the connection check asks a DokuWiki of itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

from connectors.dokuwiki.api import Api
from connectors.dokuwiki.config import DokuConfig
from connectors.errors import ConnectorError
from connectors.examining import Finding, failed
from connectors.web.examining import clock


def asked(config: DokuConfig) -> Iterator[Finding]:
    """Its login, its release, its title and its clock, until the first that it does not answer."""
    api = Api(config)
    try:
        api.prove()
        if not config.login:
            yield Finding(name="login", message="none; what everybody may read")
        else:
            who = api.who() or config.login.username
            yield Finding(name="login", message=f"{who}, by {'token' if config.login.token else 'password'}")
        yield Finding(name="version", message=api.version())
        yield Finding(name="title", message=api.title())
        yield clock("wiki's clock", api.time() - time.time())
    except ConnectorError as error:
        yield failed("API", error)
    finally:
        api.close()

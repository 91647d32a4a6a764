"""Who people are. Of the author of a version the Cloud tells the account's id alone, which is no name to show."""

from __future__ import annotations

from connectors.confluence.api import Api, Missing, NotAsked, Refused
from connectors.web.client import Hiccup


def name_of(person: object) -> str:
    """The name that a wiki shows of somebody; empty of nobody in particular."""
    if not isinstance(person, dict) or person.get("type") == "anonymous":
        return ""
    names = (person.get(key) for key in ("displayName", "publicName"))
    return next((name for name in names if isinstance(name, str) and name), "")


class People:
    """The Cloud's, by their account ids. Any number of threads: each is asked for once, or twice."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._names: dict[str, str] = {}

    def name(self, account_id: str) -> str:
        """Empty where the wiki does not tell: that keeps no text from being read. Raises ``SourceUnavailable``."""
        if account_id not in self._names:
            try:
                self._names[account_id] = name_of(self._api.ask("/rest/api/user", accountId=account_id))
            except (Missing, NotAsked):
                self._names[account_id] = ""
            except Refused:
                self._api.who()  # raises where it is not this alone
                self._names[account_id] = ""
            except Hiccup:
                return ""
        return self._names[account_id]

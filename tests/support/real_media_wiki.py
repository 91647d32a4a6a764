"""The MediaWiki of Debian's packages on a port of this machine: a private wiki with uploads, and hands that edit it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx

HOME = Path("/usr/share/mediawiki")
HERE = (HOME / "api.php").exists() and shutil.which("php") is not None
WHY_NOT = "Debian's mediawiki with php-cli and php-sqlite3 is not installed"
BOT, BOT_PASSWORD = "Admin@sync", "0123456789abcdef0123456789abcdef"
ADMIN, ADMIN_PASSWORD = "Admin", "Fixture-pass-1234"
_GRANTS = "basic,highvolume,editpage,createeditmovepage,uploadfile,uploadeditmovefile,delete,protect,viewdeleted"
_SETTINGS = """
$wgEnableUploads = true; $wgUploadDirectory = getenv('MW_IMAGES'); $wgUploadPath = '/img_auth.php';
$wgFileExtensions = array_merge($wgFileExtensions, ['pdf', 'docx', 'txt']); $wgStrictFileExtensions = false;
$wgGroupPermissions['*']['read'] = false; $wgGroupPermissions['*']['edit'] = false;
$wgEnableBotPasswords = true; $wgMainCacheType = CACHE_NONE; $wgCacheDirectory = getenv('MW_DATA') . '/cache';
$wgRateLimits = []; $wgJobRunRate = 3; $wgRunJobsAsync = false; $wgSecretKey = str_repeat('f', 64); $wgShowExceptionDetails = true;
"""
_PATIENCE_S = 30.0
_SAME_SECOND = "backend-fail-alreadyexists"  # it archives the last one of a second under the same name


class RealMediaWiki:
    """Ready to be asked when made. ``now`` is what it holds by our own book: item to title, by page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("data/cache", "conf", "images"):
            (folder / name).mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "MW_CONFIG_FILE": str(folder / "conf/LocalSettings.php"),
            "MW_IMAGES": str(folder / "images"),
            "MW_DATA": str(folder / "data"),
            "PHP_CLI_SERVER_WORKERS": "3",
        }
        self._install()
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["php", "-S", f"127.0.0.1:{self.port}", "-t", str(HOME)],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._web = httpx.Client(timeout=_PATIENCE_S)
        self._wait()
        self._log_in()

    def close(self) -> None:
        self._web.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    # -- what people do ----------------------------------------------------------------------------

    def fill(self, pages: Mapping[str, str]) -> None:
        """Many pages at once, by the wiki's own import."""
        parts = [
            f"<page><title>{escape(title)}</title><revision><timestamp>2020-01-01T00:00:00Z</timestamp>"
            f"<contributor><username>{ADMIN}</username></contributor><model>wikitext</model>"
            f'<format>text/x-wiki</format><text xml:space="preserve">{escape(text)}</text></revision></page>'
            for title, text in pages.items()
        ]
        dump = self.folder / "pages.xml"
        head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11">'
        dump.write_text(f"{head}{''.join(parts)}</mediawiki>", encoding="utf-8")
        self._php("importDump.php", str(dump))
        self.run_jobs()

    def edit(self, title: str, text: str) -> int:
        """The page's id."""
        return int(self._do("edit", title=title, text=text)["edit"]["pageid"])

    def move(self, old: str, new: str, *, redirect: bool = True) -> None:
        self._do("move", **{"from": old, "to": new, **({} if redirect else {"noredirect": "1"})})

    def delete(self, title: str) -> None:
        self._do("delete", title=title)

    def restore(self, title: str) -> None:
        self._do("undelete", title=title)

    def protect(self, title: str) -> None:
        self._do("protect", title=title, protections="edit=sysop", expiry="infinite")

    def upload(self, name: str, content: bytes, text: str = "") -> None:
        files = {"file": (name, content, "application/octet-stream")}
        fields = {"filename": name, "text": text, "ignorewarnings": "1", "comment": "x"}
        for _ in range(3):
            answer = self._web.post(f"{self.url}/api.php", data=self._form("upload", fields), files=files).json()
            if answer.get("error", {}).get("code") != _SAME_SECOND:
                break
            time.sleep(1.0)
        assert "error" not in answer, (name, answer["error"])

    def purge(self) -> None:
        """Have every page made anew, as its readers can: the wiki forgets some that an edited template changed."""
        for space in ("0", "4", "12"):
            self._do("purge", generator="allpages", gapnamespace=space, gaplimit="max")

    def run_jobs(self) -> None:
        self._php("runJobs.php")

    def ask(self, **params: str) -> dict[str, Any]:
        answer = self._web.get(f"{self.url}/api.php", params={"format": "json", "formatversion": "2", **params}).json()
        assert "error" not in answer, answer
        return dict(answer)

    # -- what a reader should see ------------------------------------------------------------------

    def shown(self) -> dict[str, str]:
        """Item to title (of a file: its SHA-1) of all that is to be indexed, asked in another way than the connector
        does: from the tables of the database."""
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(f"file:{self.folder}/data/wiki.sqlite?mode=ro", uri=True, timeout=10)) as db:
            pages = db.execute(
                "SELECT page_id, page_namespace, CAST(page_title AS TEXT), page_len FROM page"
                " WHERE page_is_redirect = 0 AND page_namespace % 2 = 0 AND page_namespace NOT IN (8, 10)"
            ).fetchall()
            found = {str(page_id): title for page_id, _, title, length in pages if length}
            images = dict(db.execute("SELECT CAST(img_name AS TEXT), img_size FROM image").fetchall())
        found |= {
            f"{page_id}/file": f"{images[title]}" for page_id, ns, title, _ in pages if ns == 6 and title in images
        }
        return found

    # -- helpers -----------------------------------------------------------------------------------

    def _install(self) -> None:
        conf = self.folder / "conf"
        options = ["--dbtype=sqlite", f"--dbpath={self.folder}/data", "--dbname=wiki", "--scriptpath="]
        options += [f"--server={self.url}", f"--confpath={conf}", f"--pass={ADMIN_PASSWORD}", "FixtureWiki", ADMIN]
        environment = {key: value for key, value in self._environment.items() if key != "MW_CONFIG_FILE"}
        self._php("install.php", *options, environment=environment)
        with (conf / "LocalSettings.php").open("a") as settings:
            settings.write(_SETTINGS)
        self._php("createBotPassword.php", "--appid", "sync", "--grants", _GRANTS, ADMIN, BOT_PASSWORD)

    def _php(self, script: str, *options: str, environment: dict[str, str] | None = None) -> None:
        done = subprocess.run(
            ["php", str(HOME / "maintenance" / script), *options],
            env=environment or self._environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                if self._web.get(f"{self.url}/api.php").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < deadline, (self.folder / "log").read_text(errors="replace")
            time.sleep(0.05)

    def _log_in(self) -> None:
        token = self.ask(action="query", meta="tokens", type="login")["query"]["tokens"]["logintoken"]
        form = {"action": "login", "format": "json", "lgname": BOT, "lgpassword": BOT_PASSWORD, "lgtoken": token}
        assert self._web.post(f"{self.url}/api.php", data=form).json()["login"]["result"] == "Success"
        self._token = self.ask(action="query", meta="tokens")["query"]["tokens"]["csrftoken"]

    def _form(self, action: str, fields: Mapping[str, str]) -> dict[str, str]:
        return {"action": action, "format": "json", "formatversion": "2", "token": self._token, **fields}

    def _do(self, action: str, **fields: str) -> dict[str, Any]:
        answer = self._web.post(f"{self.url}/api.php", data=self._form(action, fields)).json()
        assert "error" not in answer, (action, fields, answer["error"])
        return dict(answer)

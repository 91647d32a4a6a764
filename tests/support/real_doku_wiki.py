"""The DokuWiki of Debian's packages on a port of this machine: only users read it, and hands that edit it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

HOME = Path("/usr/share/dokuwiki")
HERE = (HOME / "doku.php").exists() and shutil.which("php") is not None
WHY_NOT = "Debian's dokuwiki with php-cli is not installed"
USER, PASSWORD = "reader", "Fixture-pass-1234"
ADMIN, ADMIN_PASSWORD = "admin", "Fixture-pass-5678"
_FOLDERS = "attic cache index locks log media media_attic media_meta meta pages tmp"
_SETTINGS = """<?php
$conf['title'] = 'Fixture wiki'; $conf['lang'] = 'en'; $conf['useacl'] = 1; $conf['superuser'] = '@admin';
$conf['remote'] = 1; $conf['remoteuser'] = '@user'; $conf['savedir'] = '{data}'; $conf['authtype'] = 'authplain';
"""
_PATIENCE_S = 30.0


class RealDokuWiki:
    """Ready to be asked when made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._conf, self._data = folder / "conf", folder / "data"
        shutil.copytree("/etc/dokuwiki", self._conf)
        for name in _FOLDERS.split():
            (self._data / name).mkdir(parents=True)
        (self._conf / "local.php").unlink(missing_ok=True)
        (self._conf / "local.php").write_text(_SETTINGS.replace("{data}", str(self._data)))
        (self._conf / "mime.local.conf").write_text("txt     text/plain\n")
        users = [self._user(USER, PASSWORD, "user"), self._user(ADMIN, ADMIN_PASSWORD, "admin,user")]
        (self._conf / "users.auth.php").write_text("# <?php exit()?>\n" + "\n".join(users) + "\n")
        self.rules: list[str] = []
        self.rule()
        before = folder / "before.php"
        before.write_text(f"<?php define('DOKU_CONF', '{self._conf}/'); define('DOKU_MAIN_CONF', '{self._conf}/');")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["php", "-d", f"auto_prepend_file={before}", "-S", f"127.0.0.1:{self.port}", "-t", str(HOME)],
                env={**os.environ, "PHP_CLI_SERVER_WORKERS": "3"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._web = httpx.Client(timeout=_PATIENCE_S)
        self._texts: dict[str, str] = {}
        self._wait()
        assert self._call("dokuwiki.login", ADMIN, ADMIN_PASSWORD)

    def close(self) -> None:
        self._web.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    # -- what people do ----------------------------------------------------------------------------

    def fill(self, pages: Mapping[str, str]) -> None:
        for title, text in pages.items():
            self.edit(title, text)

    def edit(self, title: str, text: str) -> int:
        assert self._call("wiki.putPage", title, text, {"sum": "", "minor": False})
        self._texts[title] = text
        return 0

    def move(self, old: str, new: str, *, redirect: bool = True) -> None:
        """As users do it: the text to a new page, and the old one emptied or made to point to it."""
        self.edit(new, self._texts[old])
        self.edit(old, f"This page has moved to [[{new}]].") if redirect else self.delete(old)

    def delete(self, title: str) -> None:
        if title.startswith("File:"):
            assert self._call("wiki.deleteAttachment", title.removeprefix("File:").replace(" ", "_")) == 0
            return
        assert self._call("wiki.putPage", title, "", {"sum": "gone", "minor": False})

    def restore(self, title: str) -> None:
        self.edit(title, self._texts[title])

    def protect(self, title: str) -> None:
        self.rule(f"{self.name(title)} @user 1")

    def shut(self, title: str) -> None:
        self.rule(f"{self.name(title)} @user 0")

    def rule(self, line: str = "") -> None:
        """One more rule of access; the rest is for users."""
        self.rules += [line] if line else []
        lines = ["# acl.auth.php", "# <?php exit()?>", "*\t@ALL\t0", "*\t@user\t8", *self.rules]
        (self._conf / "acl.auth.php").write_text("\n".join("\t".join(line.split()) for line in lines) + "\n")

    def upload(self, name: str, content: bytes, text: str = "") -> None:
        self._call("wiki.putAttachment", name.replace(" ", "_"), xmlrpc.client.Binary(content), {"ow": True})

    def name(self, title: str) -> str:
        """The name that the wiki makes of a title."""
        return str(self._call("wiki.getPageInfo", title)["name"])

    # -- what a reader should see ------------------------------------------------------------------

    def shown(self) -> dict[str, int]:
        """Item to size of all that is to be indexed: from the wiki's own folders."""
        found = {}
        for head, ending in (("pages", ".txt"), ("media", "")):
            for file in (self._data / head).rglob("*" + ending):
                if file.is_file() and not file.name.startswith("_"):
                    name = str(file.relative_to(self._data / head)).removesuffix(ending)
                    found[f"{head}/{quote(name.replace('%', chr(0))).replace('%00', '%')}"] = file.stat().st_size
        return found

    # -- helpers -----------------------------------------------------------------------------------

    def _user(self, name: str, password: str, groups: str) -> str:
        made = subprocess.run(
            ["php", "-r", "echo password_hash($argv[1], PASSWORD_BCRYPT, ['cost' => 4]);", password],
            capture_output=True,
            check=True,
            timeout=60,
        )
        return f"{name}:{made.stdout.decode()}:{name}:{name}@example.org:{groups}"

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                if self._web.get(f"{self.url}/doku.php").status_code < 500:
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < deadline, (self.folder / "log").read_text(errors="replace")
            time.sleep(0.05)

    def _call(self, method: str, *params: Any) -> Any:
        body = xmlrpc.client.dumps(params, method, encoding="utf-8").encode()
        answer = self._web.post(f"{self.url}/lib/exe/xmlrpc.php", content=body, headers={"Content-Type": "text/xml"})
        ((value,), _) = xmlrpc.client.loads(answer.content)
        return value

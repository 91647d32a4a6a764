"""``ingestor init``: a commented configuration to start from. The one command that writes where you are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingestor.cli.output import emit_line

TEMPLATE = """\
# Configuration of ingestor. Everything here is optional; what stands here are the defaults.
# Looked for as --config FILE, $INGESTOR_CONFIG, ./ingestor.toml, ~/.config/ingestor/ingestor.toml,
# /etc/ingestor/ingestor.toml; the first one that exists is taken. `ingestor config check` checks it.

[embedding]
# The built-in model needs no download. Else a sentence-transformers name, or a folder that holds one.
model = "builtin:all-MiniLM-L6-v2"
# "pooled": a passage has the mean of its sentences' vectors, and an edited sentence embeds itself. "whole": the text of
# each passage is embedded, as most systems do; for models that were trained on passages. `ingestor eval` compares.
vectors = "pooled"

[index]
# Empty: Chroma embedded in the state folder. Else a Chroma server, like "http://127.0.0.1:8000"
# (it has no authentication of its own: keep it on this machine).
url = ""
collection = "ingestor"

[search]
# "weighted" adds what a passage holds of the question's words to its nearness in meaning; "rrf" adds reciprocal ranks.
fusion = "weighted"
keyword_weight = 0.9    # of the words, beside 1 for the meaning
unit_weight = 0.65      # of a passage's nearest sentence in its meaning; the rest is the passage as a whole
# A folder with a CrossEncoder of sentence-transformers, which reads the first rerank_top hits again; "" is none.
rerank_model = ""
rerank_top = 20

[retention]
# For so long past revisions can be looked up, and a document that returns keeps its identity.
days = 30

[answers]
# What programs and assistants were shown (over HTTP, by MCP) can be kept under an answer_id, so that `ingestor trace`
# says what of it still stands: chunks, revisions and who asked, and the text of the question only if you say so.
keep = false
questions = false
days = 30

[parsing]
# Processes that parse documents; 0 is one per processor. A document that takes longer is set aside.
workers = 0
timeout_s = 60.0
# Pictures and scanned pages are read by tesseract where it is installed; "off" sets them aside.
ocr = "auto"
# Languages as tesseract writes them ("eng+deu"); empty: English and up to three more that are installed.
ocr_languages = ""
ocr_pages = 100

[chunking]
# Lengths of passages, in about characters of English: the average, and the most. A limit below three targets
# makes an edit change more passages. The strategy "semantic" cuts where a thought ends, "fixed" where the target
# is reached. A source may have its own: chunking = { target = 400, strategy = "fixed" } in its table.
target = 750
limit = 2400
strategy = "semantic"

[log]
# debug, info, warning or error; auto is for people on a terminal and JSON anywhere else.
level = "info"
format = "auto"

[health]
# A port of 127.0.0.1 for /healthz, /readyz and /metrics; 0 is none (`ingestor health` needs none).
port = 0

[schedule]
# Hours of the day in which no scan and no maintenance begins by schedule, like ["08:00-12:00", "22:00-02:00"].
quiet = []

[maintenance]
# When each job is done: a duration, a cron expression like "30 3 * * 0", or "" for never.
retention = "6h"
rebuild = "6h"          # only where more than half of the index is dead
probe = "1d"
verify = ""
quarantine_retry = ""
backup = ""
# Empty: the folder backups in the state folder. Copy them elsewhere.
backup_folder = ""
backup_keep = 7
# Before a newer version changes the ledger's schema, it is kept as before-upgrade.tar in the state folder.
backup_before_upgrade = true

[http]
# The HTTP API for programs and, at /, the status page; port 0 is none. Tokens say who asks (`ingestor token add`); an
# address that others can reach needs one. hosts are names of this server besides its address, like "docs.example.org".
port = 0
address = "127.0.0.1"
hosts = []
per_minute = 600

# One table per source. `ingestor backfill FOLDER` and `ingestor source add FOLDER` need none.
#
# [[source]]
# name = "handbook"
# kind = "files"
# path = "/srv/handbook"              # relative paths start at this file
# include = ["**/*"]                  # patterns as in .gitignore
# exclude = ["**/drafts/**"]          # also by .ingestignore files inside the folder
# hidden = false                      # names that begin with a dot
# max_size = "100 MiB"                # larger files are left out
# ignore_files = true                 # whether .ingestignore files are heeded
# marker = ""                         # a file that you placed below path; without it the folder is not mounted
# schedule = "5m"                     # a full look this often, besides watching; or: cron = "30 2 * * 1-5"
# scope = ""                          # a group of sources with a Chroma collection of its own: "acme"
# permissions = "posix"               # who may read: as the files say; or a list: ["group:staff"], ["public"]
#
# [[source]]
# name = "team-wiki"
# kind = "gitwiki"                    # a git wiki, or documentation in any repository ("Git wikis" in README.md)
# url = "https://github.com/ORG/REPO.wiki.git"    # or git@host:path with ssh_key_file and known_hosts_file
# webhook_secret_file = "/etc/ingestor/team-wiki.hook"    # its calls to /v1/hooks/team-wiki are heeded; of any kind
# branch = ""                         # empty: the repository's own choice
# folder = ""                         # only what is in this folder of it
# token_file = "team-wiki.token"      # or token_env, token_credential; none for a public repository
# exclude = ["_Sidebar.*", "_Footer.*"]
# schedule = "30s"                    # one question to the server each time
# permissions = ["group:staff"]       # without a list only the owner of the state folder reads it
#
# [[source]]
# name = "company-wiki"
# kind = "mediawiki"                  # MediaWiki 1.35 or later ("MediaWiki" in README.md)
# url = "https://wiki.example/w/api.php"    # Special:Version of the wiki names it
# username = "Reader@ingestor"        # a bot password; or an account, or token_file for OAuth; none for a public wiki
# password_file = "company-wiki.password"
# exclude_namespaces = ["User"]       # talk pages are off anyway (talk = false)
# schedule = "30s"                    # two questions to the wiki each time
# permissions = ["group:staff"]       # without a list only the owner of the state folder reads it
#
# [[source]]
# name = "handbook-wiki"
# kind = "dokuwiki"                   # DokuWiki, by JSON-RPC or XML-RPC ("DokuWiki" in README.md)
# url = "https://wiki.example/dokuwiki"     # the folder that doku.php is in
# username = "reader"                 # an account that may use the API (remoteuser); or token_file
# password_file = "handbook-wiki.password"
# namespaces = ["handbook", "it"]     # with those in them; without a list all of them
# schedule = "30s"                    # three questions to the wiki each time
# permissions = ["group:staff"]       # without a list only the owner of the state folder reads it
#
# [[source]]
# name = "confluence"
# kind = "confluence"                 # Confluence, Cloud or Data Center ("Confluence" in README.md)
# url = "https://company.atlassian.net/wiki"
# username = "reader@company.example" # Cloud, with its API token as password; Data Center: token_file alone
# password_file = "confluence.token"
# spaces = ["HR", "IT"]               # without a list all that the account sees
# schedule = "1m"                     # three questions to the wiki each time
# permissions = ["group:staff"]       # and of these only who is named by a page's restrictions
"""


def command(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it.")] = Path(
        "ingestor.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a commented ingestor.toml into this folder.

    Examples:
      ingestor init
      ingestor init --output ~/.config/ingestor/ingestor.toml
    """
    from ingestor.errors import UserError

    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(TEMPLATE)
    except FileExistsError as error:
        raise UserError(f"{output} is there already.", hint="Replace it with --force.") from error
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}.") from error
    emit_line(f"Wrote {output}. Check your changes with: ingestor config check")

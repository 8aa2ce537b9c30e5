"""The commands that a user may mean by an unknown one: other tools' names for it, and typing errors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from labelctl.errors import Command

SYNONYMS = {
    **dict.fromkeys(("ls", "list", "dir", "photos"), "images"),
    **dict.fromkeys(("add", "import", "push", "put", "send", "sync"), "upload"),
    **dict.fromkeys(("delete", "del", "remove", "unlink"), "rm"),
    **dict.fromkeys(("cat", "describe", "detect", "get", "label", "tags"), "labels"),
    **dict.fromkeys(("filter", "find", "grep", "query"), "search"),
    **dict.fromkeys(("count", "report", "summary"), "stats"),
    **dict.fromkeys(("annotate", "draw", "open", "preview", "view"), "show"),
    **dict.fromkeys(("album", "html", "page", "web"), "gallery"),
    **dict.fromkeys(("browse", "serve"), "gallery --open"),
    **dict.fromkeys(("csv", "download", "dump", "save"), "export"),
    **dict.fromkeys(("health", "info", "ps", "queue"), "status"),
    **dict.fromkeys(("follow", "log", "logs", "watch"), "tail"),
    **dict.fromkeys(("errors", "failed"), "failures"),
    **dict.fromkeys(("redo", "redrive", "requeue", "rerun"), "retry"),
    **dict.fromkeys(("audit", "check", "doctor", "fsck"), "verify"),
    **dict.fromkeys(("fix", "reconcile", "repair"), "verify --repair"),
    **dict.fromkeys(("apply", "create", "init", "install", "setup", "up", "update"), "deploy"),
    **dict.fromkeys(("diff", "plan"), "deploy --dry-run"),
    **dict.fromkeys(("down", "teardown", "undeploy", "uninstall"), "destroy"),
    **dict.fromkeys(("build", "template", "zip"), "package"),
    **dict.fromkeys(("example", "quickstart", "try", "tutorial"), "demo"),
    "version": "--version",
}
"""What other tools call a command."""

_OF_LOCAL = {name: f"local {name}" for name in ("env", "reset", "start", "stop")}
"""Commands of `local` that the program itself does not have."""

_LOCAL_SYNONYMS = {
    **dict.fromkeys(("run", "up"), "start"),
    **dict.fromkeys(("down", "kill"), "stop"),
    **dict.fromkeys(("clean", "clear", "delete", "rm"), "reset"),
    **dict.fromkeys(("health", "info", "ps"), "status"),
}

_MAX = 2
"""Suggestions. More would be a list to read."""

_MIN_SIMILARITY = 0.7  # 0 to 1; at difflib's own 0.6, three letters of five are enough


def for_program(word: str, names: Collection[str]) -> list[Command]:
    """The commands of the program that an unknown word may mean, most likely first."""
    known = {name: name for name in names} | _OF_LOCAL
    return [Command(*text.split()) for text in _similar(word, known, SYNONYMS)]


def for_local(word: str, names: Collection[str], others: Collection[str]) -> list[Command]:
    """The same after `local`, whose commands are `names`; `others` are those of the program."""
    if word in others:
        return [Command(word, "--local")]
    known = {name: name for name in names}
    return [Command("local", text) for text in _similar(word, known, _LOCAL_SYNONYMS)]


def _similar(word: str, known: Mapping[str, str], synonyms: Mapping[str, str]) -> list[str]:
    """The values whose names are, begin with, or resemble the word. A synonym must be exact."""
    word = word.lower()
    if exact := known.get(word) or synonyms.get(word):
        return [exact]
    begun = [text for text in known if text.startswith(word)]
    close = get_close_matches(word, known, n=_MAX, cutoff=_MIN_SIMILARITY)
    return [known[name] for name in (begun if 0 < len(begun) <= _MAX else close)]

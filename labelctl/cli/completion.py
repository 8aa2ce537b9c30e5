"""Candidates for the word at the cursor of a shell's command line.

The scripts in `shells` start labelctl with the command line up to the cursor in LABELCTL_COMPLETE.
Each candidate is a line of output: the word (without quotes, except for bash) and, if it has one, a
tab and a description. Exit code 1 asks the shell for file names. Nothing here uses the network or
prints an error. The name that the help gives to a parameter's value decides what is offered for it,
such as keys for IMAGE.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelctl.cli.session import Session

LINE = "LABELCTL_COMPLETE"

_WORD = "LABELCTL_COMPLETE_WORD"
"""The word that bash replaces. bash ends words at colons and equals signs, too."""

SHELLS = ("bash", "zsh", "fish")

_CURSOR = "\0"  # cannot be typed; completes a word that ends with a blank or a backslash

_Candidates = dict[str, str]
"""Descriptions by word; empty for a word that needs none."""


def script(shell: str) -> str:
    """The shell's script, to be run when it starts."""
    path = Path(__file__).parent / "shells" / f"labelctl.{shell}"
    return path.read_text(encoding="utf-8").rstrip("\n")


def respond(program: Any, session: Session, line: str) -> int:
    """Print the candidates for a command line. Returns 0, or 1 to ask for file names."""
    try:
        words, word, quote = split(line)
        found, with_files = _candidates(program, session, words, word)
        found = _matching(found, word)
        for text, description in found.items():
            text = _for_bash(text, word, quote) if _WORD in os.environ else text
            sys.stdout.write(f"{text}\t{description}\n" if description else f"{text}\n")
        sys.stdout.flush()
    except (Exception, SystemExit):  # an incomplete command line may be wrong in any way
        return 0
    return 1 if with_files and not found else 0


def split(line: str) -> tuple[list[str], str, str]:
    """The words after the program's name, the word at the cursor, and the quote it is in, if any.

    The words are without quotes and backslashes.
    """
    for closing in ("", "'", '"'):
        try:
            words = shlex.split(line + _CURSOR + closing)
        except ValueError:  # an open quote
            continue
        while len(words) > 1 and re.match(r"\w+=", words[0]):  # variables before the name
            del words[0]
        return words[1:-1], words[-1].removesuffix(_CURSOR), closing
    return [], "", ""


def _for_bash(text: str, word: str, quote: str) -> str:
    """The part of a candidate that replaces bash's word, quoted: bash inserts it as it is.

    An unquoted key such as $(command).jpg would otherwise be run with the line.
    """
    raw = os.environ[_WORD]
    replaced = "" if raw in (":", "=") else split(f"labelctl {raw}")[1]
    if word.endswith(replaced):
        text = text[len(word) - len(replaced) :]
    if quote == "'":
        return text.replace("'", r"'\''")
    if quote == '"':  # where a backslash does not protect an exclamation mark
        return re.sub(r'[\\$`"]', r"\\\g<0>", text).replace("!", r'"\!"')
    return re.sub(r"[^\w./:=@%+,-]", r"\\\g<0>", text)


def _candidates(
    program: Any, session: Session, words: list[str], word: str
) -> tuple[_Candidates, bool]:
    """What may stand at the cursor, and whether a file's name may, too."""
    # Typer has no public name for these two.
    from typer._click.shell_completion import _resolve_context, _resolve_incomplete

    context = _resolve_context(program, {"obj": session}, "labelctl", words)
    target, typed = _resolve_incomplete(context, words, word)
    option = word.removesuffix(typed)  # such as --sort= before the value
    if target is not context.command:
        found, with_files = _values(target, session)
        found = [each for each in found if each not in words]
        if "--" not in words:  # a key such as --all would be read as an option
            found = [each for each in found if not each.startswith("-")]
        return {option + each: "" for each in found}, with_files
    if word.startswith("-"):
        return _option_names(context), False
    if hasattr(target, "summaries"):
        groups: dict[str, dict[str, str]] = target.summaries()
        return {name: text for texts in groups.values() for name, text in texts.items()}, False
    return {}, False


def _option_names(context: Any) -> _Candidates:
    return {
        name: param.help
        for param in context.command.get_params(context)
        if param.param_type_name == "option"
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    }


def _values(param: Any, session: Session) -> tuple[Iterable[str], bool]:
    """The values of a parameter that are known, and whether it takes a file's name."""
    metavar = (param.metavar or "").strip("[].")
    if "|" in metavar:
        return metavar.split("|"), False
    if metavar == "IMAGE":  # or the path that it was uploaded from
        return session.names.keys, True
    if metavar == "LABEL":
        return session.names.labels, False
    if param.name == "prefix":
        return _folders(session.names.keys), False
    if param.name in ("profile", "region"):
        from labelctl.cli import aws_config

        return aws_config.profiles() if param.name == "profile" else aws_config.regions(), False
    return (), param.type.name == "path"


def _folders(keys: Iterable[str]) -> Iterable[str]:
    """The folders of the keys, such as a/ and a/b/ of a/b/1.jpg."""
    return dict.fromkeys(key[: at.end()] for key in keys for at in re.finditer("/", key))


def _matching(found: _Candidates, word: str) -> _Candidates:
    """The candidates that start with the word; if there are none, ignoring case."""
    same = {text: about for text, about in found.items() if text.startswith(word)}
    folded = word.lower()
    return same or {text: about for text, about in found.items() if text.lower().startswith(folded)}

"""Completion as a user of bash, zsh or fish sees it: Tab, in a real shell on a terminal."""

from __future__ import annotations

import os
import pty
import select
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labelctl.cli.known_names import KnownNames
from labelctl.cli.options import Options
from tests.e2e.conftest import LABELCTL

KEYS = (
    *("my photo.jpg", "it's.jpg", 'quote"d.jpg', "a:b/c.jpg", "été/ü 1.jpg", "x y:z w.jpg"),
    *("dollar$HOME.jpg", "run$(touch pwned).jpg", "back\\slash.jpg", "bang!x.jpg", "eq=ual.jpg"),
)
TYPED = {
    "labels my\\ ph\t": "my photo.jpg",
    "labels 'my p\t": "my photo.jpg",
    'labels "my p\t': "my photo.jpg",
    "labels it\t": "it's.jpg",
    "labels a:\t": "a:b/c.jpg",
    "labels x\\ y:\t": "x y:z w.jpg",
    "labels ét\t": "été/ü 1.jpg",
    "labels dol\t": "dollar$HOME.jpg",
    'labels "dol\t': "dollar$HOME.jpg",
    "labels run\t": "run$(touch pwned).jpg",
    "labels back\t": "back\\slash.jpg",
    'labels "ban\t': "bang!x.jpg",
    "search mob\t": "Mobile Phone",
    "search x --sort=n\t": "--sort=newest",
    "export -o lab\t": "labels.csv",
    "upl\t": "upload",
}
"""What a user types, and the last argument that labelctl then gets."""

SHELLS = {
    "bash": (
        ["bash", "--norc", "-i"],
        f"PS1='rea'dy; eval \"$('{LABELCTL}' completion bash)\"",
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        f"autoload -Uz compinit; compinit -u; PS1='rea'dy; eval \"$('{LABELCTL}' completion zsh)\"",
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        f"function fish_prompt; echo -n rea''dy; end; '{LABELCTL}' completion fish | source",
    ),
}
"""The command that starts a shell, and its first line. The prompt is then `ready`."""

WRAPPER = f"""#!/bin/sh
[ -n "${{LABELCTL_COMPLETE+x}}" ] && exec '{LABELCTL}'
for last; do :; done
printf '%s' "$last" > arguments.part
mv arguments.part arguments
"""

PATIENCE = 20  # seconds


class Terminal:
    """A shell on a terminal."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, env)

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def wait_for(self, done: Callable[[str], bool]) -> None:
        """Read what the shell prints until `done`, called with all of it, is true."""
        seen = b""
        deadline = time.monotonic() + PATIENCE
        while not done(seen.decode(errors="replace")):
            assert time.monotonic() < deadline, seen
            if select.select([self._terminal], [], [], 0.05)[0]:
                seen += os.read(self._terminal, 65536)

    def close(self) -> None:
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)


@pytest.fixture(params=SHELLS)
def shell(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Terminal]:
    """A shell whose labelctl writes its last argument to a file."""
    command, first = SHELLS[request.param]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "labelctl").write_text(WRAPPER)
    (programs / "labelctl").chmod(0o755)
    (tmp_path / "labels.csv").touch()
    env = {
        "HOME": str(tmp_path),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    monkeypatch.setenv("XDG_CACHE_HOME", env["XDG_CACHE_HOME"])
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    names = KnownNames(Options())
    names.add(keys=KEYS, labels=["Dog", "Mobile Phone"])
    names.save("a stack")
    terminal = Terminal(command, tmp_path, env)
    try:
        terminal.type(f"{first}\r")
        terminal.wait_for(lambda seen: "ready" in seen)
        yield terminal
    finally:
        terminal.close()


def test_tab_completes_names_as_arguments(shell: Terminal) -> None:
    """Whatever characters a key contains: none of it is expanded or run."""
    got = {}
    arguments = shell.folder / "arguments"
    for typed in TYPED:
        shell.type(f"labelctl {typed}\r")
        shell.wait_for(lambda seen: "ready" in seen and arguments.exists())
        got[typed] = arguments.read_text()
        arguments.unlink()
    assert got == TYPED
    assert not (shell.folder / "pwned").exists()

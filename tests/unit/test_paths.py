"""A path that the system refuses is one sentence, wherever a command takes a path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labelctl.errors import UsageError
from labelctl.labels import export_formats
from labelctl.local import engine
from labelctl.local.folder import data_home
from labelctl.render.drawing import save
from labelctl.render.gallery.single_file import OneFile
from labelctl.render.gallery.thumbnails import open_folder

USES: dict[str, Callable[[Path], object]] = {
    "export": lambda path: export_formats.check("csv", path),
    "gallery": lambda path: open_folder(path).__enter__(),
    "one file": OneFile,
    "picture": save.check_target,
    "model": lambda path: engine.start(model=path, home=Path("/unused")),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_name_that_is_too_long(use: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'x.html" cannot be used: File name too long\.'):
        use(tmp_path / ("x" * 256 + ".html"))


@pytest.mark.parametrize(
    "use",
    [USES["model"], lambda path: engine.start(home=path), lambda _: data_home()],
    ids=["model", "home", "LABELCTL_HOME"],
)
def test_the_current_folder_was_deleted(
    use: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELCTL_HOME", "rel")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="The current folder no longer exists"):
        use(Path("x.onnx"))

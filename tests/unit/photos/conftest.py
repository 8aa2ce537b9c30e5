"""What the tests of photos share."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.unit.picture_files import file


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Create photos with given names in the working folder."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> Path:
        for number, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file(Image.new("L", (80, 80), number), "JPEG"))
        return tmp_path

    return make

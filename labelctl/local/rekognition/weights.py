"""Weights saved by PyTorch, read without PyTorch and without running anything in the file.

A file of `torch.save` in its older format is five pickles and then the numbers: a magic number, the
format's version, facts about the machine, the tensors by name (each says which storage it views),
and the order of the storages; each storage is its length, eight bytes little-endian, and its
values. A pickle can name any function to call. This reader knows only the few names that such a
file needs and builds plain arrays for them.
"""

from __future__ import annotations

import collections
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}


@dataclass(frozen=True)
class _View:
    """A tensor: which part of which storage, with the strides in elements."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_weights(path: Path) -> Mapping[str, Array]:
    """The tensors of 32-bit numbers in the file, by name; counters are left out.

    Raises ValueError if the file is not of this format, is cut short, or needs anything but arrays.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except (pickle.UnpicklingError, EOFError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{path.name} holds no PyTorch weights: {error}") from error


def _read(file: BinaryIO) -> dict[str, Array]:
    if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _VERSION:
        raise ValueError("not in PyTorch's older format")
    _Unpickler(file).load()  # byte order and sizes of the machine that saved it
    tensors = _Unpickler(file)
    views: dict[str, _View] = tensors.load()
    storages = {}
    for name in _Unpickler(file).load():
        kind, length = tensors.storages[name]
        if int.from_bytes(file.read(8), "little") != length:
            raise ValueError(f"storage {name} has another length than announced")
        data = file.read(length * kind.itemsize)
        storages[name] = np.frombuffer(data, kind)  # raises ValueError if cut
        if len(storages[name]) != length:
            raise ValueError(f"storage {name} is cut short")
    return {
        name: _view(storages[view.storage], view)
        for name, view in views.items()
        if storages[view.storage].dtype.kind == "f"
    }


def _view(storage: npt.NDArray[Any], view: _View) -> Array:
    last = view.offset + sum(
        (side - 1) * stride for side, stride in zip(view.shape, view.strides, strict=True)
    )
    if view.offset < 0 or min((*view.shape, *view.strides), default=1) < 1 or last >= len(storage):
        raise ValueError("a tensor reaches beyond its storage")
    strides = [stride * storage.itemsize for stride in view.strides]
    part = np.lib.stride_tricks.as_strided(storage[view.offset :], view.shape, strides)
    return np.ascontiguousarray(part, dtype=np.float32)


class _Unpickler(pickle.Unpickler):
    """Builds dictionaries, numbers, texts and `_View`s; refuses every other name."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, tuple[np.dtype[Any], int]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in _STORAGES:
            return name
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> str:
        _, kind, name, _, length, _ = pid
        self.storages[name] = _STORAGES[kind], int(length)
        return str(name)


def _rebuild(storage: str, offset: int, shape: tuple[int, ...], strides: Any, *_: Any) -> _View:
    return _View(storage, offset, tuple(shape), tuple(strides))

"""The weights of a saved encoder, where they lie in its safetensors file.

An ONNX graph may name a stretch of another file as the value of a tensor. This module finds these
stretches, so that a graph needs no copy of the weights. It must not know what they are for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE_NAME = "model.safetensors"
# The format's own limit (https://github.com/huggingface/safetensors, "Format").
_MAX_HEADER = 100_000_000


@dataclass(frozen=True)
class Stretch:
    """One tensor of 32-bit floats: its shape, and its first byte and bytes in the file."""

    shape: tuple[int, ...]
    offset: int
    length: int


class Weights:
    """The 32-bit floating point tensors of a ``model.safetensors``.

    Parameters
    ----------
    folder : Path
        Where the file lies.

    Raises
    ------
    ValueError
        If there is no such file or it is not of this format.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        try:
            with self.path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(size)) if size <= _MAX_HEADER else None
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.path} cannot be read: {error}") from error
        if not isinstance(header, dict):
            raise ValueError(f"{self.path} is no safetensors file")
        self._stretches = {
            name: Stretch(
                tuple(entry["shape"]),
                8 + size + entry["data_offsets"][0],
                entry["data_offsets"][1] - entry["data_offsets"][0],
            )
            for name, entry in header.items()
            if name != "__metadata__" and entry["dtype"] == "F32"
        }

    def stretch(self, name: str) -> Stretch:
        """Return where a tensor lies.

        Raises
        ------
        ValueError
            If there is no such tensor of 32-bit floats.
        """
        if name not in self._stretches:
            raise ValueError(f"{self.path.name} has no 32-bit floating point tensor {name}")
        return self._stretches[name]

    def array(self, name: str) -> NDArray[np.float32]:
        """Return a tensor, read-only and read from the file when it is used."""
        found = self.stretch(name)
        return np.memmap(self.path, "<f4", mode="r", offset=found.offset, shape=found.shape)

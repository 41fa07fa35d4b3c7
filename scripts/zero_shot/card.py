"""The card of a bi-encoder (``zero_shot.json``): what turns its cosines into probabilities.

The numbers were measured, on the texts that the card names. This module must not know of encoders
or of how the numbers are used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_NAME = "zero_shot.json"


@dataclass(frozen=True)
class Card:
    """What is known of a bi-encoder.

    Attributes
    ----------
    model : str
        Its name.
    weights_sha256 : str
        Of the ``model.safetensors`` that everything was measured with.
    templates : tuple of str
        The model's own hypothesis templates, each with ``{}`` in the label's place.
    temperature : float
        Cosines are divided by it before a softmax, when one label is true.
    midpoint, width : float
        When each label is judged alone: the cosine at which it is as likely true as not, and how
        far from there the odds change by a factor of e.
    encoder : dict
        ``variant`` (``fp32``, ``int8`` or ``torch``), ``max_tokens`` and ``reason``.
    measured : dict
        How and on what, with the calibration errors.
    """

    model: str
    weights_sha256: str
    templates: tuple[str, ...]
    temperature: float
    midpoint: float
    width: float
    encoder: dict[str, Any]
    measured: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read a card from its file, or from the model folder it lies in.

        Raises
        ------
        ValueError
            If there is none, or it lacks something.
        """
        file = path / FILE_NAME if path.is_dir() else path
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            card = cls(**{**content, "templates": tuple(content["templates"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{file} is no card of a bi-encoder ({type(error).__name__}: {error}). build.py "
                "makes a model folder with one."
            ) from error
        if not (card.templates and card.temperature > 0 and card.width > 0):
            raise ValueError(f"{file}: templates, temperature and width must be there and above 0.")
        return card

    def write(self, folder: Path) -> Path:
        """Write the card into a model folder; return its path."""
        path = folder / FILE_NAME
        content = {**vars(self), "templates": list(self.templates)}
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
        return path

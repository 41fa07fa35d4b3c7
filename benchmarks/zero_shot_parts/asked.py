"""A zero-shot model folder asked in this process, through the functions that a container calls.

So what is measured is what an endpoint answers, not something like it. This module must not know
what is asked or why.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "scripts" / "zero_shot" / "build.py"
JSON_LINES = "application/jsonlines"
# Lines of a request: what a batch transform sends at a time.
LINES = 500


@dataclass(frozen=True)
class Answers:
    """What a model said to some texts.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_texts, n_labels)
        By the order in which the labels were asked.
    """

    scores: NDArray[np.float64]

    def accuracy(self, truth: NDArray[np.int64], top: int = 1) -> float:
        """Return how often the true column is among the best `top`."""
        best = np.argsort(-self.scores, axis=1, kind="stable")[:, :top]
        return float((best == truth[:, None]).any(axis=1).mean())


class Model:
    """A model folder that build.py wrote, loaded.

    One at a time: the folders' modules have the same names.

    Parameters
    ----------
    folder : Path
        The model folder.
    """

    def __init__(self, folder: Path) -> None:
        code = folder / "code"
        for name in [path.stem for path in code.glob("*.py")]:
            sys.modules.pop(name, None)
        sys.path.insert(0, str(code))
        try:
            self._inference: Any = importlib.import_module("inference")
            self.loaded: Any = self._inference.model_fn(str(folder))
            # Only the encoder's own, for what a request cannot ask: embeddings of many texts.
            self.encoder: Any = getattr(self.loaded, "_encoder", None)
        finally:
            sys.path.remove(str(code))

    def ask(
        self, texts: Sequence[str], labels: Sequence[Sequence[str]], **parameters: Any
    ) -> Answers:
        """Ask about every text, each with labels of its own, all of the same number."""
        rows = [
            json.dumps({"sequences": text, "candidate_labels": list(own), **parameters})
            for text, own in zip(texts, labels, strict=True)
        ]
        found: list[NDArray[np.float64]] = []
        for start in range(0, len(rows), LINES):
            body = "\n".join(rows[start : start + LINES])
            request = self._inference.input_fn(body, JSON_LINES)
            prediction = self._inference.predict_fn(request, self.loaded)
            lines = self._inference.output_fn(prediction, JSON_LINES).splitlines()
            for line, own in zip(lines, labels[start : start + LINES], strict=True):
                answer = json.loads(line)
                if "error" in answer:
                    raise SystemExit(f"The model answered: {answer['error']}")
                scores = dict(zip(answer["labels"], answer["scores"], strict=True))
                found.append(np.array([scores[label] for label in own]))
            print(f"  {len(found)} of {len(rows)} texts", file=sys.stderr, flush=True)
        return Answers(np.stack(found))


def build(model: Path, output: Path, *arguments: str) -> Path:
    """Run build.py; return the model folder."""
    command = [sys.executable, BUILD, "--model", model, "--output", output, *arguments]
    subprocess.run([str(part) for part in command], check=True)
    return output

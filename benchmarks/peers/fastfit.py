"""FastFit (Yehudai and Bandel 2024, https://arxiv.org/abs/2404.12365), in its own environment.

Its last release, 1.2.1 of May 2024, needs the libraries of its time; torch is the running
interpreter's. This module must not know how its results are compared.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers.environments import environment

SCRIPT = Path(__file__).resolve().parent / "scripts" / "fastfit_train.py"
VERSIONS = {
    "fast-fit": "1.2.1",
    "transformers": "4.40.1",
    "datasets": "2.19.0",
    "accelerate": "0.30.1",
    "numpy": "1.26.4",
    "pyarrow": "16.1.0",
    "pandas": "2.2.3",
    "scikit-learn": "1.5.2",
}
# These two would bring a torch of their own.
_ALONE = ("fast-fit", "accelerate")


def run(
    model: Path, train: Sequence[list[str]], test: Sequence[list[str]], epochs: float, seed: int
) -> dict[str, Any]:
    """Train with FastFit's stock settings, cut after some epochs, and predict.

    Parameters
    ----------
    model : Path
        Folder of the encoder.
    train, test : sequence of [text, label]
        Rows.
    epochs : float
        Of the 40 that its README takes; the rate decays to zero within them.
    seed : int
        Of everything random.

    Returns
    -------
    dict
        ``labels``, predicted for the test rows; ``steps`` made and ``all_steps`` of the stock run;
        ``cpu_s`` and ``wall_s`` of the training.

    Raises
    ------
    subprocess.CalledProcessError
        If its environment cannot be made, or FastFit fails; what they say is shown.
    """
    pinned = {name: f"{name}=={version}" for name, version in VERSIONS.items()}
    alone = [pinned.pop(name) for name in _ALONE]
    venv = environment("fastfit", list(pinned.values()), alone=alone, borrow=True)
    with tempfile.TemporaryDirectory() as folder:
        data, result = Path(folder) / "data.json", Path(folder) / "result.json"
        data.write_text(json.dumps({"train": train, "test": test}), encoding="utf-8")
        command = [venv / "bin" / "python", SCRIPT, model, data, result, epochs, seed]
        subprocess.run(list(map(str, command)), check=True, cwd=folder)
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found

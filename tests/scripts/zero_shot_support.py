"""How the tests build and ask zero-shot models: by build.py's command, through the four functions.

``python scripts/zero_shot/build.py --model FOLDER --output FOLDER_OR_TAR_GZ`` is all that a caller
needs to know.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.scripts.few_shot_support import ROOT, imported_from, script_environment

ZERO_SHOT = ROOT / "scripts" / "zero_shot"
JSON_LINES = "application/jsonlines"


def run_build(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run build.py and return what it printed."""
    return subprocess.run(
        [sys.executable, str(ZERO_SHOT / "build.py"), *map(str, arguments)],
        env=script_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )


def built(model: Path, folder: Path) -> Path:
    """Return the model folder that build.py makes of a saved model."""
    result = run_build("--model", model, "--output", folder)
    assert result.returncode == 0, result.stderr
    return folder


class Served(SimpleNamespace):
    """A loaded model folder: its modules, and the model."""

    def ask(self, body: Any, content_type: str | None = None, accept: str | None = None) -> Any:
        """Send one request through input_fn, predict_fn and output_fn; return the parsed answer."""
        sent = body if isinstance(body, (str, bytes)) else json.dumps(body)
        request = self.inference.input_fn(sent, content_type)
        answer = self.inference.output_fn(self.inference.predict_fn(request, self.model), accept)
        lines = accept == JSON_LINES
        return [json.loads(line) for line in answer.splitlines()] if lines else json.loads(answer)


@contextmanager
def serving(folder: Path, *modules: str) -> Iterator[Served]:
    """Import ``code/`` of a model folder as the toolkit does, and load the model."""
    with imported_from(folder / "code", "inference", *modules) as code:
        yield Served(**vars(code), model=code.inference.model_fn(str(folder)))

"""Run one lab in a local SageMaker of its own, which is stopped and emptied at the end.

``python tools/_prove_lab.py 1`` runs every core cell of the notebook; with ``--quick`` the same
kinds of work with less of everything. It must not know whether there is a network.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = {
    1: "lab1_few_shot_learning.ipynb",
    2: "lab2_zero_shot_jumpstart.ipynb",
    3: "lab3_human_in_the_loop.ipynb",
}
# Lab 3 has no command: its pipeline with one pass over the data, to the registered model.
_PIPELINE = """
from workshop_utils import human_review, pipelines, sentiment
from workshop_utils.session import start

ws = start("sentiment")
execution = sentiment.learn(pipelines.upsert(ws, sentiment.recipe(ws, epochs=1)))
print(human_review.set_up(ws))
execution.follow()
print(execution.model_package())
print(execution.evaluation())
"""
_QUICK = {
    1: ["-m", "workshop_utils", "run-lab1", "--shots", "1"],
    2: ["-m", "workshop_utils", "run-lab2"],
    3: ["-c", _PIPELINE],
}


def main(lab: int, *, quick: bool) -> int:
    """Run the lab; return its exit status."""
    notebook = [str(ROOT / "tools" / "_notebook_run.py"), str(ROOT / NOTEBOOKS[lab]), "deeper"]
    with tempfile.TemporaryDirectory(prefix="workshop-ready-") as scratch:
        variables = os.environ | {
            "LOCAL_SAGEMAKER_HOME": str(Path(scratch) / "home"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "WORKSHOP_APPROVAL": "Approved",
            "WORKSHOP_MODE": "local",
        }

        def run(arguments: list[str]) -> int:
            return subprocess.run(
                [sys.executable, *arguments], cwd=ROOT, env=variables, check=False
            ).returncode

        try:
            return run(_QUICK[lab] if quick else notebook)
        finally:
            run(["-m", "local_sagemaker", "stop"])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), quick="--quick" in sys.argv[2:]))

"""How the tests run the few-shot scripts: as processes, or imported from their folder.

Scripts are no package. In a container their folder is first on the path, and so it is here.
"""

import csv
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
FEW_SHOT = ROOT / "scripts" / "few_shot"

ODD_LABEL = 'refund, "fast"?'
TRAIN_ROWS = [
    ("My new card still has not turned up", "card_arrival"),
    ("where's the card you posted last monday", "card_arrival"),
    ("Card not in the mail after ten days", "card_arrival"),
    ('I want my money back, "now" please', ODD_LABEL),
    ("refund for the broken kettle, how quick can it be", ODD_LABEL),
    ("They promised a refund,\nand nothing came", ODD_LABEL),
    ("Wie lange dauert eine Überweisung nach Österreich?", "überweisung"),
    ("transfer to my sister abroad still pending", "überweisung"),
    ("sent money by bank transfer on friday, not there yet", "überweisung"),
    ("left my card in a taxi, block it", "lost-card"),
    ("someone stole my wallet with the card in it", "lost-card"),
    ("card gone, must have dropped it on the train", "lost-card"),
]
TEST_ROWS = [
    ("still waiting for the card to arrive", "card_arrival"),
    ("please refund me today", ODD_LABEL),
    ("bank transfer has not reached the other account", "überweisung"),
    ("I have lost my card", "lost-card"),
    ("somebody pinched my card, help", "lost-card"),
]


def write_csv(path: Path, rows: Sequence[tuple[str, str]], **options: str) -> Path:
    """Write rows under the header ``text,label``; `options` go to `open` and the csv writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoding = options.get("encoding", "utf-8")
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator=options.get("lineterminator", "\n"))
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    return path


def run_train(
    *arguments: str | Path, env: dict[str, str | Path] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run train.py as a container would, and return what it printed."""
    return subprocess.run(
        [sys.executable, str(FEW_SHOT / "train.py"), *map(str, arguments)],
        env=script_environment(env or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def script_environment(extra: dict[str, str | Path]) -> dict[str, str]:
    """Return this environment without what belongs to another job, and with `extra`."""
    names = ("EXPERIMENT_NAME", "RUN_NAME")
    inherited = {k: v for k, v in os.environ.items() if k not in names and not k.startswith("SM_")}
    return inherited | {key: str(value) for key, value in extra.items()}


@contextmanager
def imported_from(folder: Path, *names: str) -> Iterator[SimpleNamespace]:
    """Import modules from a folder, and forget them afterwards.

    A library may have the name of a module there (setfit imports Hugging Face's `evaluate`), so
    what is loaded under such a name is set aside meanwhile.
    """
    with pytest.MonkeyPatch.context() as patch:
        for path in folder.glob("*.py"):
            patch.delitem(sys.modules, path.stem, raising=False)
        patch.syspath_prepend(str(folder))
        try:
            yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
        finally:
            for name, module in list(sys.modules.items()):
                file = getattr(module, "__file__", None)
                if file and Path(file).parent == folder:
                    del sys.modules[name]


class Trained:
    """A finished training: its folders and what it printed."""

    def __init__(self, root: Path, result: subprocess.CompletedProcess[str]) -> None:
        self.root = root
        self.model = root / "model"
        self.output = root / "output"
        self.result = result

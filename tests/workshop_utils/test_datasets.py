from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from workshop_utils import datasets
from workshop_utils.datasets import DatasetError, few_shot, fingerprint

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "banking77" / "train.csv"


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = [(f"text {n} of {label}", label) for label in "abc" for n in range(10)]
    return pd.DataFrame(rows, columns=["text", "label"])


def test_the_slice_has_all_77_intents_and_says_what_it_is() -> None:
    data = datasets.banking77()
    assert len(data.labels) == 77
    assert set(data.test["label"]) == set(data.labels)
    assert "written for this workshop" in str(data).lower()
    assert list(data.train.columns) == ["text", "label"]


def test_few_shot_draws_the_same_number_of_every_label(frame: pd.DataFrame) -> None:
    sample = few_shot(frame, 4)
    assert sample["label"].value_counts().to_dict() == {"a": 4, "b": 4, "c": 4}
    assert sample["text"].is_unique
    assert set(sample["text"]) <= set(frame["text"])


def test_few_shot_is_the_same_for_a_seed_and_another_for_another(frame: pd.DataFrame) -> None:
    assert few_shot(frame, 4, 1).equals(few_shot(frame, 4, 1))
    assert not few_shot(frame, 4, 1).equals(few_shot(frame, 4, 2))


def test_few_shot_mixes_the_labels(frame: pd.DataFrame) -> None:
    assert list(few_shot(frame, 5)["label"]) != sorted(few_shot(frame, 5)["label"])


def test_a_label_with_too_few_rows_is_named(frame: pd.DataFrame) -> None:
    short = frame.drop(frame[frame["label"] == "b"].index[2:])
    with pytest.raises(DatasetError, match=r"fewer rows of: b \(2\)\. At most 2 shots"):
        few_shot(short, 3)


def test_zero_shots_are_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DatasetError, match="at least 1, not 0"):
        few_shot(frame, 0)


def test_the_recorded_distribution_is_the_real_one() -> None:
    recorded = datasets.real_distribution()
    assert recorded["train_rows"].sum() == 10_003
    assert set(recorded["label"]) == set(datasets.banking77().labels)


def test_a_fingerprint_ignores_order_and_sees_every_change(frame: pd.DataFrame) -> None:
    assert fingerprint(frame.sample(frac=1, random_state=3)) == fingerprint(frame)
    changed = frame.copy()
    changed.loc[7, "text"] += " "
    assert fingerprint(changed) != fingerprint(frame)


@pytest.mark.skipif(not REAL.exists(), reason="the real Banking77 is not beside this checkout")
def test_the_real_train_split_has_the_fingerprint_and_distribution_on_record() -> None:
    real = pd.read_csv(REAL, dtype=str, keep_default_na=False).rename(columns={"category": "label"})
    assert fingerprint(real) == datasets.TRAIN_FINGERPRINT
    counted = real["label"].value_counts().to_dict()
    assert datasets.real_distribution().set_index("label")["train_rows"].to_dict() == counted


def _hub(monkeypatch: pytest.MonkeyPatch, splits: Any) -> None:
    """Put splits where the hub's client would put what it downloaded."""
    import datasets as hub

    monkeypatch.setattr(hub, "load_dataset", lambda *_, **__: splits)


def _split(frame: pd.DataFrame) -> Any:
    from datasets import ClassLabel, Dataset, Features, Value

    names = sorted(frame["label"].unique())
    numbered = frame.assign(label=[names.index(label) for label in frame["label"]])
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    return Dataset.from_pandas(numbered, features=features, preserve_index=False)


@pytest.mark.skipif(not REAL.exists(), reason="the real Banking77 is not beside this checkout")
def test_the_hubs_real_data_set_is_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = pd.read_csv(REAL, dtype=str, keep_default_na=False).rename(columns={"category": "label"})
    _hub(monkeypatch, {"train": _split(real), "test": _split(real.head(50))})
    data = datasets.banking77("hub")
    assert len(data.train) == 10_003
    assert "fingerprint is verified" in data.source
    assert data.train.loc[0, "label"] == real.loc[0, "label"]


def test_other_rows_from_the_hub_are_refused(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hub(monkeypatch, {"train": _split(frame), "test": _split(frame)})
    with pytest.raises(DatasetError, match="not the published one: 30 rows"):
        datasets.banking77("hub")


def test_a_hub_that_serves_no_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _hub(monkeypatch, {"train": SimpleNamespace(), "test": SimpleNamespace()})
    with pytest.raises(DatasetError, match="instead of a table"):
        datasets.banking77("hub")


def test_without_internet_the_hub_is_an_error_with_a_way_on() -> None:
    with pytest.raises(DatasetError, match=r"HF_HUB_OFFLINE.*banking77\('workshop'\)"):
        datasets.banking77("hub")


def test_film_reviews_come_by_split_and_no_text_in_two() -> None:
    splits = [datasets.film_reviews(name) for name in ("train", "test", "traffic")]
    for frame in splits:
        assert list(frame.columns) == ["id", "text", "label", "kind"]
        assert set(frame["label"]) == {"positive", "negative"}
        assert set(frame["kind"]) == {"clear", "mixed", "ironic"}
    texts = pd.concat(splits)["text"]
    assert texts.is_unique

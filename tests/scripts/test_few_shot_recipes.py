"""The parts of the recipes: batches, the contrastive loss, calibration, held-out rows, split."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.scripts.few_shot_support import FEW_SHOT, ROOT, imported_from

BENCHMARKS = ROOT / "benchmarks"
REAL_DATA = ROOT.parent / "shared" / "data" / "banking77" / "train.csv"


@pytest.fixture(scope="module")
def code() -> Iterator[SimpleNamespace]:
    with imported_from(FEW_SHOT, "prototypes", "calibration", "classifier", "examples") as modules:
        yield modules


def take(code: SimpleNamespace, classes: list[int], count: int, seed: int = 0) -> list[list[int]]:
    return list(itertools.islice(code.prototypes.class_batches(classes, seed), count))


def test_a_batch_holds_several_rows_of_several_classes(code: SimpleNamespace) -> None:
    classes = [number for number in range(77) for _ in range(9)]
    for batch in take(code, classes, 30):
        assert len(batch) == len(set(batch))
        of_class = Counter(classes[row] for row in batch)
        assert len(of_class) == 16
        assert set(of_class.values()) <= {2, 3, 4}  # fewer where a round ends


def test_every_row_has_its_turn(code: SimpleNamespace) -> None:
    classes = [number for number in range(20) for _ in range(8)]
    seen = Counter(row for batch in take(code, classes, 50) for row in batch)
    assert set(seen) == set(range(160))
    assert max(seen.values()) - min(seen.values()) <= 4


def test_batches_repeat_with_the_seed_and_only_with_it(code: SimpleNamespace) -> None:
    classes = [number for number in range(30) for _ in range(5)]
    assert take(code, classes, 5, seed=1) == take(code, classes, 5, seed=1)
    assert take(code, classes, 5, seed=1) != take(code, classes, 5, seed=2)


@pytest.mark.parametrize(
    ("classes", "rows"),
    [([0, 1], 2), ([0] * 100 + [1] * 100, 64), ([0] * 3 + [1] * 200, 35), (list(range(1000)), 16)],
)
def test_few_and_many_classes_make_batches_too(
    code: SimpleNamespace, classes: list[int], rows: int
) -> None:
    assert len(take(code, classes, 1)[0]) == rows
    assert code.prototypes.steps_for(classes, 1) >= code.prototypes.LEAST_STEPS


@pytest.mark.parametrize(("rows", "share"), [(1, 1 / 3), (4, 2 / 3), (9, 1.0), (100, 1.0)])
def test_the_more_rows_of_a_class_the_more_of_the_fine_tuning_is_kept(
    code: SimpleNamespace, rows: int, share: float
) -> None:
    assert code.prototypes.kept_share([0, 1, 2] * rows) == pytest.approx(share)


def test_the_contrastive_loss_is_that_of_its_definition(code: SimpleNamespace) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    classes = [0, 0, 0, 1, 1, 2, 3, 3, 3]
    terms = []
    for i, anchor in enumerate(vectors):
        others = [j for j in range(9) if j != i]
        total = sum(np.exp(anchor @ vectors[j] / 0.07) for j in others)
        same = [j for j in others if classes[j] == classes[i]]
        if same:
            shares = [np.exp(anchor @ vectors[j] / 0.07) / total for j in same]
            terms.append(-np.mean(np.log(shares)))
    loss = code.prototypes.supervised_contrast(torch.tensor(vectors), torch.tensor(classes))
    assert float(loss) == pytest.approx(float(np.mean(terms)))
    alone = code.prototypes.supervised_contrast(
        torch.tensor(vectors[:3], requires_grad=True), torch.tensor([0, 1, 2])
    )
    alone.backward()
    assert float(alone.detach()) == 0.0


@pytest.mark.parametrize("true_temperature", [0.25, 1.0, 4.0])
def test_calibration_finds_the_temperature_that_data_were_made_with(
    code: SimpleNamespace, true_temperature: float
) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(4000, 6)) * 2
    shares = np.exp(logits / true_temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    truth = [int(rng.choice(6, p=row)) for row in shares]
    found = code.calibration.calibrate(logits, truth, "made up")
    assert found.temperature == pytest.approx(true_temperature, rel=0.1)
    assert found.error_after < 0.03
    assert found.rows == 4000
    sharp = np.exp(logits / found.temperature)
    best = (sharp / sharp.sum(axis=1, keepdims=True)).max(axis=1)
    assert np.mean(best < found.threshold) == pytest.approx(0.05, abs=0.002)


def test_out_of_fold_logits_come_from_heads_that_did_not_see_the_text(
    code: SimpleNamespace,
) -> None:
    # Labels are noise, so a head is right about its own rows and at chance about others.
    rng = np.random.default_rng(2)
    embeddings = rng.normal(size=(200, 64)).astype(np.float32)
    labels = [f"label {n % 10}" for n in range(200)]

    def fit(x: object, y: object) -> object:
        return code.classifier.fit_head(x, y, 10.0)

    own = fit(embeddings, labels)
    assert np.mean(own.predict(embeddings) == np.array(labels)) == 1.0  # type: ignore[attr-defined]
    logits, truth = code.calibration.out_of_fold(fit, embeddings, labels, 200, 0)
    assert logits.shape == (200, 10)
    assert np.mean(logits.argmax(axis=1) == np.array(truth)) < 0.3


def test_labels_of_a_single_example_are_never_held_out(code: SimpleNamespace) -> None:
    rng = np.random.default_rng(3)
    embeddings = rng.normal(size=(7, 4)).astype(np.float32)

    def fit(x: object, y: object) -> object:
        return code.classifier.fit_head(x, y, 1.0)

    assert code.calibration.out_of_fold(fit, embeddings[:3], ["a", "b", "c"], 3, 0) is None
    labels = ["a", "a", "a", "b", "b", "b", "single"]
    logits, truth = code.calibration.out_of_fold(fit, embeddings, labels, 7, 0)
    assert sorted(truth) == [0, 0, 0, 1, 1, 1]
    assert np.isfinite(logits).all()
    # Two labels, for which scikit-learn has one column of decisions only.
    logits, truth = code.calibration.out_of_fold(fit, embeddings[:6], labels[:6], 6, 0)
    assert logits.shape == (6, 2)


def test_development_rows_are_taken_from_every_label_that_can_spare_one(
    code: SimpleNamespace,
) -> None:
    labels = ["a"] * 10 + ["b"] * 2 + ["c"]
    examples = code.examples.Examples(
        Path("train.csv"), "0" * 64, [f"text {n}" for n in range(13)], labels
    )
    left, held = examples.split(0.2, seed=5)
    assert Counter(held.labels) == {"a": 2, "b": 1}
    assert Counter(left.labels) == {"a": 8, "b": 1, "c": 1}
    assert not set(left.texts) & set(held.texts)
    assert examples.split(0.2, seed=5) == (left, held)
    single = examples.subset([0, 10, 12])
    with pytest.raises(code.examples.DataError, match="every label has a single one"):
        single.split(0.2, seed=0)


def test_the_recorded_split_is_disjoint_and_complete() -> None:
    path = ROOT / "data" / "results" / "banking77_split.json"
    recorded = json.loads(path.read_text(encoding="utf-8"))
    rows = recorded["held_out"] + recorded["development"] + recorded["pool"]
    assert sorted(rows) == list(range(10_003))
    if not REAL_DATA.is_file():
        pytest.skip("the real BANKING77 is not at ../shared/data: its labels are not compared")
    assert hashlib.sha256(REAL_DATA.read_bytes()).hexdigest() == recorded["source_sha256"]
    with imported_from(BENCHMARKS, "banking77.split") as code:
        split = getattr(code, "banking77.split")
        texts, labels = split.read(REAL_DATA)
        assert len(set(texts)) == len(texts)
        made = split.parts(labels)
        assert made == {name: recorded[name] for name in made}
        data = split.load(REAL_DATA)
        drawn = data.draw(8, 0)
        assert set(Counter(labels[row] for row in drawn).values()) == {8}
        assert set(drawn) <= set(data.pool)

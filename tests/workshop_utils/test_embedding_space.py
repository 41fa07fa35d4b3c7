"""Sentences before and after training, seen from the same side."""

from io import BytesIO

import numpy as np
import pytest

from workshop_utils import embedding_space, plots

LABELS = ["a", "a", "b", "b", "c", "c"]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def mixed() -> np.ndarray:
    corners = np.eye(5)[[0, 1, 0, 1, 2, 3]]
    return unit(corners + np.random.default_rng(0).normal(size=(6, 5)) * 0.01)


@pytest.fixture
def sorted_out() -> np.ndarray:
    corners = np.eye(5)[[0, 0, 1, 1, 2, 2]]
    return unit(corners + np.random.default_rng(1).normal(size=(6, 5)) * 0.01)


def test_training_that_sorts_sentences_is_seen(mixed: np.ndarray, sorted_out: np.ndarray) -> None:
    space = embedding_space.project(mixed, sorted_out, LABELS, ["a", "b"])
    assert len(space.points) == 8
    assert set(space.points["label"]) == {"a", "b"}
    assert space.own_neighbours == {"before": 0.0, "after": 1.0}
    after = space.points[space.points["when"] == "after"].groupby("label")[["x", "y"]]
    gap = np.linalg.norm(after.mean().loc["a"] - after.mean().loc["b"])
    assert gap == pytest.approx(np.sqrt(2), abs=0.1)  # the plane holds what sets them apart
    assert after.std().to_numpy().max() < 0.1


def test_what_did_not_move_stays_where_it_was(mixed: np.ndarray) -> None:
    space = embedding_space.project(mixed, mixed, LABELS, ["a", "b", "c"])
    before, after = (
        space.points[space.points["when"] == when][["x", "y"]].to_numpy()
        for when in ("before", "after")
    )
    np.testing.assert_allclose(before, after)
    figure = plots.embedding_space(space)
    assert [len(axes.collections) for axes in figure.axes] == [3, 3]
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_embeddings_of_other_sentences_are_refused(mixed: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"shapes \(6, 5\) and \(5, 5\) for 6 labels"):
        embedding_space.project(mixed, mixed[:5], LABELS, ["a"])
    with pytest.raises(ValueError, match="Only 2 sentences have one of a"):
        embedding_space.project(mixed, mixed, LABELS, ["a"])

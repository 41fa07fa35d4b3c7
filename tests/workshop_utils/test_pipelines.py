"""The lab's pipeline, with a tiny encoder and easy data, really run by a local server."""

import dataclasses
import json
from collections.abc import Iterator

import pandas as pd
import pytest

from tests import tiny_models
from workshop_utils import cleanup, model_registry, pipelines, sentiment
from workshop_utils.pipeline_recipe import Recipe
from workshop_utils.pipelines import Execution, Pipeline, PipelineFailed
from workshop_utils.session import Session

pytestmark = pytest.mark.slow

NAME = "test-pipelines"
WORDS = {"positive": "aaa", "negative": "zzz"}


def _rows(count: int, salt: str) -> pd.DataFrame:
    rows = [
        {"text": f"{word} {salt} {number}", "label": label}
        for number in range(count)
        for label, word in WORDS.items()
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def recipe(ws: Session, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    for split, count in (("train", 24), ("test", 20)):
        content = _rows(count, split[:2]).to_csv(index=False).encode()
        ws.upload(content, NAME, split, f"{split}.csv")
    encoder = tiny_models.encoder(tmp_path_factory.mktemp("encoder"))
    for path in encoder.rglob("*"):
        if path.is_file():
            ws.upload(path, NAME, "encoder", path.relative_to(encoder).as_posix())
    ws.upload(b"none", NAME, "no-champion", "README.txt")
    ws.upload(b"none", NAME, "reviews", "README.txt")
    return Recipe(
        name=NAME,
        group=NAME,
        base=ws.uri(NAME, "train/"),
        test=ws.uri(NAME, "test/"),
        encoder=ws.uri(NAME, "encoder/"),
        reviews=ws.uri(NAME, "reviews/"),
        no_champion=ws.uri(NAME, "no-champion/"),
        retry_seconds=1,
        hyperparameters={"epochs": 20, "learning-rate": 0.01, "trained-layers": 1.0},
    )


@pytest.fixture(scope="module")
def pipeline(ws: Session, recipe: Recipe) -> Iterator[Pipeline]:
    yield pipelines.upsert(ws, recipe)
    ws.client("sagemaker").delete_pipeline(PipelineName=NAME)
    model_registry.delete(ws, NAME)


@pytest.fixture(scope="module")
def first(ws: Session, pipeline: Pipeline) -> Execution:
    """Return an execution whose training job was refused twice."""
    ws.break_on_purpose("CreateTrainingJob", "ResourceLimitExceeded", times=5)
    # What an earlier call left is forgotten.
    assert ws.break_on_purpose("CreateTrainingJob", "ResourceLimitExceeded", times=2)
    execution = sentiment.learn(pipeline)
    execution.follow()
    return execution


def test_refused_jobs_are_tried_again(first: Execution) -> None:
    table = first.table().set_index("step")
    assert list(table.index) == ["Prepare", "Train", "Evaluate", "NotWorse", "Register"]
    assert set(table["status"]) == {"Succeeded"}
    assert (table.loc["Train", "attempts"], table.loc["Evaluate", "attempts"]) == (3, 1)
    # One second, then two.
    assert table.loc["Train", "seconds"] > 3


def test_what_the_steps_wrote_is_read(first: Execution) -> None:
    assert first.prepared()["train"]["rows"] == 48
    evaluation = first.evaluation()
    assert (evaluation.rows, evaluation.champion_accuracy) == (40, None)
    assert evaluation.accuracy > 0.9
    assert first.parameters()["ReviewsVersion"] == "no-answers"


def test_the_version_waits_for_approval_and_has_its_figures(ws: Session, first: Execution) -> None:
    arn = first.model_package()
    assert arn is not None
    version = model_registry.version(ws, arn)
    assert version.approval == "PendingManualApproval"
    assert version.evaluation() == first.evaluation()
    assert version.model_data.endswith("/model.tar.gz")


def test_an_execution_with_the_same_values_is_found(pipeline: Pipeline, first: Execution) -> None:
    assert sentiment.learn(pipeline) == first
    assert len(pipeline.history()) == 1
    page = first._repr_html_()
    assert "Succeeded" in page
    assert "version 1" in page


def test_clean_up_finds_everything_that_an_execution_made(ws: Session, first: Execution) -> None:
    found = {(one.kind, one.name) for one in cleanup.leftovers(ws)}
    jobs = {name for kind, name in found if kind in ("training-job", "processing-job")}
    made = {step.job for step in first.steps() if step.job is not None}
    assert made
    assert made <= jobs
    assert found >= {
        ("pipeline", NAME),
        ("model-package-group", NAME),
        ("model-package", f"{NAME}/1"),
        ("experiment", NAME),
        ("experiment-trial", first.name),
    }
    components = {name for kind, name in found if kind == "experiment-trial-component"}
    for job in made:
        assert any(name.startswith(job.lower()) for name in components), job


def test_a_pipeline_that_is_as_it_should_be_is_left_alone(
    ws: Session, recipe: Recipe, pipeline: Pipeline
) -> None:
    client = ws.client("sagemaker")
    before = client.describe_pipeline(PipelineName=NAME)
    assert pipelines.upsert(ws, recipe) == pipeline
    assert client.describe_pipeline(PipelineName=NAME) | {"ResponseMetadata": 0} == before | {
        "ResponseMetadata": 0
    }
    assert dataclasses.replace(recipe, retry_seconds=2).digest() != recipe.digest()


def test_a_worse_candidate_is_not_registered_and_says_so_in_figures(
    ws: Session, pipeline: Pipeline, first: Execution
) -> None:
    champion = model_registry.version(ws, str(first.model_package())).decide("Approved", "good")
    for number, (text, label) in enumerate(_rows(24, "tr").itertuples(index=False)):
        _answer(ws, str(number), text, "Negative" if label == "positive" else "Positive")
    _answer(ws, "unclear", "what is this", "Not clear")
    ws.upload(b"{", NAME, "reviews", "flow", "torn", "output.json")
    second = sentiment.learn(pipeline)
    assert second != first
    with pytest.raises(PipelineFailed) as failed:
        second.follow()
    assert "worse than the champion beyond noise" in str(failed.value)
    assert "95 % interval from -1" in str(failed.value)
    assert second.parameters()["Champion"] == champion.model_data
    reviews = second.prepared()["reviews"]
    assert (reviews["used"], reviews["not_clear_dropped"]) == (48, 1)
    assert len(reviews["broken_files"]) == 1
    assert second.model_package() is None
    assert [one.number for one in model_registry.versions(ws, NAME)] == [1]
    # A failed execution may be started again; what it had done is taken from it.
    again = sentiment.learn(pipeline)
    assert again != second
    with pytest.raises(PipelineFailed):
        again.follow()
    cached = [step.name for step in again.steps() if step.cached]
    assert cached == ["Prepare", "Train", "Evaluate"]


def test_what_is_not_there_is_told(pipeline: Pipeline, first: Execution) -> None:
    del pipeline
    with pytest.raises(PipelineFailed, match="no output 'plots' of Prepare"):
        first._output("Prepare", "plots")


def _answer(ws: Session, loop: str, text: str, label: str) -> None:
    output = {
        "flowDefinitionArn": "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/f",
        "humanAnswers": [
            {
                "acceptanceTime": "2026-11-29T12:00:00.000Z",
                "answerContent": {"category": {"label": label}},
                "submissionTime": "2026-11-29T12:00:05.000Z",
                "timeSpentInSeconds": 5.0,
                "workerId": "0123456789abcdef",
            }
        ],
        "humanLoopName": loop,
        "inputContent": {"taskObject": text},
    }
    ws.upload(json.dumps(output).encode(), NAME, "reviews", "flow", loop, "output.json")

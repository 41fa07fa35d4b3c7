"""One real few-shot job on a handful of intents, and everything that is read from it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from botocore.exceptions import ClientError

from workshop_utils import datasets, display, endpoints, estimators, experiments, models, reports
from workshop_utils.endpoints import Endpoint, EndpointFailed
from workshop_utils.estimators import JobFailed
from workshop_utils.session import Session

pytestmark = pytest.mark.slow

INTENTS = ["activate_my_card", "age_limit", "exchange_rate", "change_pin", "request_refund"]
EXPERIMENT = "test-few-shot"


def _small(frame: pd.DataFrame) -> bytes:
    return frame[frame["label"].isin(INTENTS)].to_csv(index=False).encode()


@pytest.fixture(scope="module")
def channels(ws: Session) -> dict[str, str]:
    data = datasets.banking77()
    return {
        "train": ws.upload(_small(datasets.few_shot(data.train, 4)), "small", "train", "train.csv"),
        "test": ws.upload(_small(data.test), "small", "test", "test.csv"),
        "model": models.base_model(ws),
    }


@pytest.fixture(scope="module")
def job(ws: Session, channels: dict[str, str]) -> Any:
    with experiments.run(ws, EXPERIMENT, "first") as run:
        run.log_parameters({"shots": 4})
        trainer = estimators.huggingface_estimator(
            ws,
            estimators.SCRIPTS / "few_shot",
            hyperparameters={"seed": 3},
            environment=experiments.environment(run),
            instance_type="auto",
            keep_warm_seconds=60,
        )
        return estimators.train(ws, trainer, channels)


@pytest.fixture(scope="module")
def endpoint(ws: Session, job: Any) -> Iterator[Endpoint]:
    deployed = endpoints.deploy(ws, job.model_artifacts.s3_model_artifacts)
    yield deployed
    deployed.delete()


def test_a_job_ends_with_metrics_and_carries_the_workshops_name_and_tags(
    ws: Session, job: Any
) -> None:
    assert job.training_job_status == "Completed"
    assert job.training_job_name.startswith("nlp-workshop-few-shot-")
    assert job.resource_config.keep_alive_period_in_seconds == 60
    metrics = estimators.final_metrics(job)
    assert metrics["train:rows"] == 20
    assert metrics["test:accuracy"] > 0.8
    tags = ws.client("sagemaker").list_tags(ResourceArn=job.training_job_arn)["Tags"]
    assert {"Key": "workshop", "Value": "nlp-workshop"} in tags


def test_a_job_is_found_by_what_went_into_it(
    ws: Session, job: Any, channels: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = job.training_job_name
    assert estimators.started(ws, channels, {"seed": 3}) == name
    assert estimators.started(ws, channels, {"seed": 4}) is None
    assert estimators.started(ws, channels, {}) is None
    assert estimators.started(ws, channels | {"train": channels["test"]}, {"seed": 3}) is None
    # Whoever follows it later sees all of it.
    again = estimators.follow(ws, name, expected=5)
    assert again.training_job_arn == job.training_job_arn
    assert "stage=done" in capsys.readouterr().out


def test_the_run_has_what_the_notebook_and_the_job_logged(ws: Session, job: Any) -> None:
    table = experiments.table(ws, EXPERIMENT)
    assert list(table.index) == ["first"]
    row = table.loc["first"]
    assert row["shots"] == 4
    # The files of the run lie below the lab's prefix, where clean-up finds them.
    listed = ws.client("s3").list_objects_v2
    assert listed(Bucket=ws.bucket, Prefix=f"{ws.prefix}/runs/")["KeyCount"] > 0
    assert listed(Bucket=ws.bucket, Prefix="trial-component-artifacts/")["KeyCount"] == 0
    assert row["seed"] == 3
    assert row["test:accuracy"] == pytest.approx(estimators.final_metrics(job)["test:accuracy"])


def test_an_experiment_that_is_not_there_is_named(ws: Session) -> None:
    with pytest.raises(LookupError, match="no experiment 'nobody-ever-ran-this'"):
        experiments.table(ws, "nobody-ever-ran-this")


def test_the_report_agrees_with_the_metrics(ws: Session, job: Any) -> None:
    report = reports.of_job(ws, job)
    assert set(report.by_label.index) == set(INTENTS)
    rows = int(report.by_label["support"].sum())
    assert report.accuracy == pytest.approx(1 - len(report.errors) / rows)
    assert report.picture.startswith(b"\x89PNG")
    assert report.confusions()["rows"].sum() == len(report.errors)
    pairs = report.confused_pairs(datasets.banking77().train, count=100)
    assert pairs["rows"].sum() == len(report.errors)
    assert set(pairs["question"]) <= set(report.errors["text"])
    assert report.embeddings is not None
    assert report.embeddings.shape == (rows, 384)
    assert "Accuracy" in report._repr_html_()


def test_a_base_model_is_sent_once(ws: Session) -> None:
    with display.requests() as seen:
        again = models.base_model(ws)
    assert again.endswith("/")
    assert len(seen.of("PutObject", "CreateMultipartUpload", "UploadPart")) == 0


def test_another_base_model_needs_the_hub_and_says_so(ws: Session) -> None:
    with pytest.raises(models.ModelError, match="HF_HUB_OFFLINE is set"):
        models.base_model(ws, "sentence-transformers/paraphrase-mpnet-base-v2")


def test_a_failed_job_raises_with_the_scripts_own_words(
    ws: Session, tmp_path: Path, channels: dict[str, str]
) -> None:
    (tmp_path / "train.py").write_text("raise ValueError('the cat sat on the data')\n")
    trainer = estimators.huggingface_estimator(ws, tmp_path, instance_type="ml.m5.xlarge")
    with pytest.raises(JobFailed, match="the cat sat on the data"):
        estimators.train(ws, trainer, {"train": channels["train"]}, quiet=True)


def test_a_job_whose_script_never_started_shows_what_came_before(
    ws: Session, tmp_path: Path, channels: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.py").write_text("print('never reached')\n")
    (tmp_path / "requirements.txt").write_text("nobody-wrote-this-package\n")
    trainer = estimators.huggingface_estimator(ws, tmp_path, instance_type="ml.m5.xlarge")
    with pytest.raises(JobFailed, match="nobody-wrote-this-package"):
        estimators.train(ws, trainer, {"train": channels["train"]})
    shown = capsys.readouterr().out.partition("The script did not start")[2]
    assert "Installing requirements" in shown
    assert "nobody-wrote-this-package" in shown
    assert "SM_" not in shown


def test_an_entry_point_that_is_not_there_is_named(ws: Session, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.py does not exist"):
        estimators.huggingface_estimator(ws, tmp_path, entry_point="nowhere.py")


def test_an_endpoint_answers_one_text_several_and_the_best_few(endpoint: Endpoint) -> None:
    (one,) = endpoint.predict("i want my money back for these shoes")
    assert one["label"] == "request_refund"
    several = endpoint.predict(["how old must I be", "switch my pin"])
    assert [answer["label"] for answer in several] == ["age_limit", "change_pin"]
    best = endpoint.predict("how old must I be", top_k=2)
    assert len(best) == 2
    assert best[0]["score"] > best[1]["score"]
    assert endpoint.predict([]) == []


def test_latencies_are_measured_one_by_one(endpoint: Endpoint) -> None:
    assert len(endpoint.latencies("switch my pin", 5)) == 5
    assert min(endpoint.latencies("switch my pin", 5)) > 0


def test_deploying_the_same_again_finds_the_endpoint(
    ws: Session, job: Any, endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    again = endpoints.deploy(ws, job.model_artifacts.s3_model_artifacts)
    assert again.name == endpoint.name
    assert "already in service" in capsys.readouterr().out


def test_an_endpoint_comes_up_while_nobody_waits(
    ws: Session, job: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = job.model_artifacts.s3_model_artifacts
    deployed = endpoints.deploy(ws, archive, environment={"ALONE": "1"}, wait=False)
    assert deployed.status() in ("Creating", "InService")
    # The same cell run again finds it, whatever it is doing.
    again = endpoints.deploy(ws, archive, environment={"ALONE": "1"}, wait=False)
    assert again.name == deployed.name
    assert "already" in capsys.readouterr().out
    (answer,) = deployed.wait(expected=2).predict("switch my pin")
    assert answer["label"] == "change_pin"
    deployed.delete()
    with pytest.raises(EndpointFailed, match="There is no endpoint"):
        deployed.wait()


def test_one_that_nobody_waited_for_says_afterwards_why_it_failed(
    ws: Session, tmp_path: Path
) -> None:
    import tarfile

    code = tmp_path / "inference.py"
    code.write_text("def model_fn(model_dir):\n    raise RuntimeError('torn weights')\n")
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(code, "code/inference.py")
    uri = ws.upload(archive, "torn", "model.tar.gz")
    deployed = endpoints.deploy(ws, uri, name="torn", wait=False)
    with pytest.raises(EndpointFailed, match="torn weights"):
        deployed.wait()
    assert deployed.status() is None


def test_a_model_that_does_not_load_says_why_and_leaves_nothing(
    ws: Session, tmp_path: Path
) -> None:
    import tarfile

    code = tmp_path / "inference.py"
    code.write_text("def model_fn(model_dir):\n    raise RuntimeError('no such weights')\n")
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(code, "code/inference.py")
    uri = ws.upload(archive, "broken", "model.tar.gz")
    with pytest.raises(EndpointFailed, match="no such weights") as failure:
        endpoints.deploy(ws, uri, name="broken")
    name = str(failure.value).split()[0]
    with pytest.raises(ClientError, match="Could not find"):
        ws.client("sagemaker").describe_model(ModelName=name)


def test_deleting_twice_is_fine(ws: Session, job: Any) -> None:
    deployed = endpoints.deploy(
        ws, job.model_artifacts.s3_model_artifacts, environment={"TWICE": "1"}
    )
    deployed.delete()
    deployed.delete()
    with pytest.raises(ClientError, match="Could not find"):
        ws.client("sagemaker").describe_endpoint_config(EndpointConfigName=deployed.name)

"""The SageMaker SDK's own experiment classes, unmodified, against a real server."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from sagemaker.core import resources
from sagemaker.core.analytics import ArtifactAnalytics, ExperimentAnalytics
from sagemaker.core.experiments import Experiment, Run
from sagemaker.core.experiments.run import SortByType, SortOrderType, list_runs, load_run
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.lineage.artifact import Artifact
from sagemaker.core.lineage.association import Association

from local_sagemaker import LocalSageMaker


@pytest.fixture(scope="module")
def session(local: LocalSageMaker) -> Session:
    return Session(sagemaker_client=boto3.client("sagemaker", endpoint_url=local.url))


@pytest.fixture
def client(session: Session) -> Any:
    return session.sagemaker_client


@pytest.fixture
def unique() -> Callable[[str], str]:
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}-{suffix}"


def parameters(client: Any, component: str) -> dict[str, Any]:
    shown = client.describe_trial_component(TrialComponentName=component)["Parameters"]
    return {key: next(iter(value.values())) for key, value in shown.items()}


def last_values(client: Any, component: str) -> dict[str, tuple[int, float]]:
    shown = client.describe_trial_component(TrialComponentName=component)["Metrics"]
    return {metric["MetricName"]: (metric["Count"], metric["Last"]) for metric in shown}


def test_a_run_keeps_what_was_logged(session, client, unique):
    with Run(unique("Banking"), "Shots-8", sagemaker_session=session) as run:
        run.log_parameter("shots", 8)
        run.log_parameters({"base": "minilm", "lr": 0.1})
        run.log_artifact("data", "s3://bucket/train.csv", media_type="text/csv", is_output=False)
        for step in range(25):
            run.log_metric("accuracy", step / 25, step=step)
        run.log_metric("loss", 0.5)
    component = f"{unique('banking')}-shots-8"
    assert run.experiment_config["RunName"] == component
    assert parameters(client, component) == {"shots": 8, "base": "minilm", "lr": 0.1}
    assert last_values(client, component) == {"accuracy": (25, 0.96), "loss": (1, 0.5)}
    shown = client.describe_trial_component(TrialComponentName=component)
    assert shown["Status"]["PrimaryStatus"] == "Completed"
    assert shown["InputArtifacts"]["data"]["Value"] == "s3://bucket/train.csv"
    assert shown["StartTime"] <= shown["EndTime"]


def test_loading_a_run_never_wipes_it(session, client, unique):
    experiment = unique("keep")
    with Run(experiment, "one", sagemaker_session=session) as run:
        run.log_parameters({"shots": 8, "lr": 0.1})
        run.log_metric("accuracy", 0.5, step=0)
    for value in (0.6, 0.7):
        with load_run("one", experiment, sagemaker_session=session) as run:
            run.log_metric("accuracy", value, step=1)
            run.log_parameter("lr", 0.2)
    with Run(experiment, "one", sagemaker_session=session) as run:
        run.log_parameter("again", "yes")
    component = f"{experiment}-one"
    assert parameters(client, component) == {"shots": 8, "lr": 0.2, "again": "yes"}
    assert last_values(client, component) == {"accuracy": (3, 0.7)}
    assert (
        len(client.list_trial_components(ExperimentName=experiment)["TrialComponentSummaries"]) == 1
    )


def test_a_run_is_loaded_from_the_block_around_it(session, client, unique):
    with Run(unique("nested"), "one", sagemaker_session=session) as run:
        run.log_parameter("outer", 1)
        with load_run(sagemaker_session=session) as same:
            assert same is run
            same.log_parameter("inner", 2)
    assert parameters(client, f"{unique('nested')}-one") == {"outer": 1, "inner": 2}


def test_a_run_that_raises_is_failed_and_says_why(session, client, unique):
    with (
        pytest.raises(RuntimeError, match="no data"),
        Run(unique("sad"), "one", sagemaker_session=session),
    ):
        raise RuntimeError("no data")
    shown = client.describe_trial_component(TrialComponentName=f"{unique('sad')}-one")
    assert shown["Status"] == {"PrimaryStatus": "Failed", "Message": "no data"}


JOB = """
import sys
from sagemaker.core.experiments.run import load_run

experiment, run = sys.argv[1:]
with load_run(run_name=run, experiment_name=experiment) as loaded:
    loaded.log_parameter("epochs", 3)
    for step in range(12):
        loaded.log_metric("loss", 1 / (1 + step), step=step)
"""


@pytest.mark.slow
def test_a_job_logs_to_the_run_that_the_notebook_holds_open(
    session, client, local, unique, tmp_path: Path
):
    experiment = unique("job")
    script = tmp_path / "train.py"
    script.write_text(JOB)
    with Run(experiment, "one", sagemaker_session=session) as run:
        run.log_parameter("shots", 8)
        run.log_metric("before", 1.0, step=0)
        done = subprocess.run(
            [sys.executable, script, experiment, "one"],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | local.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        run.log_metric("after", 2.0, step=1)
    component = f"{experiment}-one"
    assert parameters(client, component) == {"shots": 8, "epochs": 3}
    assert last_values(client, component) == {
        "before": (1, 1.0),
        "after": (1, 2.0),
        "loss": (12, pytest.approx(1 / 12)),
    }


TRAINING = """
from sagemaker.core.experiments.run import load_run

with load_run() as run:
    run.log_parameter("epochs", 3)
    run.log_metric("loss", 0.25, step=0)
"""


@pytest.mark.slow
def test_a_training_job_loads_the_run_of_its_experiment_config(session, client, unique):
    bucket = session.default_bucket()
    with Run(unique("config"), "one", sagemaker_session=session) as run:
        run.log_parameter("shots", 8)
        client.create_training_job(
            TrainingJobName=unique("job"),
            AlgorithmSpecification={
                "TrainingImage": "111122223333.dkr.ecr.us-east-1.amazonaws.com/any:1",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "-c", TRAINING],
            },
            RoleArn=session.get_caller_identity_arn(),
            OutputDataConfig={"S3OutputPath": f"s3://{bucket}/out"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 600},
            ExperimentConfig=run.experiment_config,
        )
        waiter = client.get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName=unique("job"), WaiterConfig={"Delay": 1, "MaxAttempts": 600})
    job = client.describe_training_job(TrainingJobName=unique("job"))
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    component = f"{unique('config')}-one"
    assert parameters(client, component) == {"shots": 8, "epochs": 3}
    assert last_values(client, component) == {"loss": (1, 0.25)}
    found = client.search(
        Resource="TrainingJob",
        SearchExpression={
            "Filters": [{"Name": "ExperimentConfig.ExperimentName", "Value": unique("config")}]
        },
    )["Results"]
    assert [result["TrainingJob"]["TrainingJobName"] for result in found] == [unique("job")]


def test_list_runs(session, client, unique):
    experiment = unique("list")
    for name in ("b", "a", "c"):
        with Run(experiment, name, sagemaker_session=session):
            pass
    # Not a run: it lacks the tag that Run gives its components.
    client.create_trial_component(TrialComponentName=unique("by-hand"))
    client.associate_trial_component(
        TrialName=f"Default-Run-Group-{experiment}", TrialComponentName=unique("by-hand")
    )
    listed = list_runs(experiment, sagemaker_session=session)
    assert [run.run_name for run in listed] == ["c", "a", "b"]
    named = list_runs(
        experiment,
        sagemaker_session=session,
        sort_by=SortByType.NAME,
        sort_order=SortOrderType.ASCENDING,
        max_results=2,
    )
    assert [run.run_name for run in named] == ["a", "b", "c"]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert list_runs(experiment, created_after=tomorrow, sagemaker_session=session) == []


def test_experiment_analytics_is_a_table_of_runs(session, unique):
    experiment = unique("table")
    for number in range(12):
        with Run(experiment, f"r{number:02d}", sagemaker_session=session) as run:
            run.log_parameters({"shots": number, "base": "minilm"})
            run.log_metric("acc", number / 12, step=0)
            run.log_metric("acc", number / 24, step=1)
    table = ExperimentAnalytics(
        experiment_name=experiment,
        sort_by="metrics.acc.max",
        sort_order="Ascending",
        sagemaker_session=session,
    ).dataframe()
    assert list(table["shots"]) == list(range(12))
    assert list(table["acc - Count"]) == [2] * 12
    assert table["acc - Max"].tolist() == pytest.approx([n / 12 for n in range(12)])
    assert table["Experiments"].tolist() == [[experiment]] * 12
    best = ExperimentAnalytics(
        experiment_name=experiment,
        search_expression={
            "Filters": [
                {"Name": "Metrics.acc.Max", "Operator": "GreaterThan", "Value": "0.8"},
                {"Name": "Parameters.base", "Operator": "Equals", "Value": "minilm"},
            ]
        },
        parameter_names=["shots"],
        metric_names=["acc"],
        sagemaker_session=session,
    ).dataframe()
    assert set(best["shots"]) == {10, 11}
    assert "base" not in best


def test_deleting_an_experiment_with_all_it_holds(session, client, unique, monkeypatch):
    experiment = unique("gone")
    for name in ("a", "b"):
        with Run(experiment, name, sagemaker_session=session) as run:
            run.log_metric("loss", 1.0)
    # The SDK waits 1.2 s after each call so as not to be throttled; nothing here throttles.
    monkeypatch.setattr(time, "sleep", lambda _: None)
    Experiment.load(experiment, sagemaker_session=session)._delete_all("--force")
    names = [e["ExperimentName"] for e in client.list_experiments()["ExperimentSummaries"]]
    assert experiment not in names
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.describe_trial_component(TrialComponentName=f"{experiment}-a")


def test_charts_and_files_become_artifacts_and_lineage(session, client, unique, tmp_path: Path):
    experiment, title = unique("charts"), unique("matrix")
    report = tmp_path / "report.txt"
    report.write_text("fine")
    # Twice: logging the same chart to the same run again must work too.
    for _ in range(2):
        with Run(experiment, "one", sagemaker_session=session) as run:
            run.log_confusion_matrix([0, 1, 1], [0, 1, 0], title=title)
            run.log_roc_curve([0, 1], [0.2, 0.8], title=unique("roc"), is_output=False)
            run.log_file(str(report), name="report")
    shown = client.describe_trial_component(TrialComponentName=f"{experiment}-one")
    assert shown["OutputArtifacts"]["report"]["Value"].endswith("/report.txt")
    arn = shown["TrialComponentArn"]
    produced = list(Association.list(source_arn=arn, sagemaker_session=session))
    assert [(a.destination_type, a.association_type) for a in produced] == [
        ("ConfusionMatrix", "Produced")
    ]
    used = list(Association.list(destination_arn=arn, sagemaker_session=session))
    assert [(a.source_type, a.association_type) for a in used] == [("ROCCurve", "ContributedTo")]
    chart = Artifact.load(produced[0].destination_arn, sagemaker_session=session)
    assert chart.artifact_name == title
    bucket, _, key = chart.source.source_uri.removeprefix("s3://").partition("/")
    content = session.boto_session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert b"confusionMatrix" in content


def test_the_lineage_classes(session, unique):
    uri = unique("s3://bucket/set")
    made = Artifact.create(
        artifact_name=unique("set"),
        source_uri=uri,
        artifact_type="DataSet",
        properties={"rows": "924"},
        sagemaker_session=session,
    )
    model = Artifact.create(source_uri=uri + "/m", artifact_type="Model", sagemaker_session=session)
    Association.create(made.artifact_arn, model.artifact_arn, "DerivedFrom", session)
    made.properties = {"rows": "900"}
    made.save()
    table = ArtifactAnalytics(source_uri=uri, sagemaker_session=session).dataframe()
    assert table["ArtifactArn"].tolist() == [made.artifact_arn]
    loaded = Artifact.load(made.artifact_arn, sagemaker_session=session)
    assert loaded.properties == {"rows": "900"}
    loaded.delete(disassociate=True)
    model.delete()
    assert list(Artifact.list(source_uri=uri, sagemaker_session=session)) == []


def test_the_resource_classes(session, client, unique):
    boto = session.boto_session
    experiment = resources.Experiment.create(experiment_name=unique("exp"), session=boto)
    trial = resources.Trial.create(
        trial_name=unique("trial"), experiment_name=unique("exp"), session=boto
    )
    component = resources.TrialComponent.create(
        trial_component_name=unique("comp"),
        parameters={"lr": {"number_value": 0.1}},
        session=boto,
    )
    component.associate_trail(trial_name=unique("trial"), session=boto)
    now = int(time.time())
    component.batch_put_metrics(
        metric_data=[{"metric_name": "acc", "timestamp": now, "value": 0.5, "step": 0}],
        session=boto,
    )
    loaded = resources.TrialComponent.get(trial_component_name=unique("comp"), session=boto)
    assert loaded.parameters["lr"].number_value == 0.1
    assert loaded.metrics[0].last == 0.5
    inside = list(resources.TrialComponent.get_all(trial_name=unique("trial"), session=boto))
    assert [c.trial_component_name for c in inside] == [unique("comp")]
    trials = list(resources.Trial.get_all(experiment_name=unique("exp"), session=boto))
    assert [t.trial_name for t in trials] == [unique("trial")]
    experiment.update(description="why")
    assert resources.Experiment.get(unique("exp"), session=boto).description == "why"
    component.disassociate_trail(trial_name=unique("trial"), session=boto)
    component.delete()
    trial.delete()
    experiment.delete()
    with pytest.raises(client.exceptions.ResourceNotFound):
        client.describe_experiment(ExperimentName=unique("exp"))

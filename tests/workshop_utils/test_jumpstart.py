"""JumpStart models on the local SageMaker: found, described, built and deployed by the SDK."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from local_sagemaker import LocalSageMaker
from tests import tiny_models
from workshop_utils import batch, display, hub_models, jumpstart, zero_shot, zero_shot_models
from workshop_utils.endpoints import Serverless
from workshop_utils.hub_models import JumpStartError
from workshop_utils.instances import QuotaTooLow
from workshop_utils.jumpstart import Model, Security, WeightsMissing
from workshop_utils.session import Session, SessionError
from workshop_utils.zero_shot import Task
from workshop_utils.zero_shot_rows import Rows

TINY = "huggingface-zstc-workshop-even"
# Gives every label the same score, in JumpStart's dialect.
EVEN = """
import json

def model_fn(folder):
    return None

def transform_fn(model, data, content_type, accept):
    labels = json.loads(data)["candidate_labels"]
    return json.dumps({"labels": labels, "scores": [1 / len(labels)] * len(labels)}), accept
"""
KEY = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
VPC = Security(subnets=["subnet-0a1b2c3d"], security_groups=["sg-0a1b2c3d"])


@pytest.fixture(scope="module")
def tiny(local: LocalSageMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("even")
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(EVEN)
    local.publish_model(folder, TINY, license="MIT-0", description="Of next to no size.")
    yield TINY
    local.remove_model(TINY)


@contextlib.contextmanager
def built(ws: Session, model_id: str, **options: Any) -> Iterator[tuple[Model, display.Requests]]:
    """Build a model, show what was sent for it, and delete it."""
    with display.requests() as seen:
        model = jumpstart.build(ws, model_id, **options)
    try:
        yield model, seen
    finally:
        model.delete()


def sent(seen: display.Requests, operation: str) -> Any:
    [request] = seen.of(operation)
    return request.parameters


def test_models_are_found_by_keyword_and_task(ws: Session, tiny: str) -> None:
    found = hub_models.find(ws, "zstc").set_index("model_id")
    assert {jumpstart.BART, tiny} <= set(found.index)
    assert found.loc[tiny, "licence"] == "MIT-0"
    assert found.loc[tiny, "size"].endswith(" MB")
    assert found.loc[tiny, "instance"] == "ml.m5.xlarge"
    assert found.loc[jumpstart.BART, "licence"] == "MIT"
    assert "facebook/bart-large-mnli" in found.loc[jumpstart.BART, "size"]
    assert set(hub_models.find(ws, task="zstc")["model_id"]) == set(found.index)
    neo = hub_models.find(ws, "GPT Neo")
    assert list(neo["model_id"]) == ["huggingface-textgeneration1-gpt-neo-125m"]
    assert hub_models.find(ws, "GPT Neo", task="zstc").empty
    assert list(hub_models.find(ws, "nothing of the kind").columns) == list(neo.columns)


def test_a_model_says_what_it_is(ws: Session, tiny: str) -> None:
    about = hub_models.describe(ws, tiny)
    assert (about.task, about.licence, about.version) == ("zstc", "MIT-0", "1.0.0")
    assert about.size is not None
    shown = about._repr_html_()
    for part in (tiny, "Of next to no size", "MIT-0", "ml.m5.xlarge by default", "none"):
        assert part in shown


def test_what_is_not_in_the_hub_is_said(ws: Session) -> None:
    with pytest.raises(JumpStartError, match="has no huggingface-zstc-nobody"):
        hub_models.describe(ws, "huggingface-zstc-nobody")
    with pytest.raises(JumpStartError, match=r"no version 9\.9\.9 of"):
        hub_models.describe(ws, jumpstart.BART, "9.9.9")


def test_security_is_checked_first() -> None:
    with pytest.raises(JumpStartError, match="both subnets and security_groups"):
        Security(subnets=["subnet-1"])
    with pytest.raises(JumpStartError, match="pass a list"):
        Security(subnets="subnet-1", security_groups=["sg-1"])


def test_an_instance_type_that_the_model_does_not_run_on_is_refused(ws: Session, tiny: str) -> None:
    with pytest.raises(JumpStartError, match=r"does not run on ml\.t2\.medium, but on"):
        jumpstart.build(ws, tiny, instance_type="ml.t2.medium")


def test_an_agreement_has_to_be_accepted(
    ws: Session, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = replace(hub_models.describe(ws, tiny), eula="s3://somewhere/eula.txt")
    monkeypatch.setattr(jumpstart, "describe", lambda *_: about)
    with pytest.raises(JumpStartError, match=r"eula\.txt.*accept_eula=True"):
        jumpstart.build(ws, tiny)


@pytest.mark.slow
def test_weights_that_cannot_be_had_are_told_apart(ws: Session) -> None:
    with pytest.raises(WeightsMissing, match="facebook/bart-large-mnli"):
        jumpstart.build(ws, jumpstart.BART)


def test_nothing_is_published_to_the_hub_of_aws(ws: Session) -> None:
    on_aws = replace(ws, mode="aws", local=None)
    assert zero_shot_models.publish(on_aws) is False


def test_what_the_hub_refuses_is_said(ws: Session, tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="cannot be published"):
        ws.publish("no id", "x", lambda _: tmp_path, {})


@pytest.mark.slow
def test_a_model_is_built_once_with_everything_passed_on(ws: Session, tiny: str) -> None:
    role = ws.client("iam").create_role(
        RoleName="zero-shot-role",
        AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", '
        '"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}]}',
    )["Role"]["Arn"]
    policy = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
    ws.client("iam").attach_role_policy(RoleName="zero-shot-role", PolicyArn=policy)
    security = replace(VPC, role=role, kms_key=KEY, network_isolation=True)
    options: dict[str, Any] = {
        "security": security,
        "tags": {"team": "blue"},
        "environment": {"COLOUR": "blue"},
        "accept_eula": True,
    }
    with built(ws, tiny, **options) as (model, seen):
        request = sent(seen, "CreateModel")
        assert request["ExecutionRoleArn"] == role
        assert request["EnableNetworkIsolation"] is True
        assert request["VpcConfig"] == {
            "Subnets": ["subnet-0a1b2c3d"],
            "SecurityGroupIds": ["sg-0a1b2c3d"],
        }
        container = request["PrimaryContainer"]
        assert container["Environment"]["COLOUR"] == "blue"
        source = container["ModelDataSource"]["S3DataSource"]
        assert source["ModelAccessConfig"] == {"AcceptEula": True}
        for tag in [{"Key": "team", "Value": "blue"}, *ws.tags]:
            assert tag in request["Tags"]
        shown = model._repr_html_()
        assert role in shown
        assert KEY in shown
        with display.requests() as again:
            assert jumpstart.build(ws, tiny, **options) == model
        assert len(again.of("CreateModel")) == 0

        with display.requests() as seen:
            endpoint = jumpstart.deploy(model, serverless=Serverless())
        config = sent(seen, "CreateEndpointConfig")
        assert config["KmsKeyId"] == KEY
        assert {"Key": "team", "Value": "blue"} in config["Tags"]
        assert {"Key": "team", "Value": "blue"} in sent(seen, "CreateEndpoint")["Tags"]
        [variant] = config["ProductionVariants"]
        assert variant["InstanceType"] == "ml.m5.xlarge"
        assert "ServerlessConfig" not in variant
        assert endpoint.status() == "InService"
    assert endpoint.status() is None


@pytest.mark.slow
def test_a_model_answers_in_jumpstarts_dialect_and_is_deployed_once(
    ws: Session, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with built(ws, tiny) as (model, seen):
        request = sent(seen, "CreateModel")
        assert "VpcConfig" not in request
        assert not request.get("EnableNetworkIsolation")
        with display.requests() as seen:
            endpoint = jumpstart.deploy(model, serverless=Serverless(2048, 3))
        # Its data lies in S3 unpacked, as that of all newer JumpStart models.
        [variant] = sent(seen, "CreateEndpointConfig")["ProductionVariants"]
        assert variant["InstanceType"] == "ml.m5.xlarge"
        assert "serverless endpoints take archives only" in capsys.readouterr().out
        answer = zero_shot.ask(endpoint, "one day I will see the world", Task(["a", "b"]))
        assert sum(answer.scores) == pytest.approx(1)
        capsys.readouterr()
        assert jumpstart.deploy(model) == endpoint
        assert "already in service" in capsys.readouterr().out
        endpoint.withdraw()
        # What an interrupted start leaves is no obstacle.
        assert jumpstart.deploy(model).status() == "InService"


@pytest.mark.slow
def test_machines_beyond_the_quota_are_refused_before_anything_is_made(
    ws: Session, tiny: str
) -> None:
    with built(ws, tiny, instance_type="ml.g5.2xlarge") as (model, _):
        with pytest.raises(QuotaTooLow, match=r"ml\.g5\.2xlarge for endpoint usage"):
            jumpstart.deploy(model)
        assert model.endpoint.status() is None


@pytest.mark.slow
def test_auto_is_the_bi_encoder_where_bart_cannot_be_had_and_says_so(
    ws: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    model = zero_shot_models.build(ws)
    try:
        said = capsys.readouterr().out
        assert f"{jumpstart.BART} cannot be had here" in said
        assert "no NLI model" in said
        assert model.about.model_id == zero_shot_models.BI_ENCODER
        endpoint = jumpstart.deploy(model)
        answer = zero_shot.ask(
            endpoint, "one day I will see the world", Task(["travel", "cooking", "dancing"])
        )
        assert answer.label == "travel"
        capsys.readouterr()
        assert zero_shot_models.build(ws, zero_shot_models.BI_ENCODER) == model
        assert "Building" not in capsys.readouterr().out
    finally:
        model.delete()


@pytest.mark.slow
def test_auto_is_bart_where_its_weights_are_in_the_cache(
    ws: Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tiny_models.nli(tmp_path / "saved")
    tiny_models.put_in_cache(saved, tmp_path, "facebook/bart-large-mnli")
    model = zero_shot_models.build(ws, environment={"HF_HOME": str(tmp_path)})
    try:
        assert "cannot be had" not in capsys.readouterr().out
        assert model.about.model_id == jumpstart.BART
        assert zero_shot_models.records(model) == "one"
        task = Task(["travel", "cooking"])
        answer = zero_shot.ask(jumpstart.deploy(model), "I will see the world", task)
        frame = pd.DataFrame({"text": ["I will see the world", "", "soup 🍲"]}, index=[5, 5, 6])
        result = batch.start(ws, model.name, frame, Rows(task.labels), records="one").wait()
        assert list(result.failures["row"]) == [1]
        assert result.frame["predicted"].iloc[0] == answer.label
        assert result.frame["score"].iloc[0] == pytest.approx(answer.score, abs=1e-4)
        assert set(result.frame["predicted"].iloc[[0, 2]]) <= set(task.labels)
    finally:
        model.delete()

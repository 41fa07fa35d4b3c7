"""Accounts side by side in one server: each a world of its own, in every service."""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import ACCOUNT, client_of, keys, refused
from tests.local_sagemaker.endpoint_support import IMAGE, Deployer, answering, archive
from tests.local_sagemaker.training_support import Jobs

OTHER = "000000000042"
ROLE_THERE = f"arn:aws:iam::{OTHER}:role/Visitor"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
WHOAMI = """
import boto3
def model_fn(d): return boto3.client("sts").get_caller_identity()["Arn"]
def transform_fn(model, data, content_type, accept): return model, accept
"""

pytestmark = pytest.mark.usefixtures("local")


@pytest.fixture(scope="module")
def there(local: LocalSageMaker) -> Credentials:  # noqa: ARG001  (STS needs the server)
    """Return a key of another account, whose number begins with zeros."""
    given = client_of("sts").assume_role(RoleArn=ROLE_THERE, RoleSessionName="visit")
    key = given["Credentials"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])


@pytest.fixture
def name() -> str:
    return f"shared-{uuid.uuid4().hex[:8]}"


def test_who_i_am(there: Credentials) -> None:
    who = client_of("sts", there).get_caller_identity()
    assert who["Account"] == OTHER
    assert who["Arn"] == f"arn:aws:sts::{OTHER}:assumed-role/Visitor/visit"
    back = client_of("sts", there).assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/Back", RoleSessionName="home"
    )["Credentials"]
    key = Credentials(back["AccessKeyId"], back["SecretAccessKey"], back["SessionToken"])
    assert client_of("sts", key).get_caller_identity()["Account"] == ACCOUNT


@pytest.mark.parametrize(
    ("noun", "create", "params"),
    [
        ("Experiment", "create_experiment", {}),
        ("ModelPackageGroup", "create_model_package_group", {}),
        ("TrialComponent", "create_trial_component", {}),
        (
            "Model",
            "create_model",
            {"PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": ROLE_THERE},
        ),
    ],
)
def test_records_of_one_name(
    there: Credentials, name: str, noun: str, create: str, params: dict[str, Any]
) -> None:
    mine, theirs = client_of("sagemaker"), client_of("sagemaker", there)
    describe = f"describe_{create.removeprefix('create_')}"
    shown = {f"{noun}Name": name}
    arn = getattr(mine, create)(**shown, **params)[f"{noun}Arn"]
    with pytest.raises(theirs.exceptions.ClientError):
        getattr(theirs, describe)(**shown)
    for call, more in (
        (theirs.list_tags, {}),
        (theirs.add_tags, {"Tags": [{"Key": "k", "Value": "v"}]}),
        (theirs.delete_tags, {"TagKeys": ["k"]}),
    ):
        with pytest.raises(theirs.exceptions.ClientError):
            call(ResourceArn=arn, **more)
    assert getattr(theirs, create)(**shown, **params)[f"{noun}Arn"] == arn.replace(ACCOUNT, OTHER)
    getattr(theirs, f"delete_{create.removeprefix('create_')}")(**shown)
    assert getattr(mine, describe)(**shown)[f"{noun}Arn"] == arn


def test_search_finds_one_s_own(there: Credentials, name: str) -> None:
    client_of("sagemaker").create_experiment(ExperimentName=name)
    where = {"Filters": [{"Name": "ExperimentName", "Operator": "Equals", "Value": name}]}
    found = [
        client_of("sagemaker", given).search(Resource="Experiment", SearchExpression=where)
        for given in (None, there)
    ]
    assert [len(answer["Results"]) for answer in found] == [1, 0]


def test_metrics(there: Credentials, name: str) -> None:
    arn = client_of("sagemaker").create_trial_component(TrialComponentName=name)[
        "TrialComponentArn"
    ]
    point = {"MetricName": "loss", "Value": 1.0, "Step": 0, "Timestamp": int(time.time())}
    query = {
        "MetricName": "loss",
        "ResourceArn": arn,
        "MetricStat": "Last",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    }
    mine, theirs = client_of("sagemaker-metrics"), client_of("sagemaker-metrics", there)
    mine.batch_put_metrics(TrialComponentName=name, MetricData=[point])
    answers = [c.batch_get_metrics(MetricQueries=[query]) for c in (mine, theirs)]
    results = [answer["MetricQueryResults"][0] for answer in answers]
    assert (results[0]["Status"], results[0]["MetricValues"]) == ("Complete", [1.0])
    assert results[1]["Status"] == "ValidationError"
    assert not results[1]["MetricValues"]
    errors = theirs.batch_put_metrics(TrialComponentName=name, MetricData=[point])["Errors"]
    assert [error["MetricIndex"] for error in errors] == [0]


def test_logs(there: Credentials, name: str) -> None:
    mine, theirs = client_of("logs"), client_of("logs", there)
    where = {"logGroupName": f"/{name}", "logStreamName": "stream"}
    event = {"timestamp": int(time.time() * 1000), "message": "mine"}
    for client in (mine, theirs):
        assert client.describe_log_groups(logGroupNamePrefix=f"/{name}")["logGroups"] == []
        client.create_log_group(logGroupName=f"/{name}")
        client.create_log_stream(**where)
    mine.put_log_events(**where, logEvents=[event])
    assert [e["message"] for e in mine.get_log_events(**where)["events"]] == ["mine"]
    assert theirs.get_log_events(**where)["events"] == []
    mine.delete_log_group(logGroupName=f"/{name}")
    assert theirs.get_log_events(**where)["events"] == []
    refused(mine.get_log_events, "ResourceNotFoundException", **where)


def test_iam(there: Credentials, name: str) -> None:
    mine, theirs = client_of("iam"), client_of("iam", there)
    made = [
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]
        for iam in (mine, theirs)
    ]
    assert made[0]["RoleId"] != made[1]["RoleId"]
    assert made[1]["Arn"] == f"arn:aws:iam::{OTHER}:role/{name}"
    mine.delete_role(RoleName=name)
    assert theirs.get_role(RoleName=name)["Role"]["RoleId"] == made[1]["RoleId"]
    theirs.create_user(UserName=name)
    key = theirs.create_access_key(UserName=name)["AccessKey"]
    user = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    assert client_of("sts", user).get_caller_identity()["Arn"] == (
        f"arn:aws:iam::{OTHER}:user/{name}"
    )
    refused(mine.get_user, "NoSuchEntity", 404, UserName=name)
    # Every way to lose a user takes its keys along.
    theirs.delete_user(UserName=name)
    refused(client_of("sts", user).get_caller_identity, "InvalidClientTokenId", 403)


def test_a_presigned_url_reaches_no_further_than_its_signer(there: Credentials, name: str) -> None:
    s3 = client_of("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=b"secret")
    where = {"Bucket": name, "Key": "k"}
    s3v4 = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    mine, theirs = (
        client_of("s3", given, config=s3v4).generate_presigned_url("get_object", Params=where)
        for given in (None, there)
    )
    with urllib.request.urlopen(mine) as answer:
        assert answer.read() == b"secret"
    with pytest.raises(urllib.error.HTTPError, match="403") as caught:
        urllib.request.urlopen(theirs)
    assert b"AccessDenied" in caught.value.read()


@pytest.fixture
def deployers(
    local: LocalSageMaker, there: Credentials, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Deployer, Deployer]]:
    """Return what deploys endpoints here and in the other account."""
    here = Deployer(local)
    with monkeypatch.context() as patch:
        for variable, value in keys(there).items():
            patch.setenv(variable.upper(), value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        elsewhere = Deployer(local)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield here, elsewhere
    here.clear()
    elsewhere.clear()


@pytest.mark.slow
def test_endpoints_of_one_name(deployers: tuple[Deployer, Deployer], name: str) -> None:
    for deployer, code in zip(deployers, (answering("mine"), WHOAMI), strict=True):
        config = deployer.config({"ModelName": deployer.model(code)})
        deployer.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        deployer.deployed.append(name)
    mine, theirs = deployers
    for deployer in deployers:
        assert deployer.settled(name)["EndpointStatus"] == "InService"
    assert mine.invoke(name)["Body"] == "mine"
    # The model names a role of the first account; its container acts in its own all the same.
    assert theirs.invoke(name)["Body"].startswith(f"arn:aws:sts::{OTHER}:assumed-role/")
    assert f":{OTHER}:endpoint/" in theirs.describe(name)["EndpointArn"]
    theirs.delete(name)
    assert mine.invoke(name)["Body"] == "mine"


@pytest.mark.slow
def test_a_model_in_another_account_s_bucket(deployers: tuple[Deployer, Deployer]) -> None:
    mine, theirs = deployers
    data = mine.put("model.tar.gz", archive({"code/inference.py": answering("stolen")}))
    model = theirs.model(ModelDataUrl=data)
    name = theirs.create(theirs.config({"ModelName": model}))
    settled = theirs.settled(name)
    assert settled["EndpointStatus"] == "Failed"
    assert data in settled["FailureReason"]


@pytest.mark.slow
def test_the_keys_of_a_job_end_with_it(local: LocalSageMaker) -> None:
    jobs = Jobs(local)
    name = jobs.script(
        "import os\n"
        "for name in ('ACCESS_KEY_ID', 'SECRET_ACCESS_KEY', 'SESSION_TOKEN'):\n"
        "    print(os.environ[f'AWS_{name}'], flush=True)\n"
        "print('that is all', flush=True)\n"
        "import time; time.sleep(600)\n"
    )
    jobs.wait_for_line(name, "that is all")
    key = Credentials(*jobs.lines(name)[:3])
    assert client_of("sts", key).get_caller_identity()["Account"] == ACCOUNT
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.wait(name)
    refused(client_of("sts", key).get_caller_identity, "InvalidClientTokenId", 403)

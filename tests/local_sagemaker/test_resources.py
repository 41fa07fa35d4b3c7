"""The life of the common kinds through boto3 and the SDK's classes: from Create to Delete."""

import importlib
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.kinds import declared_kinds
from tests.local_sagemaker.core_support import client_of, fits, refused

pytestmark = pytest.mark.usefixtures("local")

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"
ACCOUNT_ARN = "arn:aws:sagemaker:us-east-1:111122223333"


@dataclass(frozen=True)
class Life:
    """How one kind is made and changed, and what AWS calls it in ARNs and messages.

    Attributes
    ----------
    create, update
        Members of the requests besides the name.
    slug
        The resource part of the ARN.
    exists, missing
        Code and message for a name that is taken or not there, with ``{name}`` and ``{arn}``.
    """

    slug: str
    exists: tuple[str, str] | None
    missing: tuple[str, str]
    create: dict[str, Any] = field(default_factory=dict)
    update: dict[str, Any] | None = None
    needs: str | None = None


VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": "some-model",
    "InitialInstanceCount": 1,
    "InstanceType": "ml.m5.xlarge",
}
CREATED_BEFORE = "Cannot create already existing"
QUOTED = '"{arn}".'
NOT_UNIQUE = (
    "Experiment names must be unique within an AWS account and region. Experiment with name "
    "({name}) already exists."
)
SOURCE = {"SourceUri": "s3://bucket/data"}
LIVES = {
    "Model": Life(
        "model",
        ("ValidationException", f"{CREATED_BEFORE} model {QUOTED}"),
        ("ValidationException", 'Could not find model "{arn}".'),
        {"ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}},
    ),
    "EndpointConfig": Life(
        "endpoint-config",
        ("ValidationException", f"{CREATED_BEFORE} endpoint configuration {QUOTED}"),
        ("ValidationException", 'Could not find endpoint configuration "{arn}".'),
        {"ProductionVariants": [VARIANT]},
        needs="model",
    ),
    "ModelPackageGroup": Life(
        "model-package-group",
        ("ValidationException", "Model Package Group already exists: {arn}"),
        ("ValidationException", "ModelPackageGroup {arn} does not exist."),
        {"ModelPackageGroupDescription": "all versions"},
    ),
    "Experiment": Life(
        "experiment",
        ("ValidationException", NOT_UNIQUE),
        ("ResourceNotFound", ""),
        {"Description": "before"},
        {"Description": "after", "DisplayName": "Shown"},
    ),
    "Trial": Life(
        "experiment-trial",
        ("ValidationException", ""),
        ("ResourceNotFound", ""),
        update={"DisplayName": "Shown"},
        needs="experiment",
    ),
    "TrialComponent": Life(
        "experiment-trial-component",
        ("ValidationException", ""),
        ("ResourceNotFound", ""),
        {"Parameters": {"lr": {"NumberValue": 0.1}}},
        {"DisplayName": "Shown"},
    ),
    "Action": Life(
        "action",
        ("ValidationException", ""),
        ("ResourceNotFound", ""),
        {"Source": SOURCE, "ActionType": "ModelDeployment", "Status": "InProgress"},
        {"Status": "Completed", "Description": "done"},
    ),
    "Context": Life(
        "context",
        ("ValidationException", ""),
        ("ResourceNotFound", ""),
        {"Source": SOURCE, "ContextType": "Endpoint"},
        {"Description": "after"},
    ),
    "Artifact": Life(
        "artifact",
        None,
        ("ResourceNotFound", ""),
        {"Source": SOURCE, "ArtifactType": "DataSet"},
        {"Properties": {"rows": "77"}},
    ),
}


@pytest.fixture(scope="module")
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return client_of("sagemaker")


@pytest.fixture(scope="module")
def call(client: Any) -> Callable[..., dict[str, Any]]:
    """Call an operation and check its answer against the service model."""

    def checked(operation: str, **params: Any) -> dict[str, Any]:
        model = client.meta.service_model.operation_model(operation)
        # The private method takes the operation's own name.
        answer: dict[str, Any] = client._make_api_call(operation, params)
        if model.output_shape is not None:
            fits(answer, model.output_shape)
        return answer

    return checked


def unique(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def needed(call: Callable[..., dict[str, Any]], life: Life, name: str) -> dict[str, Any]:
    """Make what a resource refers to; return the members that do."""
    if life.needs == "experiment":
        call("CreateExperiment", ExperimentName=name)
        return {"ExperimentName": name}
    if life.needs == "model":
        call("CreateModel", ModelName=name, **LIVES["Model"].create)
        return {"ProductionVariants": [VARIANT | {"ModelName": name}]}
    return {}


@pytest.mark.parametrize("noun", LIVES)
def test_a_life(client: Any, call: Callable[..., dict[str, Any]], noun: str) -> None:
    life, kind = LIVES[noun], declared_kinds(client.meta.service_model)[noun]
    name = unique("life")
    request = life.create | needed(call, life, name)
    tags = [{"Key": "stage", "Value": "test"}, {"Key": "team", "Value": "größer 名前 @/+=.:_-"}]
    before = time.time()
    created = (
        call(f"Create{noun}", **{kind.name_key: name}, **request, Tags=tags)
        if (noun != "Artifact")
        else call("CreateArtifact", ArtifactName=name, **request, Tags=tags)
    )
    arn = created[kind.arn_key]
    address = {kind.name_key: arn if noun == "Artifact" else name}
    assert arn.startswith(f"{ACCOUNT_ARN}:{life.slug}/")
    assert noun == "Artifact" or arn == f"{ACCOUNT_ARN}:{life.slug}/{name}"

    shown = call(f"Describe{noun}", **address)
    assert shown[kind.shown_arn_key] == arn
    assert {key: shown[key] for key in request} == request
    assert before - 1 < shown["CreationTime"].timestamp() < time.time() + 1

    found = listed(client, kind.operations["list"], kind.list_key)
    (summary,) = [item for item in found if arn in item.values()]
    assert summary["CreationTime"] == shown["CreationTime"]

    if life.update is not None:
        call(f"Update{noun}", **address, **life.update)
        changed = call(f"Describe{noun}", **address)
        assert {key: changed[key] for key in life.update} == life.update
        assert changed["LastModifiedTime"] > shown["CreationTime"]
        assert changed["CreationTime"] == shown["CreationTime"]

    assert call("ListTags", ResourceArn=arn)["Tags"] == tags
    added = call("AddTags", ResourceArn=arn, Tags=[{"Key": "stage", "Value": "prod"}])["Tags"]
    assert {"Key": "stage", "Value": "prod"} in added
    call("DeleteTags", ResourceArn=arn, TagKeys=["team", "never-was"])
    assert call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "prod"}]

    if life.exists is not None:
        code, text = life.exists
        said = refused(
            getattr(client, _method(f"Create{noun}")), code, 400, **{kind.name_key: name}, **request
        )
        assert not text or said == text.format(name=name, arn=arn)
        assert name in said

    call(f"Delete{noun}", **address)
    code, text = life.missing
    operations = [f"Describe{noun}", f"Delete{noun}"] + ([f"Update{noun}"] if life.update else [])
    for operation in operations:
        more = life.update if operation.startswith("Update") and life.update else {}
        said = refused(getattr(client, _method(operation)), code, 400, **address, **more)
        assert not text or said == text.format(name=name, arn=arn)
        assert arn in said or name in said
    refused(client.list_tags, "ValidationException", 400, ResourceArn=arn)
    found = listed(client, kind.operations["list"], kind.list_key)
    assert not [item for item in found if arn in item.values()]


def listed(client: Any, operation: str, key: str | None) -> list[dict[str, Any]]:
    pages = client.get_paginator(_method(operation)).paginate()
    return [item for page in pages for item in page[key]]


def _method(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


@pytest.mark.parametrize("noun", [noun for noun in LIVES if noun != "Artifact"])
def test_the_sdk_s_classes_read_it(call: Callable[..., dict[str, Any]], noun: str) -> None:
    resources = importlib.import_module("sagemaker.core.resources")
    name, life = unique("core"), LIVES[noun]
    request = life.create | needed(call, life, name)
    call(f"Create{noun}", **{f"{noun}Name": name}, **request)
    found = getattr(resources, noun).get(name)
    snake = _method(noun)
    assert getattr(found, f"{snake}_name") == name
    assert getattr(found, f"{snake}_arn").startswith(ACCOUNT_ARN)
    assert name in {getattr(item, f"{snake}_name") for item in getattr(resources, noun).get_all()}
    found.delete()
    with pytest.raises(ClientError):
        getattr(resources, noun).get(name)


def test_an_arn_stands_for_the_name(call: Callable[..., dict[str, Any]]) -> None:
    name = unique("by-arn")
    arn = call("CreateTrialComponent", TrialComponentName=name)["TrialComponentArn"]
    assert call("DescribeTrialComponent", TrialComponentName=arn)["TrialComponentName"] == name


def test_one_of_sixteen_wins(call: Callable[..., dict[str, Any]]) -> None:
    """The same name at the same moment: one is made, the others are told so."""
    name = unique("race")
    gate = threading.Barrier(16)
    outcomes: list[str] = []

    def create(number: int) -> None:
        own = client_of("sagemaker", config=Config(retries={"max_attempts": 0}))
        gate.wait()
        try:
            own.create_experiment(ExperimentName=name, Description=str(number))
            outcomes.append(str(number))
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refusals = [outcome for outcome in outcomes if outcome == "ValidationException"]
    assert len(refusals) == 15
    (winner,) = set(outcomes) - {"ValidationException"}
    assert call("DescribeExperiment", ExperimentName=name)["Description"] == winner


class TestTags:
    @pytest.fixture
    def arn(self, call: Callable[..., dict[str, Any]]) -> str:
        return str(call("CreateExperiment", ExperimentName=unique("tags"))["ExperimentArn"])

    def test_fifty_and_no_more(self, client: Any, arn: str) -> None:
        tags = [{"Key": f"k{number:02}", "Value": "v"} for number in range(50)]
        client.add_tags(ResourceArn=arn, Tags=tags)
        client.add_tags(ResourceArn=arn, Tags=[{"Key": "k00", "Value": "again"}])
        said = refused(
            client.add_tags,
            "ValidationException",
            400,
            ResourceArn=arn,
            Tags=[{"Key": "one-more", "Value": "v"}],
        )
        assert "51 tags" in said
        pages = client.get_paginator("list_tags").paginate(ResourceArn=arn)
        keys = [tag["Key"] for page in pages for tag in page["Tags"]]
        assert keys == [f"k{number:02}" for number in range(50)]
        refused(
            client.create_experiment,
            "ValidationException",
            400,
            ExperimentName=unique("too-many"),
            Tags=[*tags, {"Key": "one-more", "Value": "v"}],
        )

    @pytest.mark.parametrize(
        ("tags", "says"),
        [
            ([("k", "1"), ("k", "2")], "Duplicate tag keys"),
            ([("aws:cloudformation:stack", "x")], "aws:"),
            ([("k" * 129, "v")], "length less than or equal to 128"),
            ([("k", "v" * 257)], "length less than or equal to 256"),
            ([("k", "semi;colon")], "regular expression pattern"),
        ],
    )
    def test_what_is_no_tag(
        self, client: Any, arn: str, tags: list[tuple[str, str]], says: str
    ) -> None:
        pairs = [{"Key": key, "Value": value} for key, value in tags]
        said = refused(client.add_tags, "ValidationException", 400, ResourceArn=arn, Tags=pairs)
        assert says in said
        assert client.list_tags(ResourceArn=arn)["Tags"] == []
        name = unique("no-tag")
        refused(
            client.create_experiment, "ValidationException", 400, ExperimentName=name, Tags=pairs
        )
        refused(client.describe_experiment, "ResourceNotFound", 400, ExperimentName=name)

    @pytest.mark.parametrize(
        "arn",
        [
            f"{ACCOUNT_ARN}:experiment/never-was",
            "arn:aws:sagemaker:us-east-1:999988887777:experiment/another-s",
            "arn:aws:s3:::a-bucket",
            "experiment",
        ],
    )
    def test_of_what_is_not_there(self, client: Any, arn: str) -> None:
        pair = [{"Key": "k", "Value": "v"}]
        refused(client.add_tags, "ValidationException", 400, ResourceArn=arn, Tags=pair)
        refused(client.list_tags, "ValidationException", 400, ResourceArn=arn)
        refused(client.delete_tags, "ValidationException", 400, ResourceArn=arn, TagKeys=["k"])

    def test_none_is_left_for_the_next_of_the_same_name(self, client: Any) -> None:
        name = unique("again")
        for tags in ([{"Key": "old", "Value": "v"}], []):
            made = client.create_experiment(ExperimentName=name, Tags=tags)
            assert client.list_tags(ResourceArn=made["ExperimentArn"])["Tags"] == tags
            client.delete_experiment(ExperimentName=name)

"""Every kind that is kept, from Create to Delete: the least a request may hold, and the most.

The requests are made from botocore's input shapes, and every answer is checked against its output
shape. `test_resources` lives through the common kinds with requests that a person would write.
"""

import importlib
import inspect
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import ValidationError

from local_sagemaker import LocalSageMaker
from local_sagemaker.coverage import Coverage, declared
from local_sagemaker.filters import found
from local_sagemaker.kinds import Kind, Parent, declared_kinds
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import client_of, fits
from tests.local_sagemaker.request_support import request

pytestmark = pytest.mark.usefixtures("local")

MODEL = service_model("sagemaker")
KINDS = declared_kinds(MODEL)
Request = dict[str, Any]
Call = Callable[[str, Request], Request]

# Members that are refused because this server would have to act upon them.
NOT_DONE = {
    "DeviceFleet": {"EnableIotRoleAlias"},
    "Pipeline": {"PipelineDefinitionS3Location"},
    "Project": {
        "ServiceCatalogProvisioningUpdateDetails",
        "TemplateProvidersToUpdate",
    },
    "Cluster": {"InstanceGroupsToDelete"},
}
# Of members that exclude one another, those to leave out.
INSTEAD = {
    "App": {"SpaceName"},
    "TrialComponent": {"Parameters"},
    "Workforce": {"OidcConfig"},
}
# What rooms of their own ask of a request, besides what the model says.
PARENTS_OF_ROOMS = {
    "EdgeDeploymentPlan": Parent("DeviceFleet", ("DeviceFleetName",)),
    "EdgePackagingJob": Parent("CompilationJob", ("CompilationJobName",)),
    "ModelCardExportJob": Parent("ModelCard", ("ModelCardName",)),
    "TransformJob": Parent("Model", ("ModelName",)),
    "Trial": Parent("Experiment", ("ExperimentName",)),
}
ASKED_BY_ROOMS: dict[str, Request] = {
    "CompilationJob": {"InputConfig": {"S3Uri": "s3://bucket/model.tar.gz", "Framework": "ONNX"}},
    "EdgeDeploymentPlan": {"ModelConfigs": []},
    "ModelCard": {"Content": "{}"},
    "Pipeline": {"PipelineDefinition": '{"Version": "2020-12-01", "Steps": []}'},
}
NOT_IN_AN_UPDATE = {"ModelCard": {"ModelCardStatus"}, "Pipeline": {"PipelineVersionAliases"}}
# To delete them again is no error.
DELETED_AGAIN = {"Job"}
# Its versions are named by their ARNs, which tests of its own go into.
TESTED_ELSEWHERE = {"ModelPackage"}
# The SDK's classes do not unwrap what these describe, on AWS as little as here.
SDK_CANNOT_READ = {"TrainingSession", "Workforce", "Workteam"}


def kept() -> list[str]:
    """Return the nouns whose Create is answered with a record."""
    classes = {noun: declared(kind.operations["create"]) for noun, kind in KINDS.items()}
    recorded = (Coverage.RECORDS, Coverage.FAILS)
    return [
        noun
        for noun, it in classes.items()
        if it is not None and it.coverage in recorded and noun not in TESTED_ELSEWHERE
    ]


@pytest.fixture(scope="module")
def call(local: LocalSageMaker) -> Call:
    """Call an operation with every member the service knows and check its answer."""
    assert local.url
    config = Config(parameter_validation=False, retries={"max_attempts": 0})
    client = client_of("sagemaker", config=config)

    def checked(operation: str, params: Request) -> Request:
        answer: Request = client._make_api_call(operation, params)
        shape = MODEL.operation_model(operation).output_shape
        if shape is not None:
            fits(answer, shape)
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    return checked


def made(call: Call, noun: str, *, most: bool) -> tuple[Request, Request, Request]:
    """Make a resource, its parents first; return the request, its address and Create's answer."""
    kind = KINDS[noun]
    if noun == "Endpoint":
        return _endpoint(call)
    shape = MODEL.operation_model(kind.operations["create"]).input_shape
    params = request(shape, most=most)
    if noun == "App":
        params["UserProfileName"] = ""
    for member in NOT_DONE.get(noun, set()) | INSTEAD.get(noun, set()):
        params.pop(member, None)
    if kind.name_key in params:
        params[kind.name_key] = f"life{uuid.uuid4().hex[:12]}"
    params |= ASKED_BY_ROOMS.get(noun, {})
    others = [PARENTS_OF_ROOMS[noun]] if noun in PARENTS_OF_ROOMS else []
    for parent in (*kind.row.parents, *others):
        if parent.members[-1] not in params:
            continue
        _, address, answer = made(call, parent.noun, most=False)
        known = {**address, **answer}
        for member, own in zip(parent.members, KINDS[parent.noun].address, strict=False):
            by_arn = member.endswith("Arn")
            params[member] = answer[KINDS[parent.noun].arn_key] if by_arn else known[own]
    answer = call(kind.operations["create"], params)
    address = {}
    for member in (name for part in kind.address for name in part.split("|")):
        if member in params or member in answer:
            address[member] = params.get(member, answer.get(member))
    return params, address, answer


def _endpoint(call: Call) -> tuple[Request, Request, Request]:
    """Make an endpoint whose model is not there, so that it has failed soon."""
    name = f"life{uuid.uuid4().hex[:12]}"
    container = {"Image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"}
    call("CreateModel", {"ModelName": name, "PrimaryContainer": container})
    variant = {"VariantName": "All", "ModelName": name, "InstanceType": "ml.m5.large"}
    variants = [variant | {"InitialInstanceCount": 1}]
    call("CreateEndpointConfig", {"EndpointConfigName": name, "ProductionVariants": variants})
    params = {"EndpointName": name, "EndpointConfigName": name}
    return params, {"EndpointName": name}, call("CreateEndpoint", params)


def shown(call: Call, kind: Kind, address: Request) -> Request:
    answer = call(kind.operations["describe"], address)
    return answer[kind.wrapper] if kind.wrapper else answer


def asked_by_list(kind: Kind, params: Request) -> Request:
    """Return the members that List requires, from a request that made one of its items."""
    shape = MODEL.operation_model(kind.operations["list"]).input_shape
    return {member: params[member] for member in shape.required_members}


def summaries(call: Call, kind: Kind, asked: Request) -> list[Request]:
    items: list[Request] = []
    token: Request = {}
    while True:
        page = call(kind.operations["list"], asked | {"MaxResults": 100} | token)
        items += page[str(kind.list_key)]
        if "NextToken" not in page:
            return items
        token = {"NextToken": page["NextToken"]}


def holds(whole: Any, part: Any) -> bool:
    """Tell whether what was asked for is shown, but for what the answer has no place for."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(holds(whole[key], value) for key, value in part.items() if key in whole)
    if isinstance(part, list) and isinstance(whole, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return whole == part or (hasattr(whole, "timestamp") and whole.timestamp() == part)


@pytest.mark.parametrize("most", [False, True], ids=["least", "most"])
@pytest.mark.parametrize("noun", kept())
def test_a_life(call: Call, noun: str, most: bool) -> None:
    kind = KINDS[noun]
    params, address, created = made(call, noun, most=most)
    arn = created.get(kind.arn_key) or shown(call, kind, address)[kind.shown_arn_key]

    content = shown(call, kind, address)
    assert content[kind.shown_arn_key] == arn
    invented = kind.row.invented(params) if kind.row.invented else {}
    for key, value in params.items():
        if key in content and key not in invented and not key.endswith("Arn"):
            assert holds(content[key], value), key
    for key, value in kind.failure.items():
        assert content[key] == value
        assert value.startswith("not run locally: ")

    if "list" in kind.operations:
        assert kind.list_key is not None
        names = {arn, content.get(kind.name_key)}
        items = summaries(call, kind, asked_by_list(kind, params))
        assert [item for item in items if names & set(_plain(item))]

    if "update" in kind.operations:
        _update(call, kind, address, most=most)

    _tags(call, arn)

    if "stop" in kind.operations and kind.failure:
        with pytest.raises(ClientError, match="in status"):
            call(kind.operations["stop"], address)
    if "delete" not in kind.operations:
        return
    delete = MODEL.operation_model(kind.operations["delete"]).input_shape
    call(kind.operations["delete"], request(delete) | address)
    with pytest.raises(ClientError) as missing:
        call(kind.operations["describe"], address)
    assert missing.value.response["Error"]["Code"] == kind.missing_code
    if noun in DELETED_AGAIN:
        call(kind.operations["delete"], request(delete) | address)
        return
    with pytest.raises(ClientError) as missing:
        call(kind.operations["delete"], request(delete) | address)
    assert missing.value.response["Error"]["Code"] == kind.missing_code


def _plain(item: Request) -> list[str]:
    return [value for value in item.values() if isinstance(value, str)]


def _update(call: Call, kind: Kind, address: Request, *, most: bool) -> None:
    before = shown(call, kind, address)
    shape = MODEL.operation_model(kind.operations["update"]).input_shape
    changes = request(shape, most=most)
    left_out = NOT_DONE.get(kind.noun, set()) | INSTEAD.get(kind.noun, set()) | set(address)
    left_out |= NOT_IN_AN_UPDATE.get(kind.noun, set())
    left_out |= set(kind.row.removed) | {"LifecycleConfigName", "Tags"}
    changes = {key: value for key, value in changes.items() if key not in left_out}
    asked = ASKED_BY_ROOMS.get(kind.noun, {})
    changes |= {key: value for key, value in asked.items() if key in changes}
    call(kind.operations["update"], changes | address)
    after = shown(call, kind, address)
    for key, value in changes.items():
        name = kind.row.aliases.get(key, key)
        if name in after and name not in kind.row.added and name != kind.name_key:
            assert holds(after[name], value), key
    modified = [name for name in ("LastModifiedTime", "LastUpdatedDate") if name in after]
    for name in modified:
        assert after[name] > before[name]
    if kind.row.version_key:
        assert after[kind.row.version_key] == before[kind.row.version_key] + 1
        old = address | {kind.row.version_key: before[kind.row.version_key]}
        assert holds(shown(call, kind, old), before)


def _tags(call: Call, arn: str) -> None:
    call("AddTags", {"ResourceArn": arn, "Tags": [{"Key": "stage", "Value": "test"}]})
    tags = {tag["Key"]: tag["Value"] for tag in call("ListTags", {"ResourceArn": arn})["Tags"]}
    assert tags["stage"] == "test"
    call("DeleteTags", {"ResourceArn": arn, "TagKeys": list(tags)})
    assert call("ListTags", {"ResourceArn": arn})["Tags"] == []


@pytest.mark.slow
@pytest.mark.parametrize("noun", kept())
def test_the_sdk_s_class_loads_it(call: Call, noun: str) -> None:
    resources = importlib.import_module("sagemaker.core.resources")
    model = getattr(resources, noun, None)
    if model is None:
        pytest.skip(f"sagemaker.core {noun}: no such class")
    kind = KINDS[noun]
    params, address, _ = made(call, noun, most=False)
    known = inspect.signature(model.get).parameters
    given = {xform_name(member): value for member, value in address.items()}
    if noun in SDK_CANNOT_READ:
        with pytest.raises(ValidationError):
            model.get(**given)
        return
    loaded = model.get(**{name: value for name, value in given.items() if name in known})
    name = shown(call, kind, address).get(kind.name_key)
    assert name in vars(loaded).values()
    if "list" in kind.operations:
        asked = asked_by_list(kind, params).items()
        items = model.get_all(**{xform_name(member): value for member, value in asked})
        assert any(name in vars(item).values() for item in items)


@pytest.mark.parametrize("noun", [noun for noun in kept() if KINDS[noun].row.parents])
def test_a_parent_must_be_there_and_stays(call: Call, noun: str) -> None:
    """Only parents that a request must name: others may be left out."""
    kind = KINDS[noun]
    parents = [
        parent
        for parent in kind.row.parents
        if parent.members[-1]
        in MODEL.operation_model(kind.operations["create"]).input_shape.required_members
    ]
    if not parents:
        pytest.skip("a parent is optional")
    params, address, _ = made(call, noun, most=False)
    parent = KINDS[parents[0].noun]
    member = parents[0].members[-1]
    with pytest.raises(ClientError) as missing:
        call(
            kind.operations["create"],
            params | {member: re.sub(r"[0-9a-z]{4}$", "0000", params[member])},
        )
    assert missing.value.response["Error"]["Code"] == parent.missing_code
    if parent.noun == "Endpoint":
        return
    own = found(params, member)
    named = {parent.address[0]: own} if not member.endswith("Arn") else {}
    if named:
        with pytest.raises(ClientError, match="still belongs to it"):
            call(parent.operations["delete"], named)
        call(kind.operations["delete"], address)
        if len(kind.row.parents) == 1:
            call(parent.operations["delete"], named)

"""Every kind that is kept, from Create to Delete: the least a request may hold, and the most.

The requests are made from botocore's input shapes, and every answer is checked against its output
shape. `test_resources` lives through the common kinds with requests that a person would write.
"""

import importlib
import inspect
import re
import uuid
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from pydantic import ValidationError

from local_sagemaker import LocalSageMaker
from local_sagemaker.filters import found
from local_sagemaker.kinds import Kind
from tests.local_sagemaker.kind_support import (
    ASKED_BY_ROOMS,
    INSTEAD,
    KINDS,
    MODEL,
    NOT_DONE,
    Call,
    Request,
    asked_by_list,
    checked_call,
    kept,
    made,
    shown,
    summaries,
)
from tests.local_sagemaker.request_support import request

pytestmark = pytest.mark.usefixtures("local")

NOT_IN_AN_UPDATE = {"ModelCard": {"ModelCardStatus"}, "Pipeline": {"PipelineVersionAliases"}}
# To delete them again is no error.
DELETED_AGAIN = {"Job"}
# The SDK's classes do not unwrap what these describe, on AWS as little as here.
SDK_CANNOT_READ = {"TrainingSession", "Workforce", "Workteam"}


@pytest.fixture(scope="module")
def call(local: LocalSageMaker) -> Call:
    """Call an operation with every member the service knows and check its answer."""
    assert local.url
    return checked_call()


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


def test_a_secret_is_not_kept(local: LocalSageMaker) -> None:
    """What Describe has no place for is not written down."""
    # A region has one workforce, and in those of other tests it is to stay.
    call = checked_call(region_name="sa-east-1")
    (team,) = call("ListWorkteams", {})["Workteams"]
    call("DeleteWorkteam", {"WorkteamName": team["WorkteamName"]})
    (workforce,) = call("ListWorkforces", {})["Workforces"]
    call("DeleteWorkforce", {"WorkforceName": workforce["WorkforceName"]})
    secret = uuid.uuid4().hex
    shape = MODEL.operation_model("CreateWorkforce").input_shape
    config = request(shape, most=True)["OidcConfig"] | {"ClientSecret": secret}
    name = f"life{uuid.uuid4().hex[:12]}"
    call("CreateWorkforce", {"WorkforceName": name, "OidcConfig": config})
    shown_config = call("DescribeWorkforce", {"WorkforceName": name})["Workforce"]["OidcConfig"]
    assert shown_config == {key: value for key, value in config.items() if key != "ClientSecret"}
    files = [path for path in local.home.rglob("*") if path.is_file()]
    assert any(name.encode() in path.read_bytes() for path in files)
    assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_a_newer_version_is_not_overwritten(call: Call) -> None:
    params, address, _ = made(call, "ComputeQuota", most=False)
    assert shown(call, KINDS["ComputeQuota"], address)["ComputeQuotaVersion"] == 1
    changed = call("UpdateComputeQuota", address | {"TargetVersion": 1, "Description": "new"})
    assert changed["ComputeQuotaVersion"] == 2
    with pytest.raises(ClientError, match="ConflictException") as conflict:
        call("UpdateComputeQuota", address | {"TargetVersion": 1, "Description": "lost"})
    assert "is 2, not 1" in str(conflict.value)
    old = call("DescribeComputeQuota", address | {"ComputeQuotaVersion": 1})
    assert "Description" not in old
    assert old["Name"] == params["Name"]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        call("DescribeComputeQuota", address | {"ComputeQuotaVersion": 3})


def test_members_that_an_update_takes_away(call: Call) -> None:
    _, address, _ = made(call, "NotebookInstance", most=True)
    before = shown(call, KINDS["NotebookInstance"], address)
    assert before["NotebookInstanceStatus"] == "Failed"
    call(
        "UpdateNotebookInstance",
        address | {"DisassociateLifecycleConfig": True, "DisassociateDefaultCodeRepository": True},
    )
    after = shown(call, KINDS["NotebookInstance"], address)
    gone = {"NotebookInstanceLifecycleConfigName", "DefaultCodeRepository"}
    assert set(before) - set(after) == gone

    _, image, _ = made(call, "Image", most=True)
    call("UpdateImage", image | {"DeleteProperties": ["DisplayName"]})
    shown_image = shown(call, KINDS["Image"], image)
    assert "DisplayName" not in shown_image
    assert "Description" in shown_image


def test_features_are_added(call: Call) -> None:
    params, group, _ = made(call, "FeatureGroup", most=False)
    new = {"FeatureName": "added", "FeatureType": "String"}
    call("UpdateFeatureGroup", group | {"FeatureAdditions": [new]})
    features = shown(call, KINDS["FeatureGroup"], group)["FeatureDefinitions"]
    assert features == [*params["FeatureDefinitions"], new]


def test_what_has_no_effect_is_refused(call: Call) -> None:
    for noun, member, value in (
        ("Cluster", "InstanceGroupsToDelete", ["group"]),
        ("DeviceFleet", "EnableIotRoleAlias", True),
    ):
        params, address, _ = made(call, noun, most=False)
        required = {key: params[key] for key in ("OutputConfig",) if key in params}
        with pytest.raises(ClientError, match=f"{member} is not done by the local SageMaker"):
            call(f"Update{noun}", address | required | {member: value})


def test_only_what_must_be_provisioned_fails(call: Call) -> None:
    """A project or an algorithm is a record, unless AWS would have to work for it."""
    project, algorithm = KINDS["Project"], KINDS["Algorithm"]
    states = []
    for most in (False, True):
        _, address, _ = made(call, "Project", most=most)
        states.append(shown(call, project, address))
    assert [state["ProjectStatus"] for state in states] == ["CreateCompleted", "CreateFailed"]
    product = states[1]["ServiceCatalogProvisionedProductDetails"]
    assert product["ProvisionedProductStatusMessage"].startswith("not run locally: ")
    states = []
    for most in (False, True):
        _, address, _ = made(call, "Algorithm", most=most)
        states.append(shown(call, algorithm, address))
    assert [state["AlgorithmStatus"] for state in states] == ["Completed", "Failed"]
    (validation,) = states[1]["AlgorithmStatusDetails"]["ValidationStatuses"]
    assert validation["FailureReason"].startswith("not run locally: ")


def test_another_region_s_cluster_is_no_parent(call: Call) -> None:
    """A cluster's ARN does not hold its name, and is good where the cluster is."""
    params, address, _ = made(call, "ComputeQuota", most=False)
    elsewhere = checked_call(region_name="us-west-2")
    name = shown(call, KINDS["Cluster"], {"ClusterName": params["ClusterArn"]})["ClusterName"]
    groups = request(MODEL.operation_model("CreateCluster").input_shape)
    elsewhere("CreateCluster", groups | {"ClusterName": name})
    with pytest.raises(ClientError, match="ResourceNotFound"):
        elsewhere("CreateComputeQuota", params)
    with pytest.raises(ClientError, match="still belongs to it"):
        call("DeleteCluster", {"ClusterName": name})
    elsewhere("DeleteCluster", {"ClusterName": name})
    call("DeleteComputeQuota", address)
    call("DeleteCluster", {"ClusterName": params["ClusterArn"]})

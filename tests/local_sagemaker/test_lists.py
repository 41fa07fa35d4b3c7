"""Every List of every kind: pages, orders and each of its filters, found in the service model."""

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.coverage import declared
from local_sagemaker.filters import OF_PAGES, found, understood
from local_sagemaker.listing import vocabulary
from tests.local_sagemaker.kind_support import (
    KINDS,
    MODEL,
    Call,
    Request,
    asked_by_list,
    checked_call,
    kept,
    made,
    shown,
)
from tests.local_sagemaker.request_support import request as made_request

pytestmark = pytest.mark.usefixtures("local")

LISTED = [noun for noun in kept() if "list" in KINDS[noun].operations]
# Filters that a room applies: its own tests go into them.
OF_ROOMS = {
    "Action": {"SourceUri", "ActionType"},
    "Artifact": {"SourceUri", "ArtifactType"},
    "Context": {"SourceUri", "ContextType"},
    "ModelPackage": {"ModelPackageType"},
    "Trial": {"ExperimentName", "TrialComponentName"},
    "TrialComponent": {"ExperimentName", "TrialName", "SourceArn"},
}
# Refused: nothing is ever in these lists.
NOT_DONE = {"MlflowApp": {"DefaultForDomainId"}, "TrainingPlan": {"Filters"}}
# What a filter asks for and Describe does not show.
HIDDEN = {"CrossAccountFilterOption": "SameAccount", "ManagedBy": "CUSTOMER"}
LATER, EARLIER = 4_000_000_000, 1_000_000_000
_ARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:some"


@pytest.fixture(scope="module")
def call(local: LocalSageMaker) -> Call:
    """Call in a region of this module's own, where no other test makes anything."""
    assert local.url
    return checked_call(region_name="ap-northeast-1")


@pytest.mark.parametrize("noun", [n for n, kind in KINDS.items() if "list" in kind.operations])
def test_no_filter_is_ignored(noun: str) -> None:
    """Each is understood, or a room's, or known to be refused."""
    kind = KINDS[noun]
    members = set(kind.inputs["list"]) - OF_PAGES
    strange = {name for name in members if understood(name, vocabulary(kind)) is None}
    assert strange <= OF_ROOMS.get(noun, set()) | NOT_DONE.get(noun, set())
    assert NOT_DONE.get(noun, set()) <= strange


class Listed:
    """Three resources of one kind, and the ARNs of those that its List shows."""

    def __init__(self, call: Call, noun: str) -> None:
        self._call = call
        self.kind = KINDS[noun]
        self.operation = self.kind.operations["list"]
        resources = [made(call, noun, most=most) for most in (True, False, True)]
        self.contents = [shown(call, self.kind, address) for _, address, _ in resources]
        self.arns = [content[self.kind.shown_arn_key] for content in self.contents]
        self.fixed = asked_by_list(self.kind, resources[0][0])
        self.own = {
            arn
            for arn, (params, *_) in zip(self.arns, resources, strict=True)
            if all(params[member] == value for member, value in self.fixed.items())
        }

    def __call__(self, **params: Any) -> list[str]:
        """Return the ARNs of the three that List shows, over all pages, in its order."""
        items: list[Request] = []
        token: Request = {}
        while True:
            page = self._call(self.operation, self.fixed | params | token)
            items += page[str(self.kind.list_key)]
            if "NextToken" not in page:
                return [arn for item in items for arn in self._of(item)]
            token = {"NextToken": page["NextToken"]}

    def _of(self, item: Request) -> list[str]:
        texts = [value for value in item.values() if isinstance(value, str)]
        by_name = [
            arn
            for arn, content in zip(self.arns, self.contents, strict=True)
            if content[self.kind.name_key] in texts
        ]
        return ([arn for arn in self.arns if arn in texts] or by_name)[:1]


@pytest.fixture(params=LISTED)
def listed(call: Call, request: pytest.FixtureRequest) -> Listed:
    return Listed(call, request.param)


def test_pages_orders_and_filters(listed: Listed) -> None:
    everything = listed()
    assert sorted(everything) == sorted(listed.own)
    assert listed(MaxResults=1) == everything
    _orders(listed)
    kind = listed.kind
    names = set(kind.inputs["list"]) - OF_PAGES - set(listed.fixed)
    for name in names - OF_ROOMS.get(kind.noun, set()):
        meaning = understood(name, vocabulary(kind))
        assert meaning is not None
        path, test = meaning
        if path.startswith("."):
            inside, outside = (EARLIER, LATER) if test == "After" else (LATER, EARLIER)
            assert listed(**{name: inside}) == everything, name
            assert listed(**{name: outside}) == [], name
        else:
            _filtered(listed, name, HIDDEN.get(name) or found(listed.contents[0], path))


def _orders(listed: Listed) -> None:
    """Each order shows the same, and the other way round what it shows the one way."""
    directions = _enum(listed.operation, "SortOrder")
    for field in [*_enum(listed.operation, "SortBy"), None] if directions else []:
        asked = {"SortBy": field} if field else {}
        one, other = (listed(SortOrder=direction, **asked) for direction in directions)
        assert sorted(one) == sorted(listed.own), field
        assert one == other[::-1], field


def _filtered(listed: Listed, name: str, value: Any) -> None:
    """A resource is among those that have what it has, and not among the others."""
    first = listed.arns[0]
    value = value[0] if isinstance(value, list) and value else value
    if isinstance(value, str) and value:
        assert first in listed(**{name: value}), name
    for other in _others(listed.operation, name, value):
        assert first not in listed(**{name: other}), name


def _enum(operation: str, member: str) -> list[str]:
    members = MODEL.operation_model(operation).input_shape.members
    return list(members[member].enum) if member in members else []


def _others(operation: str, member: str, value: Any) -> list[Any]:
    """Return a value that the filter allows and the resource does not have."""
    shape = MODEL.operation_model(operation).input_shape.members[member]
    if shape.metadata.get("enum"):
        return [name for name in shape.metadata["enum"] if name != value][:1]
    made_up = made_request(MODEL.operation_model(operation).input_shape, most=True)[member]
    stranger = made_up * 2 if isinstance(made_up, int) else f"{made_up}zz9"
    return [stranger] if not member.endswith(("Arn", "ArnEquals")) else []


@pytest.mark.parametrize("noun", LISTED[:-1])
def test_a_token_is_good_for_its_own_list(call: Call, noun: str) -> None:
    kind = KINDS[noun]
    first = made(call, noun, most=False)[0]
    fixed = asked_by_list(kind, first)
    if not fixed:
        made(call, noun, most=False)
    page = call(kind.operations["list"], fixed | {"MaxResults": 1})
    if "NextToken" not in page:
        pytest.skip("one item is all that the list can have")
    other = KINDS["Model" if noun != "Model" else "Experiment"]
    with pytest.raises(ClientError, match="NextToken"):
        call(other.operations["list"], {"NextToken": page["NextToken"]})


def test_every_list_operation_is_a_kind_s_or_declared() -> None:
    """What is not a kind's own List is a room's, or refused by its name."""
    of_kinds = {kind.operations["list"] for kind in KINDS.values() if "list" in kind.operations}
    for operation in MODEL.operation_names:
        if operation.startswith("List") and operation not in of_kinds:
            assert declared(operation) is not None, operation


def test_an_unknown_filter_is_refused(call: Call) -> None:
    with pytest.raises(ClientError, match="Filters is not done by the local SageMaker"):
        call("ListTrainingPlans", {"Filters": [{"Name": "Status", "Value": "Active"}]})


def test_orders_follow_what_they_name(call: Call) -> None:
    """By name, by the time of the last change, by state: made, changed and named differently."""
    names = [f"{stem}-{uuid.uuid4().hex[:8]}" for stem in ("b", "a", "c")]
    for name in names:
        params = {"CodeRepositoryName": name, "GitConfig": {"RepositoryUrl": "https://a.b/c"}}
        call("CreateCodeRepository", params)
    call("UpdateCodeRepository", {"CodeRepositoryName": names[0], "GitConfig": {"SecretArn": _ARN}})

    def listed(**params: Any) -> list[str]:
        items = call("ListCodeRepositories", params | {"MaxResults": 100})
        found_names = [item["CodeRepositoryName"] for item in items["CodeRepositorySummaryList"]]
        return [name[0] for name in found_names if name in names]

    assert listed() == ["a", "b", "c"]
    assert listed(SortBy="Name", SortOrder="Descending") == ["c", "b", "a"]
    assert listed(SortBy="CreationTime") == ["b", "a", "c"]
    assert listed(SortBy="LastModifiedTime") == ["a", "c", "b"]
    config = call("DescribeCodeRepository", {"CodeRepositoryName": names[0]})["GitConfig"]
    assert config == {"RepositoryUrl": "https://a.b/c", "SecretArn": _ARN}

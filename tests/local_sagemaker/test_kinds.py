"""What a kind of resource is follows from the service model, and what does not is in its row.

The lists are complete: they fail when botocore adds a resource that nobody looked at.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.model import Shape

from local_sagemaker import identifiers
from local_sagemaker.coverage import NOUNS, Coverage, declared
from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.kinds import ROWS, Override, declared_kinds, derive
from local_sagemaker.protocol import service_model
from local_sagemaker.resources import Resources
from local_sagemaker.store import Records
from tests.local_sagemaker.request_support import request

MODEL = service_model("sagemaker")
OPERATIONS = set(MODEL.operation_names)
CALLER = Caller("111122223333", "us-east-1", "arn", "user", "key")
KINDS = declared_kinds(MODEL)

# Create operations that make no resource.
NO_RESOURCES = {
    "EdgeDeploymentStage",
    "HubContentPresignedUrls",
    "HubContentReference",
    "PartnerAppPresignedUrl",
    "PresignedDomainUrl",
    "PresignedMlflowAppUrl",
    "PresignedMlflowTrackingServerUrl",
    "PresignedNotebookInstanceUrl",
}
# Describe does not answer its ARN.
NOT_DERIVED = {"ClusterExtension"}
# Kept by a room of their own, which knows more of them than a row can say.
OF_ROOMS = {"AutoMLJobV2", "ImageVersion"}
# Their ARN has a form that the model's own pattern does not allow, as AWS's have.
OTHER_PATTERN = {"DeviceFleet", "EdgeDeploymentPlan", "EdgePackagingJob"}
# A room makes the ARN, or nothing does because none is ever made.
ARN_ELSEWHERE = {"Artifact", "MlflowApp", "ModelCardExportJob", "ModelPackage"}


def creates() -> set[str]:
    return {name.removeprefix("Create") for name in OPERATIONS if name.startswith("Create")}


def test_every_create_operation_makes_a_kind_or_is_known_not_to() -> None:
    """75 in botocore 1.44, of which 67 make a resource; older models have fewer."""
    described = {noun for noun in creates() if f"Describe{noun}" in OPERATIONS}
    assert creates() - described == NO_RESOURCES & creates()
    assert len(described) > 60
    for noun in NO_RESOURCES | NOT_DERIVED:
        with pytest.raises(LookupError, match=noun):
            derive(MODEL, noun, Override())


def test_every_noun_that_is_answered_has_a_row_or_a_room() -> None:
    assert set(NOUNS) >= creates() - NO_RESOURCES
    answered = {
        noun
        for noun in creates() - NO_RESOURCES
        if (it := declared(f"Create{noun}")) is not None and it.coverage is not Coverage.REFUSED
    }
    assert answered <= set(KINDS) | OF_ROOMS
    assert set(ROWS) <= set(NOUNS)


@pytest.mark.parametrize("noun", KINDS)
def test_a_row_says_what_the_model_does_not(noun: str) -> None:
    kind = KINDS[noun]
    for text in (kind.exists, kind.missing):
        assert text.format(label="l", name="n", arn="a")
    assert {kind.exists_code, kind.missing_code, kind.delete_code} <= {
        "ConflictException",
        "ResourceAlreadyExists",
        "ResourceInUse",
        "ResourceNotFound",
        "ValidationException",
    }
    if kind.status is not None:
        assert kind.status_key is not None
        assert kind.status in kind.describe.members[kind.status_key].metadata["enum"]
    shown, asked = set(kind.describe.members), set(kind.inputs["create"])
    asked |= set(kind.inputs.get("update", ()))
    row = kind.row
    assert set(row.generated) <= shown
    assert set(row.kept) <= asked
    assert set(row.ignored) <= asked | {name for names in kind.inputs.values() for name in names}
    assert set(row.added) | set(row.removed) <= asked
    for path in (*row.added.values(), *row.removed.values()):
        assert path == "" or path in shown
    for path in row.aliases.values():
        # What is only listed is made up along with the record.
        assert path.startswith(".") or path.split(".")[0] in shown or row.invented, path
    if NOUNS[noun].coverage is Coverage.FAILS:
        assert kind.status is not None
        assert "fail" in kind.status.lower()


def test_how_a_resource_is_addressed() -> None:
    """By what Describe requires; its further members choose between things or look closer."""
    for noun, kind in KINDS.items():
        shape = MODEL.operation_model(kind.operations["describe"]).input_shape
        required = set(shape.required_members)
        assert required <= identifiers.members(kind), noun
        assert identifiers.members(kind) <= set(shape.members), noun


@pytest.fixture
def resources(tmp_path: Path) -> Iterator[Resources]:
    database = Database(tmp_path / "state.db")
    yield Resources(Records(database), MODEL)
    database.close()


@pytest.mark.parametrize("noun", sorted(set(KINDS) - OTHER_PATTERN - ARN_ELSEWHERE))
def test_an_arn_is_what_its_pattern_allows(resources: Resources, noun: str) -> None:
    kind = KINDS[noun]
    params = request(MODEL.operation_model(f"Create{noun}").input_shape)
    params |= identifiers.generated(kind) | {"UserProfileName": "some-user"}
    generated = kind.row.arn_generated
    name = identifiers.token("") if generated else identifiers.name(kind, params)
    arn = resources.arn(CALLER, noun, name)
    pattern = kind.describe.members[kind.shown_arn_key].metadata.get("pattern", ".*")
    assert re.fullmatch(pattern, arn), (arn, pattern)


def test_a_generated_identifier_is_new_each_time() -> None:
    domain, app = KINDS["Domain"], KINDS["PartnerApp"]
    made = {identifiers.generated(domain)["DomainId"] for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"d-[a-z0-9]{12}", name) for name in made)
    assert re.fullmatch(r"app-[A-Z0-9]{12}", identifiers.generated(app)["Arn"])


def test_exactly_one_of_two_names() -> None:
    params = {"DomainId": "d-1", "AppType": "JupyterLab", "AppName": "default"}
    app = KINDS["App"]
    assert identifiers.name(app, params | {"SpaceName": "s"}) == "d-1/s/JupyterLab/default"
    for wrong in ({}, {"SpaceName": "s", "UserProfileName": "u"}):
        with pytest.raises(AWSError, match="Exactly one of UserProfileName and SpaceName"):
            identifiers.name(app, params | wrong)


def test_no_shape_of_a_request_is_one_that_records_cannot_keep() -> None:
    """Records are JSON: no request of the control plane may hold bytes."""
    seen = set()

    def walk(shape: Shape) -> None:
        if shape.name in seen:
            return
        seen.add(shape.name)
        assert shape.type_name != "blob", shape.name
        for part in ("member", "key", "value"):
            if shape.type_name in ("list", "map") and hasattr(shape, part):
                walk(getattr(shape, part))
        if shape.type_name == "structure":
            for member in shape.members.values():
                walk(member)

    for name in OPERATIONS:
        if MODEL.operation_model(name).input_shape:
            walk(MODEL.operation_model(name).input_shape)
    assert len(seen) > 1000

"""EventBridge Scheduler: schedules are kept as records, and none pretends to run."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker.identity import EXECUTION_ROLE
from tests.local_sagemaker.account_support import TestAccount, new_account
from tests.local_sagemaker.core_support import fits, refused

pytestmark = pytest.mark.usefixtures("local")
MISSING, TAKEN = "ResourceNotFoundException", "ConflictException"


@pytest.fixture
def account() -> TestAccount:
    return new_account()


@pytest.fixture
def client(account: TestAccount) -> Any:
    return account.client("scheduler")


def asked(name: str, **more: Any) -> dict[str, Any]:
    pipeline = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/p"
    role = "arn:aws:iam::111122223333:role/r"
    return {
        "Name": name,
        "ScheduleExpression": "rate(5 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "DISABLED",
        "Target": {"Arn": pipeline, "RoleArn": role, "SageMakerPipelineParameters": {}},
        **more,
    }


def answer(client: Any, operation: str, **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = client._make_api_call(operation, params)
    shape = client.meta.service_model.operation_model(operation).output_shape
    fits(found, shape)
    return found


def test_a_schedule_s_life(client: Any, account: TestAccount) -> None:
    start = datetime(2026, 12, 1, tzinfo=UTC)
    arn = answer(client, "CreateSchedule", **asked("s", StartDate=start))["ScheduleArn"]
    assert arn == f"arn:aws:scheduler:us-east-1:{account.number}:schedule/default/s"
    shown = answer(client, "GetSchedule", Name="s")
    assert (shown["StartDate"], shown["GroupName"], shown["State"]) == (
        start,
        "default",
        "DISABLED",
    )
    refused(client.create_schedule, TAKEN, 409, **asked("s"))
    answer(client, "UpdateSchedule", **asked("s", ScheduleExpression="cron(0 12 * * ? *)"))
    shown = answer(client, "GetSchedule", Name="s")
    assert shown["ScheduleExpression"] == "cron(0 12 * * ? *)"
    # As at AWS an update replaces everything.
    assert "StartDate" not in shown
    assert shown["LastModificationDate"] > shown["CreationDate"]
    refused(new_account().client("scheduler").get_schedule, MISSING, 404, Name="s")
    answer(client, "DeleteSchedule", Name="s")
    for call in (client.get_schedule, client.delete_schedule):
        refused(call, MISSING, 404, Name="s")
    refused(client.update_schedule, MISSING, 404, **asked("s"))


def test_what_would_run_is_refused(client: Any) -> None:
    enabled = asked("s", State="ENABLED")
    assert "DISABLED" in refused(client.create_schedule, "NotImplemented", 400, **enabled)
    del enabled["State"]
    refused(client.create_schedule, "NotImplemented", 400, **enabled)
    client.create_schedule(**asked("s"))
    refused(client.update_schedule, "NotImplemented", 400, **enabled)
    assert client.get_schedule(Name="s")["State"] == "DISABLED"


@pytest.mark.parametrize("expression", ["rate(5)", "cron(1 2)", "at(tomorrow)", "hourly"])
def test_expressions(client: Any, expression: str) -> None:
    bad = asked("s", ScheduleExpression=expression)
    assert expression in refused(client.create_schedule, "ValidationException", 400, **bad)


def test_groups_hold_schedules_and_carry_tags(client: Any, account: TestAccount) -> None:
    refused(client.create_schedule, MISSING, 404, **asked("s", GroupName="g"))
    arn = answer(client, "CreateScheduleGroup", Name="g", Tags=[{"Key": "workshop", "Value": "x"}])[
        "ScheduleGroupArn"
    ]
    refused(client.create_schedule_group, TAKEN, 409, Name="g")
    refused(client.create_schedule_group, TAKEN, 409, Name="default")
    for name in ("a", "b", "c"):
        client.create_schedule(**asked(name, GroupName="g"))
        client.create_schedule(**asked(name))
    paged = client.get_paginator("list_schedules")

    def listed(**params: Any) -> list[tuple[str, str]]:
        pages = paged.paginate(PaginationConfig={"PageSize": 2}, **params)
        return [(one["GroupName"], one["Name"]) for page in pages for one in page["Schedules"]]

    assert len(listed()) == 6
    assert listed(GroupName="g") == [("g", "a"), ("g", "b"), ("g", "c")]
    assert (
        listed(NamePrefix="b") == [("default", "b"), ("g", "b")] or len(listed(NamePrefix="b")) == 2
    )
    assert listed(State="ENABLED") == []
    fits(
        client.list_schedules(),
        client.meta.service_model.operation_model("ListSchedules").output_shape,
    )
    groups = answer(client, "ListScheduleGroups")["ScheduleGroups"]
    assert [group["Name"] for group in groups] == ["default", "g"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "more", "Value": "y"}])
    shown = answer(client, "ListTagsForResource", ResourceArn=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in shown} == {"workshop": "x", "more": "y"}
    tagging = account.client("resourcegroupstaggingapi")
    by_tag = {"TagFilters": [{"Key": "workshop"}], "ResourceTypeFilters": ["scheduler"]}
    (found,) = tagging.get_resources(**by_tag)["ResourceTagMappingList"]
    assert found["ResourceARN"] == arn
    answer(client, "DeleteScheduleGroup", Name="g")
    assert {group for group, _ in listed()} == {"default"}
    refused(client.list_schedules, MISSING, 404, GroupName="g")
    refused(client.list_tags_for_resource, MISSING, 404, ResourceArn=arn)
    assert not tagging.get_resources(**by_tag)["ResourceTagMappingList"]
    refused(client.delete_schedule_group, "ValidationException", 400, Name="default")


@pytest.mark.slow
def test_the_sdk_s_pipeline_triggers(account: TestAccount) -> None:
    """What is ENABLED fails with the reason; what is DISABLED is described and deleted again."""
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.triggers import PipelineSchedule

    account.client("sagemaker").create_pipeline(
        PipelineName="p",
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": []}),
        RoleArn=account.role,
        ClientRequestToken="t" * 32,
    )
    role = f"arn:aws:iam::{account.number}:role/{EXECUTION_ROLE}"
    pipeline = Pipeline(name="p", steps=[], sagemaker_session=Session(account.session))
    with pytest.raises(ClientError, match="NotImplemented"):
        pipeline.put_triggers([PipelineSchedule(name="s", rate=(1, "day"))], role_arn=role)
    disabled = PipelineSchedule(name="s", rate=(1, "day"), enabled=False)
    pipeline.put_triggers([disabled], role_arn=role)
    shown = pipeline.describe_trigger("s")
    assert shown["Schedule_State"] == "DISABLED"
    pipeline.delete_triggers(["s"])
    refused(account.client("scheduler").get_schedule, MISSING, 404, Name="s")

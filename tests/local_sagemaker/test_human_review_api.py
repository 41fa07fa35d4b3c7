"""A2I's API through boto3: flow definitions and human loops, their rules and their errors."""

import base64
import hashlib
import json
import re
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local_sagemaker import LocalSageMaker
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import client_of, fits, refused, send, signed
from tests.local_sagemaker.human_review_support import CONTENT, ROLE, TEMPLATE, until

RUNTIME = service_model("sagemaker-a2i-runtime")
CONTROL = service_model("sagemaker")
PUBLIC_CROWD = "arn:aws:sagemaker:us-east-1:394669845002:workteam/public-crowd/default"
UNCHECKED = Config(parameter_validation=False, retries={"max_attempts": 0})


@dataclass
class Account:
    """The clients of the local user, and a bucket for answers."""

    sagemaker: Any
    a2i: Any
    bucket: str

    def config(self, **more: Any) -> dict[str, Any]:
        """Return a HumanLoopConfig with a task UI of its own."""
        name = f"ui-{uuid.uuid4()}"
        task_ui = self.sagemaker.create_human_task_ui(
            HumanTaskUiName=name, UiTemplate={"Content": more.pop("template", TEMPLATE)}
        )
        team = self.sagemaker.list_workteams(SortOrder="Descending")["Workteams"][0]
        return {
            "WorkteamArn": team["WorkteamArn"],
            "HumanTaskUiArn": task_ui["HumanTaskUiArn"],
            "TaskTitle": "Film reviews",
            "TaskDescription": "Say whether a review is positive.",
            "TaskCount": 1,
            **more,
        }

    def creation(self, **more: Any) -> dict[str, Any]:
        """Return a request that makes a flow definition."""
        return {
            "FlowDefinitionName": f"flow-{uuid.uuid4()}",
            "RoleArn": ROLE,
            "HumanLoopConfig": self.config(),
            "OutputConfig": {"S3OutputPath": f"s3://{self.bucket}/reviews"},
            **more,
        }

    def flow(self, **more: Any) -> str:
        """Make a flow definition and wait until it is active; return its ARN."""
        params = self.creation(**more)
        arn = self.sagemaker.create_flow_definition(**params)["FlowDefinitionArn"]
        until(lambda: self.described(params["FlowDefinitionName"]) == "Active")
        return str(arn)

    def described(self, name: str) -> str:
        answer = self.sagemaker.describe_flow_definition(FlowDefinitionName=name)
        fits(answer, CONTROL.operation_model("DescribeFlowDefinition").output_shape)
        return str(answer["FlowDefinitionStatus"])

    def start(self, flow: str, name: str | None = None, **more: Any) -> str:
        name = name or str(uuid.uuid4())
        params = {"HumanLoopInput": {"InputContent": json.dumps(CONTENT)}} | more
        self.a2i.start_human_loop(HumanLoopName=name, FlowDefinitionArn=flow, **params)
        return name

    def loop(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.a2i.describe_human_loop(HumanLoopName=name)
        fits(answer, RUNTIME.operation_model("DescribeHumanLoop").output_shape)
        return answer


@pytest.fixture(scope="module")
def account(local: LocalSageMaker) -> Iterator[Account]:
    """Return clients of the server that all tests share; no task stays for those of others."""
    assert local.url
    bucket = f"answers-{uuid.uuid4()}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    sagemaker = client_of("sagemaker")
    yield Account(sagemaker, client_of("sagemaker-a2i-runtime"), bucket)
    for page in sagemaker.get_paginator("list_flow_definitions").paginate():
        for flow in page["FlowDefinitionSummaries"]:
            name = flow["FlowDefinitionName"]
            shown = sagemaker.describe_flow_definition(FlowDefinitionName=name)
            if bucket in shown["OutputConfig"]["S3OutputPath"]:
                sagemaker.delete_flow_definition(FlowDefinitionName=name)


@pytest.fixture(scope="module")
def flow(account: Account) -> str:
    """Return the ARN of an active flow definition, for tests that do not change it."""
    return account.flow()


@pytest.fixture
def cleared(account: Account) -> Iterator[Callable[..., str]]:
    """Return what makes flow definitions that are deleted at the end."""
    made: list[str] = []

    def make(**more: Any) -> str:
        made.append(account.flow(**more))
        return made[-1]

    yield make
    for arn in made:
        account.sagemaker.delete_flow_definition(FlowDefinitionName=arn.rpartition("/")[2])


class TestTaskUis:
    def test_its_content_is_a_link_away(self, account: Account) -> None:
        content = "<p>{{ task.input.ü }}</p>\n"
        name = f"ui-{uuid.uuid4()}"
        created = account.sagemaker.create_human_task_ui(
            HumanTaskUiName=name, UiTemplate={"Content": content}
        )
        shown = account.sagemaker.describe_human_task_ui(HumanTaskUiName=name)
        fits(shown, CONTROL.operation_model("DescribeHumanTaskUi").output_shape)
        assert shown["HumanTaskUiArn"] == created["HumanTaskUiArn"]
        assert shown["HumanTaskUiStatus"] == "Active"
        digest = hashlib.sha256(content.encode()).hexdigest()
        assert shown["UiTemplate"]["ContentSha256"] == digest
        with urllib.request.urlopen(shown["UiTemplate"]["Url"]) as answer:
            assert answer.read().decode() == content
        buckets = [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]
        assert not [bucket for bucket in buckets if "task-ui" in bucket]
        listed = account.sagemaker.list_human_task_uis(MaxResults=1)["HumanTaskUiSummaries"]
        assert [ui["HumanTaskUiName"] for ui in listed] == [name]
        taken = {"HumanTaskUiName": name, "UiTemplate": {"Content": "x"}}
        refused(account.sagemaker.create_human_task_ui, "ResourceInUse", **taken)
        account.sagemaker.delete_human_task_ui(HumanTaskUiName=name)
        for call in ("describe_human_task_ui", "delete_human_task_ui"):
            refused(getattr(account.sagemaker, call), "ResourceNotFound", HumanTaskUiName=name)

    def test_one_that_goes_takes_no_loop_with_it(
        self, account: Account, cleared: Callable[..., str]
    ) -> None:
        config = account.config()
        flow = cleared(HumanLoopConfig=config)
        before = account.start(flow)
        account.sagemaker.delete_human_task_ui(
            HumanTaskUiName=config["HumanTaskUiArn"].rpartition("/")[2]
        )
        assert account.loop(before)["HumanLoopStatus"] == "InProgress"
        after = account.loop(account.start(flow))
        assert (after["HumanLoopStatus"], after["FailureCode"]) == ("Failed", "ValidationError")
        assert config["HumanTaskUiArn"] in after["FailureReason"]


class TestFlowDefinitions:
    def test_it_becomes_active(self, account: Account) -> None:
        params = account.creation()
        params["HumanLoopConfig"]["TaskKeywords"] = ["films"]
        name = params["FlowDefinitionName"]
        arn = account.sagemaker.create_flow_definition(**params)["FlowDefinitionArn"]
        loop = {
            "HumanLoopName": "early",
            "FlowDefinitionArn": arn,
            "HumanLoopInput": {"InputContent": "{}"},
        }
        if account.described(name) == "Initializing":
            refused(
                account.sagemaker.delete_flow_definition, "ResourceInUse", FlowDefinitionName=name
            )
        until(lambda: account.described(name) == "Active")
        shown = account.sagemaker.describe_flow_definition(FlowDefinitionName=name)
        assert shown["HumanLoopConfig"] == {
            "TaskTimeLimitInSeconds": 3600,
            **params["HumanLoopConfig"],
        }
        assert shown["OutputConfig"] == params["OutputConfig"]
        assert (shown["RoleArn"], shown["FlowDefinitionArn"]) == (ROLE, arn)
        refused(account.sagemaker.create_flow_definition, "ResourceInUse", **params)
        (listed,) = account.sagemaker.list_flow_definitions(MaxResults=1)["FlowDefinitionSummaries"]
        assert (listed["FlowDefinitionName"], listed["FlowDefinitionStatus"]) == (name, "Active")
        account.sagemaker.delete_flow_definition(FlowDefinitionName=name)
        refused(
            account.sagemaker.describe_flow_definition, "ResourceNotFound", FlowDefinitionName=name
        )
        refused(
            account.sagemaker.delete_flow_definition, "ResourceNotFound", FlowDefinitionName=name
        )
        refused(account.a2i.list_human_loops, "ResourceNotFoundException", FlowDefinitionArn=arn)
        refused(account.a2i.start_human_loop, "ValidationException", **loop)
        account.sagemaker.create_flow_definition(**params)

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"WorkteamArn": "{sagemaker}:workteam/private-crowd/nobody"}, "does not exist"),
            (
                {"WorkteamArn": PUBLIC_CROWD},
                "private teams only",
            ),
            ({"HumanTaskUiArn": "{sagemaker}:human-task-ui/nothing"}, "does not exist"),
            ({"PublicWorkforceTaskPrice": {"AmountInUsd": {"Cents": 1}}}, "Mechanical Turk"),
            ({"TaskCount": 4}, "less than or equal to 3"),
            ({"TaskTimeLimitInSeconds": 29}, "greater than or equal to 30"),
            ({"TaskTitle": ""}, "greater than or equal to 1"),
        ],
    )
    def test_what_nobody_could_answer_is_refused(
        self, account: Account, change: dict[str, Any], why: str
    ) -> None:
        arn = "arn:aws:sagemaker:us-east-1:111122223333"
        change = {
            key: value.replace("{sagemaker}", arn) if isinstance(value, str) else value
            for key, value in change.items()
        }
        params = account.creation(HumanLoopConfig=account.config() | change)
        client = client_of("sagemaker", config=UNCHECKED)
        assert why in refused(client.create_flow_definition, "ValidationException", **params)

    def test_an_output_path_must_lead_somewhere(self, account: Account) -> None:
        params = account.creation(OutputConfig={"S3OutputPath": "s3://not-there-at-all/x"})
        message = refused(account.sagemaker.create_flow_definition, "ValidationException", **params)
        assert "not-there-at-all" in message
        assert "Create it" in message

    def test_built_in_task_types_are_refused(self, account: Account) -> None:
        source = "AWS/Textract/AnalyzeDocument/Forms/V1"
        params = account.creation(
            HumanLoopRequestSource={"AwsManagedHumanLoopRequestSource": source}
        )
        message = refused(account.sagemaker.create_flow_definition, "ValidationException", **params)
        assert "HumanLoopRequestSource" in message

    def test_deleting_one_deletes_what_nobody_began(self, account: Account) -> None:
        flow = account.flow()
        name = account.start(flow)
        account.sagemaker.delete_flow_definition(FlowDefinitionName=flow.rpartition("/")[2])
        refused(account.a2i.describe_human_loop, "ResourceNotFoundException", HumanLoopName=name)


class TestStarting:
    def test_a_loop_says_where_its_answers_will_be(self, account: Account, flow: str) -> None:
        name = account.start(
            flow,
            DataAttributes={"ContentClassifiers": ["FreeOfPersonallyIdentifiableInformation"]},
        )
        loop = account.loop(name)
        assert loop["HumanLoopStatus"] == "InProgress"
        assert (loop["HumanLoopName"], loop["FlowDefinitionArn"]) == (name, flow)
        assert loop["HumanLoopArn"].endswith(f":111122223333:human-loop/{name}")
        moment = loop["CreationTime"].astimezone(UTC)
        flow_name = flow.rpartition("/")[2]
        assert loop["HumanLoopOutput"]["OutputS3Uri"] == (
            f"s3://{account.bucket}/reviews/{flow_name}/{moment:%Y/%m/%d/%H/%M/%S}/{name}/output.json"
        )
        assert "FailureCode" not in loop

    def test_moments_are_texts(self, local: LocalSageMaker, account: Account, flow: str) -> None:
        """As the service model says; boto3 would read numbers as well, and other SDKs would not."""
        path = f"/human-loops/{account.start(flow)}"
        headers = signed(local, "GET", path, service="sagemaker")
        answer = send(local, "GET", path, headers)
        created = json.loads(answer.body)["CreationTime"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created)

    def test_the_same_request_again_is_the_same_loop(self, account: Account, flow: str) -> None:
        name = account.start(flow)
        reordered = json.dumps(dict(reversed(CONTENT.items())), indent=2)
        account.start(flow, name, HumanLoopInput={"InputContent": reordered})
        created = account.loop(name)["CreationTime"]
        message = refused(
            account.a2i.start_human_loop,
            "ConflictException",
            409,
            HumanLoopName=name,
            FlowDefinitionArn=flow,
            HumanLoopInput={"InputContent": '{"other": 1}'},
        )
        assert name in message
        assert account.loop(name)["CreationTime"] == created

    @pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a-", "ä", "a" * 64, "a b", "a\n"])
    def test_a_name_that_is_none_is_refused(self, account: Account, flow: str, name: str) -> None:
        refused(
            account.a2i.start_human_loop,
            "ValidationException",
            HumanLoopName=name,
            FlowDefinitionArn=flow,
            HumanLoopInput={"InputContent": "{}"},
        )

    @pytest.mark.parametrize(
        "text",
        ["", "{", "{'a': 1}", "NaN", '{"a": Infinity}', '"\\ud800"', "[" * 100_000, "1e999"],
    )
    def test_an_input_that_is_no_json_is_refused(
        self, account: Account, flow: str, text: str
    ) -> None:
        params = {
            "HumanLoopName": str(uuid.uuid4()),
            "FlowDefinitionArn": flow,
            "HumanLoopInput": {"InputContent": text},
        }
        message = refused(account.a2i.start_human_loop, "ValidationException", 400, **params)
        assert "JSON" in message

    def test_an_input_may_have_three_megabytes(self, account: Account, flow: str) -> None:
        most = 3 * 1024 * 1024
        largest = json.dumps({"taskObject": "x" * (most - 18)})
        assert len(largest) == most
        name = account.start(flow, HumanLoopInput={"InputContent": largest})
        assert account.loop(name)["HumanLoopStatus"] == "InProgress"
        for text in (
            largest + " ",
            json.dumps({"taskObject": "é" * (most // 2)}, ensure_ascii=False),
        ):
            refused(
                account.a2i.start_human_loop,
                "ValidationException",
                HumanLoopName=str(uuid.uuid4()),
                FlowDefinitionArn=flow,
                HumanLoopInput={"InputContent": text},
            )

    def test_a_flow_definition_of_others_is_refused(self, account: Account, flow: str) -> None:
        elsewhere = client_of("sagemaker-a2i-runtime", region_name="eu-west-1")
        for client, arn in ((elsewhere, flow), (account.a2i, f"{flow}x")):
            params = {
                "HumanLoopName": "some",
                "FlowDefinitionArn": arn,
                "HumanLoopInput": {"InputContent": "{}"},
            }
            message = refused(client.start_human_loop, "ValidationException", **params)
            assert "does not exist" in message

    def test_an_unknown_classifier_is_refused(self, account: Account, flow: str) -> None:
        refused(
            account.a2i.start_human_loop,
            "ValidationException",
            HumanLoopName="some",
            FlowDefinitionArn=flow,
            HumanLoopInput={"InputContent": "{}"},
            DataAttributes={"ContentClassifiers": ["FreeOfCharge"]},
        )

    def test_a_task_that_cannot_be_shown_has_failed(
        self, account: Account, cleared: Callable[..., str]
    ) -> None:
        flow = cleared(HumanLoopConfig=account.config(template="<p>{{ task.input | bogus }}"))
        loop = account.loop(account.start(flow))
        assert (loop["HumanLoopStatus"], loop["FailureCode"]) == ("Failed", "ValidationError")
        assert "bogus" in loop["FailureReason"]
        (listed,) = account.a2i.list_human_loops(FlowDefinitionArn=flow)["HumanLoopSummaries"]
        assert listed["FailureReason"] == loop["FailureReason"]


class TestListing:
    def test_pages_orders_and_filters(self, account: Account, cleared: Callable[..., str]) -> None:
        flow = cleared()
        names = [account.start(flow) for _ in range(5)]
        moments = [account.loop(name)["CreationTime"] for name in names]

        def listed(**asked: Any) -> list[str]:
            found: list[str] = []
            while True:
                page = account.a2i.list_human_loops(
                    FlowDefinitionArn=flow, **{"MaxResults": 2} | asked
                )
                fits(page, RUNTIME.operation_model("ListHumanLoops").output_shape)
                found += [loop["HumanLoopName"] for loop in page["HumanLoopSummaries"]]
                if "NextToken" not in page:
                    return found
                asked["NextToken"] = page["NextToken"]

        assert listed() == names[::-1]
        assert listed(SortOrder="Ascending") == names
        # Filters have whole seconds, because that is how boto3 writes a moment here.
        assert listed(CreationTimeAfter=moments[-1] + timedelta(seconds=2)) == []
        assert listed(CreationTimeBefore=moments[-1] + timedelta(seconds=2)) == names[::-1]
        assert listed(CreationTimeBefore=moments[0] - timedelta(seconds=2)) == []
        paginated = account.a2i.get_paginator("list_human_loops").paginate(FlowDefinitionArn=flow)
        assert [
            loop["HumanLoopName"] for page in paginated for loop in page["HumanLoopSummaries"]
        ] == (names[::-1])
        for wrong in (
            {"MaxResults": 0},
            {"MaxResults": 101},
            {"SortOrder": "Up"},
            {"NextToken": "x"},
        ):
            client = client_of("sagemaker-a2i-runtime", config=UNCHECKED)
            refused(client.list_human_loops, "ValidationException", FlowDefinitionArn=flow, **wrong)

    def test_loops_that_go_between_two_pages_hide_no_others(
        self, account: Account, cleared: Callable[..., str]
    ) -> None:
        flow = cleared()
        names = [account.start(flow) for _ in range(6)]
        first = account.a2i.list_human_loops(
            FlowDefinitionArn=flow, SortOrder="Ascending", MaxResults=3
        )
        for name in names[1:3]:
            account.a2i.stop_human_loop(HumanLoopName=name)
            account.a2i.delete_human_loop(HumanLoopName=name)
        second = account.a2i.list_human_loops(
            FlowDefinitionArn=flow,
            SortOrder="Ascending",
            MaxResults=3,
            NextToken=first["NextToken"],
        )
        shown = [loop["HumanLoopName"] for loop in second["HumanLoopSummaries"]]
        assert (shown, "NextToken" in second) == (names[3:], False)

    def test_a_token_that_names_no_loop_is_refused(
        self, account: Account, cleared: Callable[..., str]
    ) -> None:
        flow = cleared()
        for _ in range(2):
            account.start(flow)
        asked = {"FlowDefinitionArn": flow, "MaxResults": 1}
        given = account.a2i.list_human_loops(**asked)["NextToken"]
        question, _, position = json.loads(base64.urlsafe_b64decode(given))
        forged = json.dumps([question, "nothing", position])
        token = base64.urlsafe_b64encode(forged.encode()).decode()
        refused(account.a2i.list_human_loops, "ValidationException", NextToken=token, **asked)


class TestEnding:
    def test_a_loop_is_stopped_before_it_is_deleted(self, account: Account, flow: str) -> None:
        name = account.start(flow)
        message = refused(account.a2i.delete_human_loop, "ValidationException", HumanLoopName=name)
        assert "StopHumanLoop" in message
        account.a2i.stop_human_loop(HumanLoopName=name)
        assert account.loop(name)["HumanLoopStatus"] == "Stopped"
        account.a2i.delete_human_loop(HumanLoopName=name)
        for call in ("describe_human_loop", "stop_human_loop", "delete_human_loop"):
            refused(
                getattr(account.a2i, call), "ResourceNotFoundException", 404, HumanLoopName=name
            )
        account.start(flow, name)

    def test_a_loop_expires(self, account: Account, cleared: Callable[..., str]) -> None:
        flow = cleared(HumanLoopConfig=account.config(TaskAvailabilityLifetimeInSeconds=1))
        name = account.start(flow)
        until(lambda: account.loop(name)["HumanLoopStatus"] != "InProgress")
        loop = account.loop(name)
        assert (loop["HumanLoopStatus"], loop["FailureCode"]) == ("Failed", "Expired")

    def test_other_accounts_and_regions_have_other_loops(self, account: Account, flow: str) -> None:
        name = account.start(flow)
        elsewhere = client_of("sagemaker-a2i-runtime", region_name="eu-west-1")
        refused(elsewhere.describe_human_loop, "ResourceNotFoundException", HumanLoopName=name)
        refused(elsewhere.list_human_loops, "ResourceNotFoundException", FlowDefinitionArn=flow)


@pytest.mark.slow
def test_loops_survive_a_restart(fresh: LocalSageMaker) -> None:
    boto3.client("s3").create_bucket(Bucket="kept")
    account = Account(client_of("sagemaker"), client_of("sagemaker-a2i-runtime"), "kept")
    flow = account.flow(HumanLoopConfig=account.config(TaskAvailabilityLifetimeInSeconds=2))
    name = account.start(flow)
    beginning = account.creation()
    account.sagemaker.create_flow_definition(**beginning)
    fresh.close()
    time.sleep(2)
    fresh.start()
    account = Account(client_of("sagemaker"), client_of("sagemaker-a2i-runtime"), "kept")
    until(lambda: account.loop(name)["HumanLoopStatus"] == "Failed")
    until(lambda: account.described(beginning["FlowDefinitionName"]) == "Active")

"""The private workforce and its teams."""

import uuid
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.credentials import Credentials

from local_sagemaker import LocalSageMaker
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import client_of, fits, refused

MODEL = service_model("sagemaker")


def team(name: str, **more: Any) -> dict[str, Any]:
    return {
        "WorkteamName": name,
        "Description": "Some people",
        "MemberDefinitions": [{"OidcMemberDefinition": {"Groups": ["some"]}}],
        **more,
    }


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_one_team_is_there_from_the_start(local: LocalSageMaker, region: str) -> None:
    """In whatever region somebody asks, by the line that notebooks take a team with."""
    sagemaker = client_of("sagemaker", region_name=region)
    arn = sagemaker.list_workteams(SortOrder="Descending")["Workteams"][0]["WorkteamArn"]
    assert arn.startswith(f"arn:aws:sagemaker:{region}:111122223333:workteam/private-crowd/")
    answer = sagemaker.describe_workteam(WorkteamName=arn.rpartition("/")[2])
    fits(answer, MODEL.operation_model("DescribeWorkteam").output_shape)
    assert answer["Workteam"]["SubDomain"] == f"{urlsplit(local.url).netloc}/portal"
    (workforce,) = sagemaker.list_workforces()["Workforces"]
    assert workforce["WorkforceArn"] == answer["Workteam"]["WorkforceArn"]
    described = sagemaker.describe_workforce(WorkforceName=workforce["WorkforceName"])
    fits(described, MODEL.operation_model("DescribeWorkforce").output_shape)
    assert described["Workforce"]["Status"] == "Active"
    assert described["Workforce"]["SubDomain"] == answer["Workteam"]["SubDomain"]


def test_every_account_has_its_own(local: LocalSageMaker) -> None:
    assert local.url
    role = "arn:aws:iam::444455556666:role/Other"
    key = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="other")["Credentials"]
    given = Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])
    (theirs,) = client_of("sagemaker", given).list_workteams()["Workteams"]
    assert ":444455556666:workteam/private-crowd/" in theirs["WorkteamArn"]


def test_the_first_team_comes_without_being_looked_at(local: LocalSageMaker) -> None:
    assert local.url
    sagemaker = client_of("sagemaker", region_name="eu-west-2")
    sagemaker.delete_workteam(WorkteamName="private-team")
    assert sagemaker.list_workteams()["Workteams"] == []


def test_teams_come_and_go(local: LocalSageMaker) -> None:
    assert local.url
    sagemaker = client_of("sagemaker", region_name="eu-west-3")
    name = f"team-{uuid.uuid4()}"
    arn = sagemaker.create_workteam(**team(name))["WorkteamArn"]
    assert arn.endswith(f":workteam/private-crowd/{name}")
    newest = sagemaker.list_workteams(SortOrder="Descending")["Workteams"][0]
    assert newest["WorkteamArn"] == arn
    assert newest["WorkforceArn"].endswith("/default")
    refused(sagemaker.create_workteam, "ResourceInUse", **team(name))
    other = team("other", WorkforceName="not-there")
    refused(sagemaker.create_workteam, "ValidationException", **other)
    updated = sagemaker.update_workteam(WorkteamName=name, Description="Others")["Workteam"]
    assert (updated["Description"], updated["SubDomain"]) == ("Others", newest["SubDomain"])
    assert sagemaker.delete_workteam(WorkteamName=name)["Success"] is True
    refused(sagemaker.describe_workteam, "ValidationException", WorkteamName=name)


def test_there_is_one_workforce_and_it_goes_last(local: LocalSageMaker) -> None:
    assert local.url
    sagemaker = client_of("sagemaker", region_name="ap-south-1")
    config = {"CognitoConfig": {"UserPool": "ap-south-1_abc", "ClientId": "client"}}
    message = refused(
        sagemaker.create_workforce, "ValidationException", WorkforceName="mine", **config
    )
    assert "workforce/private-crowd/default" in message
    refused(sagemaker.delete_workforce, "ResourceInUse", WorkforceName="default")
    refused(sagemaker.delete_workforce, "ValidationException", WorkforceName="other")
    sagemaker.delete_workteam(WorkteamName="private-team")
    sagemaker.delete_workforce(WorkforceName="default")
    refused(sagemaker.create_workteam, "ValidationException", **team("no-workforce"))
    arn = sagemaker.create_workforce(WorkforceName="mine", **config)["WorkforceArn"]
    (listed,) = sagemaker.list_workforces()["Workforces"]
    assert (listed["WorkforceArn"], listed["CognitoConfig"]) == (arn, config["CognitoConfig"])
    sagemaker.create_workteam(**team("again"))
    shown = sagemaker.describe_workteam(WorkteamName="again")["Workteam"]
    assert shown["WorkforceArn"] == arn


def test_teams_have_a_limit(local: LocalSageMaker) -> None:
    assert local.url
    sagemaker = client_of("sagemaker", region_name="ca-west-1")
    for number in range(24):
        sagemaker.create_workteam(**team(f"team-{number}"))
    refused(sagemaker.create_workteam, "ResourceLimitExceeded", **team("one-more"))


@pytest.mark.slow
def test_what_was_deleted_stays_away(fresh: LocalSageMaker) -> None:
    boto3.client("sagemaker").delete_workteam(WorkteamName="private-team")
    fresh.close()
    fresh.start()
    assert boto3.client("sagemaker").list_workteams()["Workteams"] == []

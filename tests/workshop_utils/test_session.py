import re
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.account_review import AccountReview
from workshop_utils import session
from workshop_utils.session import Session, SessionError, choose_mode, start


def test_studio_means_aws_and_everything_else_means_local(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKSHOP_MODE")
    monkeypatch.setattr(session, "STUDIO_METADATA", tmp_path / "resource-metadata.json")
    assert choose_mode() == "local"
    (tmp_path / "resource-metadata.json").write_text("{}")
    assert choose_mode() == "aws"


def test_the_environment_decides_and_an_argument_decides_over_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKSHOP_MODE", "aws")
    assert choose_mode() == "aws"
    assert choose_mode("local") == "local"


def test_a_mode_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKSHOP_MODE", "cloud")
    with pytest.raises(SessionError, match="'cloud'; it must be auto, local or aws"):
        choose_mode()


def test_a_session_knows_who_and_where(ws: Session) -> None:
    assert ws.mode == "local"
    assert ws.account == "111122223333"
    assert ":assumed-role/" in ws.caller
    assert re.fullmatch(r"arn:aws:iam::111122223333:role/\w+", ws.role)
    assert ws.client("s3").head_bucket(Bucket=ws.bucket)


def test_starting_twice_finds_the_same_server_and_bucket(
    ws: Session, local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
    again = start("few-shot")
    assert (again.bucket, again.role) == (ws.bucket, ws.role)


def test_names_are_new_each_time_and_fit_every_resource(ws: Session) -> None:
    long = "a name / with everything: ünïcode and more than sixty-three characters in it"
    names = {ws.name(long) for _ in range(50)}
    assert len(names) == 50
    for name in names:
        assert re.fullmatch(r"nlp-workshop-[a-zA-Z0-9](-*[a-zA-Z0-9])*", name)
        assert len(name) <= 63


def test_what_is_uploaded_is_below_the_labs_prefix(ws: Session, tmp_path: Path) -> None:
    file = tmp_path / "a file.txt"
    file.write_text("from a file")
    assert ws.upload(b"bytes", "x", "y.txt") == f"s3://{ws.bucket}/nlp-workshop/few-shot/x/y.txt"
    ws.upload(file, "x", "z.txt")
    bucket = boto3.resource("s3").Bucket(ws.bucket)
    found = {o.key: o.get()["Body"].read() for o in bucket.objects.filter(Prefix=f"{ws.prefix}/x/")}
    assert found == {
        "nlp-workshop/few-shot/x/y.txt": b"bytes",
        "nlp-workshop/few-shot/x/z.txt": b"from a file",
    }


def test_the_card_says_where_it_runs_without_secrets(ws: Session) -> None:
    shown = ws._repr_html_()
    assert "nothing is billed" in shown
    assert ws.account in shown
    assert ws.boto.get_credentials().secret_key not in shown + repr(ws)


@pytest.mark.usefixtures("ws")
def test_a_bucket_of_somebody_else_is_refused(
    local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = boto3.client("sts").assume_role(
        RoleArn="arn:aws:iam::444455556666:role/Other", RoleSessionName="other"
    )["Credentials"]
    boto3.client(
        "s3",
        aws_access_key_id=stranger["AccessKeyId"],
        aws_secret_access_key=stranger["SecretAccessKey"],
        aws_session_token=stranger["SessionToken"],
    ).create_bucket(Bucket="belongs-to-another")
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
    monkeypatch.setenv("WORKSHOP_BUCKET", "belongs-to-another")
    with pytest.raises(SessionError, match="WORKSHOP_BUCKET is belongs-to-another, which"):
        start("few-shot")


@pytest.mark.usefixtures("ws")
def test_a_bucket_in_another_region_is_refused(
    local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("s3").create_bucket(
        Bucket="far-away-from-jobs",
        CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"},
    )
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
    monkeypatch.setenv("WORKSHOP_BUCKET", "far-away-from-jobs")
    with pytest.raises(SessionError, match="is in ap-southeast-2; jobs in us-east-1 need"):
        start("few-shot")


@pytest.mark.usefixtures("ws")
def test_a_default_bucket_that_somebody_else_took_is_refused(
    local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def credentials(account: str) -> dict[str, str]:
        given = boto3.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{account}:role/Anybody", RoleSessionName="anybody"
        )["Credentials"]
        return {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }

    victim = credentials("777788889999")
    bucket = "sagemaker-us-east-1-777788889999"
    boto3.client("s3", **credentials("444455556666")).create_bucket(Bucket=bucket)
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
    monkeypatch.setattr(session, "_start_locally", lambda: local)
    for name, value in victim.items():
        monkeypatch.setenv(name.upper(), value)
    with pytest.raises(SessionError, match=f"{bucket} can be neither used nor made"):
        start("few-shot")


def test_aws_without_credentials_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(SessionError, match="WORKSHOP_MODE=local"):
        start("few-shot", mode="aws")


def test_closing_a_session_that_only_attached_stops_nothing(
    local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))
    # One of its own: the other tests go on with theirs.
    attached = start("few-shot")
    attached.close()
    assert local.status()["url"] == local.url
    assert boto3.client("sts").get_caller_identity()["Account"] == attached.account


@pytest.mark.slow
def test_reviews_beside_aws_start_once_and_answer(
    ws: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # The session's server plays AWS: nothing tells this session that it is local.
    monkeypatch.setenv("HOME", str(tmp_path))
    there = replace(ws, mode="aws", local=None)
    assert there.review_portal() is None
    reviews = there.start_reviews()
    try:
        teams = reviews.client("sagemaker").list_workteams()["Workteams"]
        assert [there.account in team["WorkteamArn"] for team in teams] == [True]
        assert reviews.client("sagemaker-a2i-runtime").meta.endpoint_url not in (
            there.client("sagemaker").meta.endpoint_url,
        )
        assert there.start_reviews().script_link == reviews.script_link
        assert reviews.portal.startswith("/")
    finally:
        AccountReview(there.account, there.region).stop()

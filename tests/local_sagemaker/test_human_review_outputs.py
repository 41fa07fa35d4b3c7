"""Where answers go: the server's own S3, an account's S3, and neither when something is wrong."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.errors import AWSError
from local_sagemaker.human_review.account_outputs import AccountOutputs
from local_sagemaker.human_review.outputs import (
    OutputDelayed,
    OutputRefused,
    Outputs,
    Owner,
)
from local_sagemaker.jobs.s3_locations import S3Location
from tests.local_sagemaker.core_support import ACCOUNT, REGION, credentials, keys
from tests.local_sagemaker.human_review_support import (
    ANSWER,
    BUCKET,
    CONTENT,
    ROLE,
    Review,
    until,
)

OWNER = Owner(ACCOUNT, REGION, ROLE)


@pytest.fixture
def account(local: LocalSageMaker) -> AccountOutputs:
    """Return the S3 of an account that a second local server stands for."""
    session = boto3.Session(region_name=REGION, **keys(credentials(local)))
    return AccountOutputs(session, local.url)


class Stubborn:
    """Buckets that fail until they are mended."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.keys: list[str | None] = []
        self.written: dict[str, bytes] = {}

    def check(self, owner: Owner, location: S3Location) -> None:
        """Find nothing wrong."""

    def put(self, owner: Owner, location: S3Location, data: bytes, kms_key: str | None) -> None:
        assert owner == OWNER
        self.keys.append(kms_key)
        if self.error is not None:
            raise self.error
        self.written[str(location)] = data

    def read_access(self, owner: Owner, location: S3Location, seconds: int) -> str:
        raise OutputRefused(f"{owner.account} {location} {seconds}")


Answered = Callable[[Outputs | None], tuple[Review, str]]


@pytest.fixture
def answered(tmp_path: Path) -> Iterator[Answered]:
    """Return what answers one loop, and returns the review and the loop's name."""
    opened: list[Review] = []

    def answer(outputs: Outputs | None = None) -> tuple[Review, str]:
        review = Review(tmp_path, outputs and (lambda _: outputs))
        opened.append(review)
        name = review.start(review.flow())
        ada = review.worker()
        review.worklist.submit(ada, review.take(ada).id, ANSWER)
        return review, name

    yield answer
    for review in opened:
        review.close()


class TestDelays:
    def test_an_answer_waits_until_s3_can_be_reached(self, answered: Answered) -> None:
        outputs = Stubborn(OutputDelayed("the network is down"))
        review, name = answered(outputs)
        assert review.status(name) == "InProgress"
        assert review.worklist.jobs(review.worker("Bob")) == []
        review.pass_time(10)
        outputs.error = None
        review.pass_time(1000)
        until(lambda: review.status(name) == "Completed")
        (data,) = outputs.written.values()
        assert json.loads(data)["humanAnswers"][0]["answerContent"] == ANSWER

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("?")])
    def test_whatever_goes_wrong_the_answer_is_kept(
        self, answered: Answered, error: Exception
    ) -> None:
        outputs = Stubborn(error)
        review, name = answered(outputs)
        assert review.status(name) == "InProgress"
        outputs.error = None
        review.pass_time(60)
        until(lambda: review.status(name) == "Completed")
        assert len(outputs.written) == 1

    def test_it_waits_for_the_next_server_as_well(self, answered: Answered, tmp_path: Path) -> None:
        review, name = answered(Stubborn(OutputDelayed("the network is down")))
        review.close()
        again = Review(tmp_path)
        try:
            until(lambda: again.status(name) == "Completed")
            (answer,) = again.output(name)["humanAnswers"]
            assert answer["answerContent"] == ANSWER
        finally:
            again.close()

    def test_a_loop_whose_answers_s3_refuses_has_failed_and_says_why(
        self, answered: Answered
    ) -> None:
        review, name = answered(Stubborn(OutputRefused("The bucket answers does not exist.")))
        loop = review.loop(name)
        assert (loop["HumanLoopStatus"], loop["FailureCode"]) == ("Failed", "InternalError")
        assert "The bucket answers does not exist." in loop["FailureReason"]

    def test_a_bucket_that_went_away_is_a_failure(self, tmp_path: Path) -> None:
        review = Review(tmp_path)
        try:
            name = review.start(review.flow())
            ada = review.worker()
            assignment = review.take(ada)
            review.objects.delete_bucket(ACCOUNT, BUCKET)
            review.worklist.submit(ada, assignment.id, ANSWER)
            assert "does not exist" in review.loop(name)["FailureReason"]
        finally:
            review.close()


class TestTheServersOwn:
    @pytest.fixture
    def review(self, tmp_path: Path) -> Iterator[Review]:
        review = Review(tmp_path)
        yield review
        review.close()

    @pytest.mark.parametrize(
        ("path", "why"),
        [
            ("s3://nowhere/x", "does not exist"),
            ("s3://theirs", "AccessDenied"),
            ("s3://away/x", "eu-west-1"),
            ("https://answers.s3.amazonaws.com/x", "s3://bucket/key"),
        ],
    )
    def test_a_bucket_that_takes_no_answers_is_refused(
        self, review: Review, path: str, why: str
    ) -> None:
        review.objects.ensure_bucket("444455556666", REGION, "theirs")
        review.objects.ensure_bucket(ACCOUNT, "eu-west-1", "away")
        flow = review.call(
            "DescribeFlowDefinition", FlowDefinitionName=review.flow().rpartition("/")[2]
        )
        with pytest.raises(AWSError, match=why) as caught:
            review.call(
                "CreateFlowDefinition",
                FlowDefinitionName="other",
                RoleArn=ROLE,
                HumanLoopConfig=flow["HumanLoopConfig"],
                OutputConfig={"S3OutputPath": path},
            )
        assert caught.value.code == "ValidationException"


class TestAnAccounts:
    def test_answers_get_there(self, answered: Answered, account: AccountOutputs, s3: Any) -> None:
        s3.create_bucket(Bucket=BUCKET)
        review, name = answered(account)
        loop = review.loop(name)
        assert loop["HumanLoopStatus"] == "Completed"
        bucket, _, key = loop["HumanLoopOutput"]["OutputS3Uri"][5:].partition("/")
        output = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        assert output["inputContent"] == CONTENT
        assert output["humanAnswers"][0]["answerContent"] == ANSWER
        # Nothing of it is kept in the server's own buckets.
        assert review.output(name) is None

    def test_a_bucket_is_looked_for(self, account: AccountOutputs, bucket: str) -> None:
        account.check(OWNER, S3Location(bucket, "any/prefix"))
        with pytest.raises(OutputRefused, match="does not exist"):
            account.check(OWNER, S3Location("nowhere-at-all", ""))
        with pytest.raises(OutputRefused, match="nowhere-at-all"):
            account.put(OWNER, S3Location("nowhere-at-all", "a"), b"", None)

    def test_a_bucket_elsewhere_is_refused(self, account: AccountOutputs, s3: Any) -> None:
        name = "a-bucket-of-ireland"
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        with pytest.raises(OutputRefused, match="is in eu-west-1"):
            account.check(OWNER, S3Location(name, "a"))

    def test_what_was_refused_for_a_while_is_tried_again(
        self, local: LocalSageMaker, account: AccountOutputs, bucket: str
    ) -> None:
        put = partial(account.put, OWNER, S3Location(bucket, "a"), b"", None)
        for code, told in (
            ("ExpiredToken", OutputDelayed),
            ("InternalFailure", OutputDelayed),
            ("AccessDenied", OutputRefused),
        ):
            with local.faults.add("PutObject", code), pytest.raises(told, match="PutObject"):
                put()
        put()

    def test_no_network_is_a_delay(self) -> None:
        session = boto3.Session("AKIA", "secret", region_name=REGION)
        account = AccountOutputs(session, "http://127.0.0.1:9")
        with pytest.raises(OutputDelayed, match="cannot be reached"):
            account.check(OWNER, S3Location("some", "a"))

    def test_no_credentials_are_a_delay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        account = AccountOutputs(boto3.Session(region_name=REGION), "http://127.0.0.1:9")
        with pytest.raises(OutputDelayed, match="credentials"):
            account.put(OWNER, S3Location("some", "a"), b"", None)

    def test_an_object_can_be_shown(self, account: AccountOutputs, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="a picture ü.txt", Body=b"hello")
        url = account.read_access(OWNER, S3Location(bucket, "a picture ü.txt"), 60)
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"hello"


def test_a_key_of_kms_is_passed_on(tmp_path: Path) -> None:
    """It is passed on where it means something, and ignored here."""
    outputs = Stubborn()
    review = Review(tmp_path, lambda _: outputs)
    try:
        base = review.call(
            "DescribeFlowDefinition", FlowDefinitionName=review.flow().rpartition("/")[2]
        )
        flow = review.call(
            "CreateFlowDefinition",
            FlowDefinitionName="with-a-key",
            RoleArn=ROLE,
            HumanLoopConfig=base["HumanLoopConfig"],
            OutputConfig={"S3OutputPath": "s3://answers", "KmsKeyId": "alias/mine"},
        )["FlowDefinitionArn"]
        review.pass_time(1)
        until(lambda: review.flow_status(flow) == "Active")
        name = review.start(flow)
        ada = review.worker()
        review.worklist.submit(ada, review.take(ada).id, ANSWER)
        assert (review.status(name), outputs.keys) == ("Completed", ["alias/mine"])
    finally:
        review.close()

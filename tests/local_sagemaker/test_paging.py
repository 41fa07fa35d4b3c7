"""Lists: filters, order and pages, as every List operation of the control plane has them."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import client_of, json_request, refused, send, signed

pytestmark = pytest.mark.usefixtures("local")

STEM = f"paged-{uuid.uuid4().hex[:8]}"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"


@pytest.fixture(scope="module")
def client(local: LocalSageMaker) -> Any:
    """A client of a server that keeps 23 models, made in the order of their numbers."""
    assert local.url
    made = client_of("sagemaker", region_name="eu-central-1")
    for number in range(23):
        made.create_model(
            # Names that sort otherwise than the times do.
            ModelName=f"{STEM}-{(number * 7) % 23:02}",
            ExecutionRoleArn="arn:aws:iam::111122223333:role/Some",
            PrimaryContainer={"Image": IMAGE},
        )
    return made


def names(client: Any, **params: Any) -> list[str]:
    pages = client.get_paginator("list_models").paginate(NameContains=STEM, **params)
    return [model["ModelName"] for page in pages for model in page["Models"]]


def by_time() -> list[str]:
    return [f"{STEM}-{(number * 7) % 23:02}" for number in range(23)]


def test_the_newest_come_first_ten_at_a_time(client: Any) -> None:
    first = client.list_models(NameContains=STEM)
    assert [model["ModelName"] for model in first["Models"]] == by_time()[::-1][:10]
    assert "NextToken" in first
    assert names(client) == by_time()[::-1]


@pytest.mark.parametrize("size", [1, 2, 10, 22, 23, 24, 100])
def test_pages_of_any_size_hold_each_once(client: Any, size: int) -> None:
    assert names(client, PaginationConfig={"PageSize": size}) == by_time()[::-1]
    last = client.list_models(NameContains=STEM, MaxResults=size)
    assert ("NextToken" in last) == (size < 23)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"SortBy": "Name", "SortOrder": "Ascending"}, sorted(by_time())),
        ({"SortBy": "Name", "SortOrder": "Descending"}, sorted(by_time())[::-1]),
        ({"SortBy": "Name"}, sorted(by_time())[::-1]),
        ({"SortBy": "CreationTime", "SortOrder": "Ascending"}, by_time()),
        ({"SortOrder": "Ascending"}, by_time()),
        ({"SortOrder": "Descending"}, by_time()[::-1]),
    ],
)
def test_order(client: Any, params: dict[str, str], expected: list[str]) -> None:
    assert names(client, PaginationConfig={"PageSize": 6}, **params) == expected


def test_what_a_name_contains_ignores_case(client: Any) -> None:
    assert names(client)[:1] == by_time()[-1:]
    found = client.list_models(NameContains=f"{STEM}-0".upper())["Models"]
    assert len(found) == 10
    assert client.list_models(NameContains="no-such-name")["Models"] == []


def test_times(client: Any, local: LocalSageMaker) -> None:
    def within(**times: float) -> list[str]:
        # botocore sends whole seconds only, which are too long for this.
        body = json.dumps({"NameContains": STEM, "MaxResults": 100, **times}).encode()
        headers = signed(
            local, "POST", "/", json_request("ListModels"), body, region="eu-central-1"
        )
        found = json.loads(send(local, "POST", "/", headers, body).body)
        return [model["ModelName"] for model in found["Models"]]

    middle = client.describe_model(ModelName=by_time()[11])["CreationTime"].timestamp()
    assert within(CreationTimeAfter=middle) == by_time()[12:][::-1]
    assert within(CreationTimeBefore=middle) == by_time()[:11][::-1]
    assert within(CreationTimeAfter=middle - 3600, CreationTimeBefore=middle) == within(
        CreationTimeBefore=middle
    )
    hour = timedelta(hours=1)
    now = datetime.now(UTC)
    assert names(client, CreationTimeAfter=now + hour) == []
    assert len(names(client, CreationTimeAfter=now - hour)) == 23


def test_what_comes_and_goes_between_two_pages(client: Any) -> None:
    """The rest neither repeats nor is hidden."""
    extra = [f"{STEM}-extra-{number}" for number in range(2)]
    params = {"NameContains": STEM, "SortBy": "Name", "SortOrder": "Ascending", "MaxResults": 5}

    def create(name: str) -> None:
        client.create_model(
            ModelName=name,
            ExecutionRoleArn="arn:aws:iam::111122223333:role/Some",
            PrimaryContainer={"Image": IMAGE},
        )

    first = client.list_models(**params)
    shown = [model["ModelName"] for model in first["Models"]]
    for name in extra:
        create(name)
    # Two that were shown go, the last of them the one that the token names.
    for name in (shown[0], shown[4]):
        client.delete_model(ModelName=name)
    try:
        second = client.list_models(**params, NextToken=first["NextToken"])
        assert second["Models"][0]["ModelName"] in sorted(by_time())[5:8]
        rest = client.list_models(**params | {"MaxResults": 100}, NextToken=second["NextToken"])
        tail = [model["ModelName"] for model in rest["Models"]]
        assert tail[-2:] == extra
        assert not set(tail) & {model["ModelName"] for model in second["Models"]}
    finally:
        for name in extra:
            client.delete_model(ModelName=name)
        for name in (shown[0], shown[4]):
            create(name)
        # The order of times is what other tests compare with.
        for name in by_time():
            client.delete_model(ModelName=name)
            create(name)


def token_of(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def test_a_token_is_good_for_its_own_list_only(client: Any) -> None:
    token = client.list_models(NameContains=STEM, MaxResults=5)["NextToken"]
    assert client.list_models(NameContains=STEM, MaxResults=7, NextToken=token)["Models"]
    strangers = [
        (client.list_models, {}),
        (client.list_models, {"NameContains": STEM[:-1]}),
        (client.list_models, {"NameContains": STEM, "SortBy": "Name"}),
        (client.list_endpoint_configs, {"NameContains": STEM}),
        (client_of("sagemaker").list_models, {"NameContains": STEM}),
    ]
    for call, params in strangers:
        said = refused(call, "ValidationException", 400, NextToken=token, **params)
        assert "is not valid: pass the token of the page before" in said


@pytest.mark.parametrize(
    "token",
    [
        "garbled",
        "AAAA",
        "=",
        "ü",
        "%00",
        token_of([]),
        token_of({"a": 1, "b": 2, "c": 3}),
        token_of(["", "name", -5]),
        token_of(["", "name", 1.5]),
        token_of(["", "name", "1"]),
        token_of(["", 5, 1]),
        base64.urlsafe_b64encode(b'["a", "b", 1e999]').decode(),
        base64.urlsafe_b64encode(b"[" * 6000).decode()[:8000],
    ],
)
def test_a_garbled_token(client: Any, token: str) -> None:
    said = refused(client.list_models, "ValidationException", 400, NextToken=token)
    assert "NextToken" in said or "nextToken" in said
    assert len(said) < 1000

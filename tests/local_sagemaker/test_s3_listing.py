"""Listings through boto3: order, pages, prefixes, delimiters."""

import time
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.database import Database
from local_sagemaker.s3.objects import Objects
from tests.local_sagemaker.core_support import ACCOUNT, REGION, refused

TREE = ["a.txt", "data/train/1", "data/train/2", "data/valid/1", "data.csv", "logs/", "logs/x", "z"]


@pytest.fixture
def tree(s3: Any, bucket: str) -> str:
    for key in TREE:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * len(key))
    return bucket


def names(page: dict[str, Any]) -> tuple[list[str], list[str]]:
    keys = [entry["Key"] for entry in page.get("Contents", [])]
    return keys, [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("prefix", "delimiter", "keys", "prefixes"),
    [
        ("", "", sorted(TREE), []),
        ("", "/", ["a.txt", "data.csv", "z"], ["data/", "logs/"]),
        ("data", "/", ["data.csv"], ["data/"]),
        ("data/", "/", [], ["data/train/", "data/valid/"]),
        ("data/train/", "/", ["data/train/1", "data/train/2"], []),
        ("logs/", "/", ["logs/", "logs/x"], []),
        ("", "ta", ["a.txt", "logs/", "logs/x", "z"], ["data"]),
        ("nothing", "/", [], []),
    ],
)
def test_every_page_size_gives_the_same(
    s3: Any,
    tree: str,
    operation: str,
    size: int,
    prefix: str,
    delimiter: str,
    keys: list[str],
    prefixes: list[str],
) -> None:
    found_keys: list[str] = []
    found_prefixes: list[str] = []
    pages = s3.get_paginator(operation).paginate(
        Bucket=tree, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": size}
    )
    for page in pages:
        contents = page.get("Contents", page.get("Versions", []))
        assert len(contents) + len(page.get("CommonPrefixes", [])) <= size
        found_keys += [entry["Key"] for entry in contents]
        found_prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
    assert found_keys == keys
    assert found_prefixes == prefixes


def test_an_entry_says_all(s3: Any, tree: str) -> None:
    page = s3.list_objects_v2(Bucket=tree, Prefix="a", FetchOwner=True)
    (entry,) = page["Contents"]
    head = s3.head_object(Bucket=tree, Key="a.txt")
    assert entry["Size"] == head["ContentLength"] == 5
    assert entry["ETag"] == head["ETag"]
    assert entry["LastModified"] == head["LastModified"]
    assert entry["StorageClass"] == "STANDARD"
    assert entry["Owner"]["ID"] == s3.list_buckets()["Owner"]["ID"]
    assert "Owner" not in s3.list_objects_v2(Bucket=tree)["Contents"][0]
    assert (page["KeyCount"], page["IsTruncated"], page["Name"]) == (1, False, tree)


def test_starting_after(s3: Any, tree: str) -> None:
    page = s3.list_objects_v2(Bucket=tree, StartAfter="data/train/1")
    assert names(page)[0] == sorted(TREE)[sorted(TREE).index("data/train/1") + 1 :]
    page = s3.list_objects_v2(Bucket=tree, StartAfter="data/train/1", Delimiter="/")
    assert names(page) == (["z"], ["data/", "logs/"])
    page = s3.list_objects(Bucket=tree, Marker="data/", Delimiter="/")
    assert names(page) == (["z"], ["logs/"])
    assert s3.list_objects_v2(Bucket=tree, MaxKeys=0)["KeyCount"] == 0


def test_bad_parameters_are_refused(s3: Any, tree: str) -> None:
    refused(s3.list_objects_v2, "InvalidArgument", 400, Bucket=tree, MaxKeys=-1)
    refused(s3.list_objects_v2, "InvalidArgument", 400, Bucket=tree, ContinuationToken="é!")
    refused(s3.list_objects_v2, "NoSuchBucket", 404, Bucket="no-such-bucket")


def test_order_is_that_of_utf8(s3: Any, bucket: str) -> None:
    # UTF-16 would sort the last two the other way round.
    keys = ["A", "Z", "a", "z", "é", "\uffee", "😀"]
    for key in reversed(keys):
        s3.put_object(Bucket=bucket, Key=key)
    assert names(s3.list_objects_v2(Bucket=bucket))[0] == keys


def test_more_objects_than_a_page_holds_are_listed_in_pages(fresh: LocalSageMaker) -> None:
    keys = [f"part/{number:05d}" for number in range(2500)]
    fresh.close()
    database = Database(fresh.home / "state.db")
    objects = Objects(database, fresh.home / "s3")
    objects.ensure_bucket(ACCOUNT, REGION, "many")
    # One commit for all, which is how they come to be in seconds.
    with database.transaction():
        for key in keys:
            objects.put_bytes(ACCOUNT, REGION, "many", key, b"")
    objects.close()
    database.close()
    fresh.start()
    s3 = boto3.client("s3")
    started = time.perf_counter()
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="many"))
    print(f"2,500 objects listed in {time.perf_counter() - started:.2f} s")
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
    assert len(pages) == 3
    page = s3.list_objects_v2(Bucket="many", Delimiter="/")
    assert names(page) == ([], ["part/"])
    s3.delete_objects(Bucket="many", Delete={"Objects": [{"Key": key} for key in keys[:1000]]})
    assert s3.list_objects_v2(Bucket="many", MaxKeys=1)["Contents"][0]["Key"] == keys[1000]

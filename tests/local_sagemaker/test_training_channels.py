"""Input channels: which objects a job gets, and under which names."""

import gzip
import json
import textwrap
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.training_support import ROLE, Jobs, channel

LIST_FILES = textwrap.dedent("""
    import json, os, pathlib
    root = pathlib.Path(os.environ["SM_CHANNEL_DATA"])
    print(json.dumps({str(p.relative_to(root)): p.read_text() for p in root.rglob("*")
                      if p.is_file()}))
""")


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


@pytest.fixture
def prefix() -> str:
    """A prefix of this test's own, with a slash at the end."""
    return f"{uuid.uuid4().hex}/"


def files(jobs: Jobs, uri: str, **parameters: Any) -> dict[str, str]:
    """Return what a job finds in its channel ``data``."""
    name = jobs.script(LIST_FILES, InputDataConfig=[channel("data", uri, **parameters)])
    jobs.completed(name)
    found: dict[str, str] = json.loads(jobs.lines(name)[0])
    return found


def test_names_are_relative_to_a_prefix(jobs: Jobs, prefix: str) -> None:
    for key in ("train/a.csv", "train/deep/b c+d%41.csv", "train/ü.csv", "trains/c.csv", "test/d"):
        jobs.put(prefix + key, key)
    jobs.put(prefix + "train/empty/", "")
    base = f"s3://{jobs.bucket}/{prefix}"
    train = {"a.csv": "train/a.csv", "deep/b c+d%41.csv": "train/deep/b c+d%41.csv"}
    train["ü.csv"] = "train/ü.csv"
    assert files(jobs, base + "train/") == train
    # A prefix is no folder: without its slash it matches the neighbour too, as on AWS.
    assert files(jobs, base + "train") == train | {"trains/c.csv": "trains/c.csv"}
    assert files(jobs, base + "tes") == {"test/d": "test/d"}


def test_a_key_of_its_own_gives_one_file(jobs: Jobs, prefix: str) -> None:
    uri = jobs.put(prefix + "folder/train.csv", "text")
    assert files(jobs, uri) == {"train.csv": "text"}


def test_a_whole_bucket_is_a_prefix(jobs: Jobs, local: LocalSageMaker) -> None:
    other = Jobs(local)
    other.put("a/b.csv", "b")
    assert files(jobs, f"s3://{other.bucket}") == {"a/b.csv": "b"}


def test_one_instance_gets_all_shards(jobs: Jobs, prefix: str) -> None:
    for name in ("a", "b"):
        jobs.put(prefix + name, name)
    source = {"S3DataDistributionType": "ShardedByS3Key"}
    assert files(jobs, f"s3://{jobs.bucket}/{prefix}", source=source) == {"a": "a", "b": "b"}


def test_a_manifest_names_the_objects(jobs: Jobs, prefix: str) -> None:
    for name in ("a/1.csv", "a/2.csv", "b.csv"):
        jobs.put(prefix + "data/" + name, name)
    lines = [{"prefix": f"s3://{jobs.bucket}/{prefix}data/"}, "a/2.csv", "b.csv"]
    uri = jobs.put(prefix + "input.manifest", json.dumps(lines))
    found = files(jobs, uri, source={"S3DataType": "ManifestFile"})
    assert found == {"a/2.csv": "a/2.csv", "b.csv": "b.csv"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "is not of the form"),
        ("no json", "is not of the form"),
        ('{"prefix": "x"}', "is not of the form"),
        ('[{"prefix": "s3://BUCKET/"}, 1]', "names something that is not a string"),
        ('[{"prefix": "s3://BUCKET/"}, "not/there"]', "The specified key does not exist"),
        ('[{"prefix": "s3://BUCKET/"}, "../up"]', "cannot be the name of a file"),
    ],
)
def test_a_bad_manifest_fails_the_job(jobs: Jobs, prefix: str, content: str, words: str) -> None:
    uri = jobs.put(prefix + "input.manifest", content.replace("BUCKET", jobs.bucket))
    config = [channel("data", uri, source={"S3DataType": "ManifestFile"})]
    reason = jobs.failed(jobs.script(LIST_FILES, InputDataConfig=config))
    assert reason.startswith("ClientError: ")
    assert words in reason


def test_gzip_channels_are_unpacked(jobs: Jobs, prefix: str) -> None:
    jobs.put(prefix + "a.csv.gz", gzip.compress(b"text"))
    jobs.put(prefix + "b", gzip.compress(b"more"))
    uri = f"s3://{jobs.bucket}/{prefix}"
    assert files(jobs, uri, CompressionType="Gzip") == {"a.csv": "text", "b": "more"}
    jobs.put(prefix + "c.gz", "text")
    config = [channel("data", uri, CompressionType="Gzip")]
    reason = jobs.failed(jobs.script(LIST_FILES, InputDataConfig=config))
    assert "c.gz is not a whole gzip file" in reason


def test_a_job_may_change_its_files_and_s3_stays_as_it_was(jobs: Jobs, prefix: str) -> None:
    uri = jobs.put(prefix + "train.csv", "text")
    code = """
        import os, pathlib
        path = pathlib.Path(os.environ["SM_CHANNEL_DATA"], "train.csv")
        with path.open("a") as file:
            file.write("changed")
    """
    name = jobs.script(textwrap.dedent(code), InputDataConfig=[channel("data", uri)])
    jobs.completed(name)
    assert jobs.get(prefix + "train.csv") == b"text"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["a", "a/b"], "would be a file and"),
        (["../evil"], "cannot be the name of a file"),
        (["x/../../evil"], "cannot be the name of a file"),
        (["a//b", "a/b"], "would be the same file"),
    ],
)
def test_keys_that_cannot_be_files_fail_the_job(
    jobs: Jobs, prefix: str, keys: list[str], words: str
) -> None:
    for key in keys:
        jobs.put(prefix + key, "x")
    config = [channel("data", f"s3://{jobs.bucket}/{prefix}")]
    reason = jobs.failed(jobs.script(LIST_FILES, InputDataConfig=config))
    assert reason.startswith("ClientError: ")
    assert words in reason


@pytest.mark.parametrize("bucket", [None, "no-such-bucket-anywhere"])
def test_a_channel_without_objects_is_refused_in_the_services_words(
    jobs: Jobs, bucket: str | None
) -> None:
    bucket = bucket or jobs.bucket
    uri = f"s3://{bucket}/nothing/here/"
    with pytest.raises(ClientError) as caught:
        jobs.script(LIST_FILES, InputDataConfig=[channel("data", uri)])
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": f'No S3 objects found under S3 URL "{uri}" given in input data source. Please '
        "ensure that the bucket exists in the selected region (us-east-1), that objects exist "
        f'under that S3 prefix, and that the role "{ROLE}" has "s3:ListBucket" permissions on '
        f'bucket "{bucket}".',
    }


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"InputMode": "Pipe"}, "channel 'data' has input mode Pipe; use File or FastFile"),
        ({"RecordWrapperType": "RecordIO"}, "channel 'data' has RecordWrapperType RecordIO"),
        (
            {"source": {"S3DataType": "AugmentedManifestFile"}},
            "channel 'data' has S3DataType AugmentedManifestFile",
        ),
    ],
)
def test_what_is_not_read_here_fails_by_name(
    jobs: Jobs, prefix: str, parameters: dict[str, Any], words: str
) -> None:
    uri = jobs.put(prefix + "a", "a")
    name = jobs.script(LIST_FILES, InputDataConfig=[channel("data", uri, **parameters)])
    assert words in jobs.failed(name)


def test_a_file_system_is_not_read_here(jobs: Jobs) -> None:
    source = {
        "FileSystemId": "fs-12345678",
        "FileSystemAccessMode": "ro",
        "FileSystemType": "EFS",
        "DirectoryPath": "/x",
    }
    config = [{"ChannelName": "data", "DataSource": {"FileSystemDataSource": source}}]
    reason = jobs.failed(jobs.script(LIST_FILES, InputDataConfig=config))
    assert "channel 'data' has FileSystemDataSource; only S3DataSource is read locally" in reason


def test_two_channels_of_one_name_are_refused(jobs: Jobs, prefix: str) -> None:
    uri = jobs.put(prefix + "a", "a")
    with pytest.raises(ClientError, match="'data' is given more than once"):
        jobs.script(LIST_FILES, InputDataConfig=[channel("data", uri)] * 2)

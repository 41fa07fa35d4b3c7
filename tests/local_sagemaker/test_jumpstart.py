"""Models of one's own in the JumpStart hub: published, listed, removed, and who may do what."""

import gzip
import hashlib
import io
import json
import os
import signal
import tarfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home
from local_sagemaker.jumpstart.published import PublishError
from tests.local_sagemaker.core_support import client_of, refused
from tests.local_sagemaker.endpoint_support import IMAGE, answering, variant
from tests.local_sagemaker.test_store import small_disk

BUCKET = "jumpstart-cache-prod-us-east-1"
BART = "huggingface-zstc-facebook-bart-large-mnli"
GPT_NEO = "huggingface-textgeneration1-gpt-neo-125m"
HUB = {"HubName": "SageMakerPublicHub", "HubContentType": "Model"}


@pytest.fixture
def model_id() -> str:
    return f"huggingface-zstc-{uuid.uuid4().hex}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a model's folder: what is in its files counts for nothing here."""
    made = tmp_path / "model"
    (made / "onnx").mkdir(parents=True)
    (made / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    (made / "onnx" / "model.onnx").write_bytes(b"weights")
    return made


@pytest.fixture(scope="module")
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return client_of("sagemaker")


@pytest.fixture(scope="module")
def stranger(local: LocalSageMaker) -> Credentials:
    """Return a key of another account."""
    assert local.url
    given = client_of("sts").assume_role(
        RoleArn="arn:aws:iam::000000000077:role/Visitor", RoleSessionName="visit"
    )["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def read(key: str, bucket: str = BUCKET) -> bytes:
    content: bytes = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def manifest(bucket: str = BUCKET) -> dict[tuple[str, str], dict[str, Any]]:
    lines = json.loads(read("models_manifest.json", bucket))
    return {(line["model_id"], line["version"]): line for line in lines}


def spec(model_id: str, version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read(manifest()[model_id, version]["spec_key"]))
    return found


def members(uri: str) -> dict[str, bytes]:
    """Return the files of an archive in S3."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    with tarfile.open(fileobj=io.BytesIO(read(key, bucket)), mode="r:gz") as tar:
        files = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def test_aws_own_models_are_there_from_the_beginning(local: LocalSageMaker) -> None:
    there = {model.model_id: model for model in local.published_models()}
    assert there[BART].aws
    assert there[BART].environment["HF_MODEL_ID"] == "facebook/bart-large-mnli"
    assert there[BART].environment["HF_TASK"] == "zero-shot-classification"
    assert there[GPT_NEO].environment["HF_MODEL_ID"] == "EleutherAI/gpt-neo-125m"
    assert spec(BART, there[BART].version)["default_inference_instance_type"] == "ml.m5.xlarge"
    assert set(members(there[BART].model_data)) == {"code/inference.py"}


def test_a_published_model_is_in_the_bucket_the_list_and_the_hub(
    local: LocalSageMaker, client: Any, folder: Path, model_id: str
) -> None:
    published = local.publish_model(
        folder,
        model_id,
        task="zstc",
        name="Mine",
        description="Knows my labels.",
        license="MIT",
        environment={"LIMIT": "7"},
        instance_type="ml.m5.large",
    )
    assert published.created
    assert (published.version, published.task) == ("1.0.0", "zstc")
    files = members(published.model_data)
    assert files["onnx/model.onnx"] == b"weights"
    assert b"candidate_labels" in files["code/inference.py"]
    written = spec(model_id, "1.0.0")
    assert members(f"s3://{BUCKET}/{written['hosting_script_key']}") == {
        "inference.py": files["code/inference.py"]
    }
    environment = {
        variable["name"]: variable["default"]
        for variable in written["inference_environment_variables"]
        if variable["required_for_model_class"]
    }
    assert environment == {"LIMIT": "7", "HF_TASK": "zero-shot-classification"}
    listed = {model.model_id: model for model in local.published_models()}[model_id]
    assert listed.license == "MIT"
    assert listed.size == len(read(written["hosting_artifact_key"]))
    content = client.describe_hub_content(**HUB, HubContentName=model_id)
    document = json.loads(content["HubContentDocument"])
    assert content["HubContentVersion"] == "1.0.0"
    assert content["HubContentDescription"] == "Knows my labels."
    assert document["License"] == "MIT"
    assert document["HostingArtifactUri"] == published.model_data
    assert document["DefaultInferenceInstanceType"] == "ml.m5.large"
    assert "zstc" in content["HubContentSearchKeywords"]


def test_the_same_again_changes_nothing_and_other_contents_are_a_new_version(
    local: LocalSageMaker, client: Any, folder: Path, model_id: str
) -> None:
    local.publish_model(folder, model_id)
    before = read("models_manifest.json")
    os.utime(folder / "config.json", (0, 0))
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "inference.cpython-311.pyc").write_bytes(b"compiled")
    again = local.publish_model(folder, model_id)
    assert (again.version, again.created) == ("1.0.0", False)
    assert read("models_manifest.json") == before
    (folder / "onnx" / "model.onnx").write_bytes(b"better weights")
    newer = local.publish_model(folder, model_id)
    assert (newer.version, newer.created) == ("1.0.1", True)
    assert local.publish_model(folder, model_id, version="3.0.0").version == "3.0.0"
    assert local.publish_model(folder, model_id, license="MIT").version == "3.0.1"
    listed = client.list_hub_content_versions(**HUB, HubContentName=model_id, MinVersion="1.0.1")
    found = [item["HubContentVersion"] for item in listed["HubContentSummaries"]]
    assert sorted(found) == ["1.0.1", "3.0.0", "3.0.1"]
    assert client.describe_hub_content(**HUB, HubContentName=model_id)["HubContentVersion"] == (
        "3.0.1"
    )
    with pytest.raises(PublishError, match="is there with other contents"):
        local.publish_model(folder, model_id, version="1.0.0")


def test_an_archive_is_as_good_as_a_folder(
    local: LocalSageMaker, folder: Path, model_id: str, tmp_path: Path
) -> None:
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, ".")
    assert local.publish_model(archive, model_id).created
    assert not local.publish_model(folder, model_id).created


def test_a_script_of_its_own_stays_and_decides(
    local: LocalSageMaker, folder: Path, model_id: str
) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text("def model_fn(model_dir): ...")
    published = local.publish_model(folder, model_id)
    assert published.environment == {}
    assert members(published.model_data)["code/inference.py"].startswith(b"def model_fn")


def test_models_that_are_published_at_once_are_all_there(
    local: LocalSageMaker, folder: Path, model_id: str
) -> None:
    names = [f"{model_id[:56]}-{number}" for number in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        made = list(pool.map(lambda name: local.publish_model(folder, name), [*names, *names]))
    assert sum(model.created for model in made) == len(names)
    assert {(name, "1.0.0") for name in names} <= manifest().keys()
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(local.remove_model, names))
    assert not {(name, "1.0.0") for name in names} & manifest().keys()


def test_a_model_in_the_hubs_cache_is_published_with_what_its_links_lead_to(
    local: LocalSageMaker, folder: Path, model_id: str
) -> None:
    blob = folder.parent / "blob"
    (folder / "onnx" / "model.onnx").rename(blob)
    (folder / "onnx" / "model.onnx").symlink_to("../../blob")
    assert members(local.publish_model(folder, model_id).model_data)["onnx/model.onnx"] == (
        b"weights"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_id": "mine"}, "no model id"),
        ({"model_id": "huggingface-zstc-" + "a" * 60}, "77 characters: a hub allows 63"),
        ({"model_id": "huggingface-zstc-a", "task": "tc"}, "call it huggingface-tc-a"),
        ({"model_id": BART}, "a model of AWS's hub"),
        ({"instance_type": "m5.large"}, "no instance type"),
        ({"version": "1.0"}, "no version"),
        ({"environment": {"A-B": "1"}}, "'A-B' cannot be the name"),
        ({"environment": {"A": "a\0"}}, "the value of A"),
        ({"environment": {"A": "\ud800"}}, "the value of A"),
        ({"description": "two\nlines"}, "one line"),
    ],
)
def test_what_cannot_be_published_is_refused_with_what_would_be_right(
    local: LocalSageMaker, folder: Path, model_id: str, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(PublishError, match=message):
        local.publish_model(folder, **{"model_id": model_id, **changed})


def test_a_model_that_is_none_is_refused(
    local: LocalSageMaker, folder: Path, model_id: str, tmp_path: Path
) -> None:
    with pytest.raises(PublishError, match=r"It lies in model/: publish what is in there"):
        local.publish_model(folder.parent, model_id)
    with pytest.raises(PublishError, match=r"there is no .*nowhere"):
        local.publish_model(tmp_path / "nowhere", model_id)
    damaged = tmp_path / "damaged.tar.gz"
    damaged.write_bytes(gzip.compress(b"no tar"))
    with pytest.raises(PublishError, match="not a tar archive, or damaged"):
        local.publish_model(damaged, model_id)
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"))
    with pytest.raises(PublishError, match=r"'\.\./outside' has '\.\.' in its name"):
        local.publish_model(tmp_path / "evil.tar", model_id)
    (folder / "dangling").symlink_to("nothing")
    with pytest.raises(PublishError, match="cannot be packed: dangling"):
        local.publish_model(folder, model_id)


@pytest.mark.parametrize("name", ["code", "code/inference.py"])
def test_nothing_is_written_through_a_link(
    local: LocalSageMaker, folder: Path, model_id: str, tmp_path: Path, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = folder / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere if name == "code" else elsewhere / "new.py")
    with pytest.raises(PublishError, match=r"none can be put there"):
        local.publish_model(folder, model_id)
    assert list(elsewhere.iterdir()) == []


def test_a_file_may_have_any_name(local: LocalSageMaker, folder: Path, model_id: str) -> None:
    (folder / os.fsdecode(b"caf\xe9")).write_text("Latin-1")
    assert os.fsdecode(b"caf\xe9") in members(local.publish_model(folder, model_id).model_data)


def test_a_removed_model_is_gone_from_everywhere(
    local: LocalSageMaker, client: Any, folder: Path, model_id: str
) -> None:
    first = local.publish_model(folder, model_id)
    second = local.publish_model(folder, model_id, license="MIT")
    assert [model.version for model in local.remove_model(model_id, "1.0.0")] == ["1.0.0"]
    assert client.describe_hub_content(**HUB, HubContentName=model_id)["HubContentVersion"] == (
        second.version
    )
    with pytest.raises(PublishError, match=r"no version 1\.0\.0 of .*; there are: 1\.0\.1"):
        local.remove_model(model_id, "1.0.0")
    local.remove_model(model_id)
    refused(client.describe_hub_content, "ResourceNotFound", **HUB, HubContentName=model_id)
    left = boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    assert not [item["Key"] for item in left if model_id in item["Key"]]
    assert first.model_data not in {model.model_data for model in local.published_models()}
    with pytest.raises(PublishError, match=f"no published model {model_id}"):
        local.remove_model(model_id)
    with pytest.raises(PublishError, match="a model of AWS's hub"):
        local.remove_model(BART)


def test_models_are_listed_while_others_are_removed(
    local: LocalSageMaker, folder: Path, model_id: str
) -> None:
    def come_and_go() -> None:
        for _ in range(15):
            local.publish_model(folder, model_id)
            local.remove_model(model_id)

    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(come_and_go)
        while not going.done():
            assert BART in {model.model_id for model in local.published_models()}
        going.result()


def test_every_region_has_the_same_models_under_a_name_of_its_own(
    local: LocalSageMaker, folder: Path, model_id: str
) -> None:
    local.publish_model(folder, model_id)
    assert manifest("jumpstart-cache-prod-ap-southeast-2") == manifest()
    s3 = boto3.client("s3")
    head = s3.head_bucket(Bucket="jumpstart-cache-prod-ap-southeast-2")
    assert head["BucketRegion"] == "ap-southeast-2"
    there = boto3.client("sagemaker", region_name="eu-west-1")
    content = there.describe_hub_content(**HUB, HubContentName=model_id)
    document = json.loads(content["HubContentDocument"])
    assert document["HostingArtifactUri"].startswith("s3://jumpstart-cache-prod-eu-west-1/")
    assert ".dkr.ecr.eu-west-1.amazonaws.com/" in document["HostingEcrUri"]
    assert ":eu-west-1:aws:" in content["HubContentArn"]


def test_every_account_reads_and_none_writes(
    local: LocalSageMaker, stranger: Credentials, folder: Path, model_id: str
) -> None:
    local.publish_model(folder, model_id)
    for key in (stranger, None):
        s3 = client_of("s3", key)
        line = manifest()[model_id, "1.0.0"]["spec_key"]
        body = s3.get_object(Bucket=BUCKET, Key=line)["Body"].read()
        assert json.loads(body)["model_id"] == model_id
        assert s3.list_objects_v2(Bucket=BUCKET, Prefix=line)["KeyCount"] == 1
        at = {"Bucket": BUCKET, "Key": line}
        refused(s3.put_object, "AccessDenied", 403, **at, Body=b"mine")
        refused(s3.delete_object, "AccessDenied", 403, **at)
        many = {"Objects": [{"Key": line}]}
        refused(s3.delete_objects, "AccessDenied", 403, Bucket=BUCKET, Delete=many)
        refused(
            s3.copy_object,
            "AccessDenied",
            403,
            Bucket=BUCKET,
            Key="copy",
            CopySource={"Bucket": BUCKET, "Key": line},
        )
        refused(s3.create_multipart_upload, "AccessDenied", 403, Bucket=BUCKET, Key="parts")
        refused(s3.put_object_tagging, "AccessDenied", 403, **_tagged(line))
        refused(s3.put_bucket_tagging, "AccessDenied", 403, Bucket=BUCKET, Tagging={"TagSet": []})
        refused(s3.delete_bucket, "AccessDenied", 403, Bucket=BUCKET)
        taken = "BucketAlreadyExists"
        refused(s3.create_bucket, taken, 409, Bucket="jumpstart-cache-prod-us-west-2", **_west())
        assert BUCKET not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}


def _tagged(key: str) -> dict[str, Any]:
    return {"Bucket": BUCKET, "Key": key, "Tagging": {"TagSet": [{"Key": "a", "Value": "b"}]}}


def _west() -> dict[str, Any]:
    return {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}


def test_another_account_deploys_a_published_model(
    local: LocalSageMaker, stranger: Credentials, folder: Path, model_id: str
) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text(answering("for everybody"))
    published = local.publish_model(folder, model_id)
    sagemaker = client_of("sagemaker", stranger)
    sagemaker.create_model(
        ModelName=model_id,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": published.model_data},
        ExecutionRoleArn="arn:aws:iam::000000000077:role/Visitor",
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=model_id, ProductionVariants=[variant(ModelName=model_id)]
    )
    sagemaker.create_endpoint(EndpointName=model_id, EndpointConfigName=model_id)
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=model_id, WaiterConfig={"Delay": 0.1, "MaxAttempts": 6000}
    )
    answer = client_of("sagemaker-runtime", stranger).invoke_endpoint(
        EndpointName=model_id, ContentType="application/json", Body=b"{}"
    )
    assert answer["Body"].read() == b"for everybody"
    sagemaker.delete_endpoint(EndpointName=model_id)


def test_an_object_is_copied_out_of_the_bucket(s3: Any, bucket: str) -> None:
    source = {"Bucket": BUCKET, "Key": "models_manifest.json"}
    s3.copy_object(Bucket=bucket, Key="copy.json", CopySource=source)
    assert read("copy.json", bucket) == read("models_manifest.json")


def test_the_hub_shows_what_the_bucket_holds(client: Any) -> None:
    hub = client.describe_hub(HubName="SageMakerPublicHub")
    assert hub["HubArn"] == "arn:aws:sagemaker:us-east-1:aws:hub/SageMakerPublicHub"
    assert hub["HubStatus"] == "InService"
    pages = []
    request: dict[str, Any] = {**HUB, "MaxResults": 2}
    while True:
        page = client.list_hub_contents(**request)
        pages.append(page["HubContentSummaries"])
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]
    names = [item["HubContentName"] for page in pages for item in page]
    assert len(names) == len(set(names))
    assert set(names) == {model_id for model_id, _ in manifest()}
    assert all(len(page) <= 2 for page in pages)
    found = client.list_hub_contents(**HUB, NameContains="bart")["HubContentSummaries"]
    assert [item["HubContentName"] for item in found] == [BART]
    notebooks = client.list_hub_contents(HubName="SageMakerPublicHub", HubContentType="Notebook")
    assert notebooks["HubContentSummaries"] == []


def test_the_hub_is_named_by_its_arn_too(client: Any) -> None:
    for account in ("aws", "111122223333"):
        arn = f"arn:aws:sagemaker:us-east-1:{account}:hub/SageMakerPublicHub"
        assert client.describe_hub(HubName=arn)["HubName"] == "SageMakerPublicHub"
    elsewhere = "arn:aws:sagemaker:us-east-1:000000000001:hub/SageMakerPublicHub"
    refused(client.describe_hub, "ValidationException", HubName=elsewhere)
    own = f"own-{uuid.uuid4().hex[:12]}"
    arn = client.create_hub(HubName=own, HubDescription="mine")["HubArn"]
    assert client.describe_hub(HubName=arn)["HubName"] == own
    client.delete_hub(HubName=arn)


def test_nobody_changes_the_hub_through_its_api(client: Any) -> None:
    name = "SageMakerPublicHub"
    message = refused(
        client.create_hub, "AccessDeniedException", HubName=name, HubDescription="mine"
    )
    assert "python -m local_sagemaker publish" in message
    refused(client.delete_hub, "AccessDeniedException", HubName=name)
    refused(
        client.delete_hub_content,
        "AccessDeniedException",
        **HUB,
        HubContentName=BART,
        HubContentVersion="2.0.14",
    )
    refused(
        client.import_hub_content,
        "AccessDeniedException",
        **HUB,
        HubContentName="mine",
        DocumentSchemaVersion="2.0.0",
        HubContentDocument="{}",
    )


@pytest.mark.slow
def test_a_killed_server_comes_back_with_its_models(
    fresh: LocalSageMaker, folder: Path, model_id: str
) -> None:
    published = fresh.publish_model(folder, model_id)
    aws = {model.model_id for model in fresh.published_models() if model.aws}
    before = hashlib.sha256(read(published.model_data.partition(f"{BUCKET}/")[2])).hexdigest()
    info = Home(fresh.home).server()
    assert info is not None
    server = psutil.Process(info.pid)
    server.send_signal(signal.SIGKILL)
    psutil.wait_procs([server])
    fresh.start()
    models = {model.model_id: model for model in fresh.published_models()}
    assert models[model_id].version == published.version
    assert aws == {model.model_id for model in models.values() if model.aws}
    after = hashlib.sha256(read(published.model_data.partition(f"{BUCKET}/")[2])).hexdigest()
    assert after == before


@pytest.mark.slow
def test_without_room_for_its_models_a_server_starts_and_says_so(
    folder: Path, model_id: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path) as (home, _, _), LocalSageMaker(home) as server:
        for ask in (server.published_models, lambda: server.publish_model(folder, model_id)):
            with pytest.raises(PublishError, match=r"its disk was full\. Free some space"):
                ask()
        client = boto3.client("sagemaker", config=Config(retries={"total_max_attempts": 1}))
        refused(client.describe_hub, "InternalFailure", 507, HubName="SageMakerPublicHub")
        assert client.list_models()["Models"] == []

"""The fixtures that ship with the package, in pytest sessions of their own."""

import json
import tomllib
from pathlib import Path

import pytest

# What a developer with an AWS account may have, and must have again afterwards.
THEIRS = {
    "AWS_PROFILE": "work",
    "AWS_ACCESS_KEY_ID": "AKIATHEIRS",
    "AWS_ENDPOINT_URL_S3": "http://x",
}

CONFTEST = """
    import json, os, pathlib
    pytest_plugins = ["local_sagemaker.pytest_plugin"]

    def pytest_unconfigure():
        aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        pathlib.Path("after.json").write_text(json.dumps(aws))
"""

SHARED = """
    import boto3, os, pytest

    MINE = []

    def names(client):
        return [e["ExperimentName"] for e in client.list_experiments()["ExperimentSummaries"]]

    def test_clients_find_the_server(local_sagemaker):
        assert local_sagemaker.url == os.environ["AWS_ENDPOINT_URL"]
        assert "AWS_PROFILE" not in os.environ
        boto3.client("sagemaker").create_experiment(ExperimentName="shared")

    @pytest.mark.parametrize("_", [1, 2])
    def test_an_account_is_new_and_empty(local_sagemaker_account, _):
        identity = boto3.client("sts").get_caller_identity()
        assert identity["Account"] == local_sagemaker_account.id not in MINE
        MINE.append(local_sagemaker_account.id)
        role = local_sagemaker_account.role_arn
        assert role.split("/")[-1] == identity["Arn"].split("/")[1]
        sagemaker = boto3.client("sagemaker")
        assert names(sagemaker) == []
        arn = sagemaker.create_experiment(ExperimentName="same-name")["ExperimentArn"]
        assert f":{local_sagemaker_account.id}:" in arn
        secret = os.environ["AWS_SECRET_ACCESS_KEY"]
        assert secret not in repr(local_sagemaker_account)
        assert local_sagemaker_account.environment.items() <= os.environ.items()

    def test_the_shared_account_is_back(local_sagemaker):
        assert names(boto3.client("sagemaker")) == ["shared"]

    def test_a_fresh_server_is_another_one(local_sagemaker, fresh_local_sagemaker):
        assert fresh_local_sagemaker.url == os.environ["AWS_ENDPOINT_URL"] != local_sagemaker.url
        assert names(boto3.client("sagemaker")) == []

    def test_an_account_with_a_fresh_server_is_on_the_sessions(
        fresh_local_sagemaker, local_sagemaker_account, local_sagemaker
    ):
        assert os.environ["AWS_ENDPOINT_URL"] == local_sagemaker.url
        identity = boto3.client("sts").get_caller_identity()
        assert identity["Account"] == local_sagemaker_account.id
"""

OF_THE_SDK = """
    from sagemaker.core.helper.session_helper import Session, get_execution_role
    from sagemaker.core.resources import Experiment

    def names():
        return [found.experiment_name for found in Experiment.get_all()]

    def test_the_default_client_is_made(local_sagemaker):
        Experiment.create(experiment_name="shared")
        assert names() == ["shared"]

    def test_it_follows_into_the_account(local_sagemaker_account):
        assert names() == []
        Experiment.create(experiment_name="mine")
        assert get_execution_role(Session()) == local_sagemaker_account.role_arn
        assert local_sagemaker_account.id in Session().default_bucket()

    def test_and_back(local_sagemaker):
        assert names() == ["shared"]
"""

UNASKED = """
    import os, sys

    def test_nothing_was_done():
        assert os.environ["AWS_PROFILE"] == "work"
        assert not {"boto3", "botocore", "sqlite3", "starlette"} & set(sys.modules)
"""


@pytest.fixture
def theirs(
    pytester: pytest.Pytester, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """Return a pytest session in the environment of a developer with an AWS account."""
    monkeypatch.setenv("PYTHONPATH", str(repository))
    for name, value in THEIRS.items():
        monkeypatch.setenv(name, value)
    pytester.makeconftest(CONFTEST)
    return pytester


@pytest.mark.slow
def test_fixtures_give_servers_and_accounts(theirs: pytest.Pytester) -> None:
    theirs.makepyfile(SHARED)
    result = theirs.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=6)
    assert json.loads(Path("after.json").read_text()).items() >= THEIRS.items()


@pytest.mark.slow
def test_the_sdks_default_clients_follow(theirs: pytest.Pytester) -> None:
    theirs.makepyfile(OF_THE_SDK)
    theirs.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=3)


def test_nothing_happens_when_no_test_asks(theirs: pytest.Pytester) -> None:
    theirs.makepyfile(UNASKED)
    theirs.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_installed_package_brings_the_fixtures(
    theirs: pytest.Pytester, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What an installation leaves of pyproject.toml, without installing anything.
    declared = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    lines = [f"{name} = {module}" for name, module in declared["entry-points"]["pytest11"].items()]
    site = theirs.mkdir("site")
    metadata = site / "declared-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: declared\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))
    monkeypatch.setenv("PYTHONPATH", f"{repository}:{site}")
    # With its own conftest.py naming the module as well, it is loaded once.
    result = theirs.runpytest_subprocess("--fixtures", "-q")
    result.stdout.fnmatch_lines(["fresh_local_sagemaker -- *", "local_sagemaker_account -- *"])
    (theirs.path / "conftest.py").unlink()
    result = theirs.runpytest_subprocess("--fixtures", "-q")
    result.stdout.fnmatch_lines(["fresh_local_sagemaker -- *", "local_sagemaker_account -- *"])

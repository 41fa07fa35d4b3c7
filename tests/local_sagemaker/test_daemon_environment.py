"""A `with` block: it starts a server, points the environment at it, and restores everything."""

import contextlib
import os
from pathlib import Path

import boto3
import psutil
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home, HomeError
from tests.local_sagemaker.core_support import client_of
from tests.local_sagemaker.daemon_support import free_port, kill

pytestmark = pytest.mark.slow


class TestEnvironment:
    """What ``with LocalSageMaker()`` does to this process, and undoes."""

    def test_it_is_restored(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # The server, too, must come up with a profile that is not there.
        monkeypatch.setenv("AWS_PROFILE", "somebody")
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.example")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        monkeypatch.setenv("NO_PROXY", "intranet.example")
        before = dict(os.environ)
        with contextlib.suppress(LookupError), LocalSageMaker(tmp_path / "home") as local:
            assert os.environ["AWS_ENDPOINT_URL"] == local.url
            for name in ("NO_PROXY", "no_proxy"):
                assert os.environ[name] == "intranet.example,127.0.0.1,localhost"
            assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_STS"} & set(os.environ)
            assert client_of("sts").get_caller_identity()["Account"] == "111122223333"
            info = Home(local.home).server()
            assert info is not None
            inherited = psutil.Process(info.pid).environ()
            assert not [name for name in inherited if name.startswith("AWS_")]
            # After an exception, too.
            raise LookupError
        assert dict(os.environ) == before
        assert not Home(tmp_path / "home").running()

    def test_a_start_that_fails_changes_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        before = dict(os.environ)
        with pytest.raises(HomeError):
            LocalSageMaker(tmp_path / "file").start()
        assert dict(os.environ) == before

    def test_one_inside_another(self, local: LocalSageMaker, tmp_path: Path) -> None:
        before = dict(os.environ)
        with LocalSageMaker(local.home) as outer:
            with LocalSageMaker(tmp_path / "inner") as inner:
                assert os.environ["AWS_ENDPOINT_URL"] == inner.url
                assert inner.url != outer.url
            assert os.environ["AWS_ENDPOINT_URL"] == outer.url
            client_of("sagemaker").list_models()
        assert dict(os.environ) == before
        # What was attached to is not stopped.
        client_of("sagemaker").list_models()

    def test_the_same_one_twice(self, tmp_path: Path) -> None:
        local = LocalSageMaker(tmp_path / "home")
        before = dict(os.environ)
        with local:
            with local:
                client_of("sagemaker").list_models()
            client_of("sagemaker").list_models()
        assert dict(os.environ) == before
        assert not Home(local.home).running()
        with pytest.raises(RuntimeError, match="is not started"):
            assert local.url

    def test_a_server_that_died_is_started_again(self, tmp_path: Path) -> None:
        with LocalSageMaker(tmp_path / "home") as local:
            client = client_of("sagemaker")
            client.list_models()
            kill(Home(local.home))
            assert local.start() is local
            # A client that was made before stays signed in.
            client.list_models()
        assert not Home(local.home).running()

    def test_boto3_s_default_session_forgets_other_credentials(
        self, local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another")
        boto3.client("sts", region_name="us-east-1")
        with LocalSageMaker(local.home):
            assert boto3.client("sts").get_caller_identity()["Account"] == "111122223333"
        assert boto3.DEFAULT_SESSION is None

    @pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
    def test_a_proxy_is_passed_by(
        self, local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        for exempted in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(exempted)
        with LocalSageMaker(local.home):
            client_of("sagemaker").list_models()

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("AWS_PROFILE", "does-not-exist"),
            ("AWS_DEFAULT_PROFILE", "does-not-exist"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
            ("AWS_USE_FIPS_ENDPOINT", "true"),
            ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
            ("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:9"),
            ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/Other"),
            ("AWS_SECURITY_TOKEN", "old"),
        ],
    )
    def test_what_would_mislead_a_client(
        self, local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch, name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        with LocalSageMaker(local.home):
            assert name not in os.environ
            boto3.Session().client("sagemaker").list_models()
        assert os.environ[name] == value

    def test_it_shows_itself(self, tmp_path: Path) -> None:
        local = LocalSageMaker(tmp_path / "a <b> home")
        assert repr(local) == f"<LocalSageMaker not started home={str(local.home)!r}>"
        assert "not started" in local._repr_html_()
        with local:
            assert local.url in repr(local)
            card = local._repr_html_()
            assert local.url in card
            assert "111122223333" in card
            assert "a &lt;b&gt; home" in card
            secret = local.environment["AWS_SECRET_ACCESS_KEY"]
            assert secret not in card + repr(local)

"""The request log: what it says, what it never says, and what ``requests`` shows of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker, daemon
from local_sagemaker.home import Home
from local_sagemaker.request_log.entry import Entry
from local_sagemaker.request_log.reader import follow, last_lines
from local_sagemaker.request_log.statistics import RequestStatistics
from local_sagemaker.request_log.writer import FILE_NAME, KEPT_FILES, RequestLog

Line = dict[str, Any]


def entry(number: int, **more: Any) -> Entry:
    made = Entry(
        time=1_700_000_000.1234 + number,
        service="sagemaker",
        operation="ListModels",
        resource=f"r{number}",
        account="111122223333",
        principal="arn:aws:sts::111122223333:assumed-role/Role/local",
        status=200,
        error=None,
        latency_ms=1.23456,
        request_id="id",
        fault=None,
    )
    return made._replace(**more)


def everything(_: Line) -> bool:
    return True


def logged(local: LocalSageMaker, wanted: Callable[[Line], bool], count: int = 1) -> list[Line]:
    while len(found := last_lines(local.home, None, wanted)) < count:
        time.sleep(0.02)
    return found


class TestWhatItSays:
    def test_of_each_kind_of_service(self, local: LocalSageMaker) -> None:
        name = f"logged-{uuid.uuid4().hex}"
        boto3.client("sagemaker").create_experiment(ExperimentName=name)
        boto3.client("s3").create_bucket(Bucket=name)
        boto3.client("s3").put_object(Bucket=name, Key="a key", Body=b"x")
        with pytest.raises(ClientError):
            boto3.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"x")
        with pytest.raises(ClientError):
            boto3.client("iam").get_role(RoleName=name)
        with pytest.raises(ClientError):
            boto3.client("sagemaker-a2i-runtime").describe_human_loop(HumanLoopName=name)
        with pytest.raises(ClientError):
            boto3.client("logs").describe_log_streams(logGroupName=name)
        lines = logged(local, lambda line: name in (line["resource"] or ""), 7)
        told = {
            (line["service"], line["operation"], line["resource"], line["status"], line["error"])
            for line in lines
        }
        assert told == {
            ("sagemaker", "CreateExperiment", name, 200, None),
            ("s3", "CreateBucket", f"/{name}", 200, None),
            ("s3", "PutObject", f"/{name}/a%20key", 200, None),
            ("sagemaker-runtime", "InvokeEndpoint", name, 400, "ValidationError"),
            ("iam", "GetRole", name, 404, "NoSuchEntity"),
            ("sagemaker-a2i-runtime", "DescribeHumanLoop", name, 404, "ResourceNotFoundException"),
            ("logs", "DescribeLogStreams", name, 400, "ResourceNotFoundException"),
        }
        for line in lines:
            assert line["account"] == "111122223333"
            assert line["principal"].startswith("arn:aws:sts::111122223333:assumed-role/")
            assert line["latency_ms"] > 0
            assert line["request_id"]
            assert line["fault"] is None
            assert line["time"].endswith("Z")

    def test_the_identifier_is_the_client_s(self, local: LocalSageMaker) -> None:
        for service, method in (
            ("sagemaker", "list_models"),
            ("sts", "get_caller_identity"),
            ("s3", "list_buckets"),
        ):
            answer = getattr(boto3.client(service), method)()
            identifier = answer["ResponseMetadata"]["RequestId"]
            assert logged(local, lambda line, told=identifier: line["request_id"] == told)

    def test_a_fault(self, local: LocalSageMaker) -> None:
        with local.faults.add("ListWorkteams", "InternalFailure", times=1) as fault:
            boto3.client("sagemaker").list_workteams()
            lines = logged(local, lambda line: line["fault"] == fault.id)
        assert [(line["status"], line["error"]) for line in lines] == [(500, "InternalFailure")]

    def test_no_body_and_no_own_page(self, local: LocalSageMaker) -> None:
        secret = f"secret-{uuid.uuid4().hex}"
        boto3.client("sagemaker").create_experiment(
            ExperimentName=f"e-{uuid.uuid4().hex}", Description=secret
        )
        local.status()
        marker = boto3.client("sagemaker").list_models()["ResponseMetadata"]["RequestId"]
        logged(local, lambda line: line["request_id"] == marker)
        text = (local.home / FILE_NAME).read_text()
        assert secret not in text
        # Whoever asks for an own page from elsewhere is refused, and that is logged.
        own = last_lines(local.home, None, lambda line: "_local" in str(line["resource"]))
        assert {line["status"] for line in own} <= {403}
        assert (local.home / FILE_NAME).stat().st_mode & 0o777 == 0o600


class TestFiles:
    def test_lines_of_json_to_the_millisecond(self, tmp_path: Path) -> None:
        log = RequestLog(tmp_path)
        log.add(entry(0, resource='"quoted"\n'))
        log.close()
        (line,) = (tmp_path / FILE_NAME).read_text().splitlines()
        assert json.loads(line) == {
            "time": "2023-11-14T22:13:20.123Z",
            "service": "sagemaker",
            "operation": "ListModels",
            "resource": '"quoted"\n',
            "account": "111122223333",
            "principal": "arn:aws:sts::111122223333:assumed-role/Role/local",
            "status": 200,
            "error": None,
            "latency_ms": 1.235,
            "request_id": "id",
            "fault": None,
        }

    def test_their_size_is_bounded(self, tmp_path: Path) -> None:
        for number in range(12):
            log = RequestLog(tmp_path, max_bytes=100)
            log.add(entry(number))
            log.close()
        names = {path.name for path in tmp_path.iterdir()}
        old = {f"{FILE_NAME}.{number}" for number in range(1, KEPT_FILES + 1)}
        assert names == {FILE_NAME} | old
        kept = [line["resource"] for line in last_lines(tmp_path, None, everything)]
        assert kept == ["r7", "r8", "r9", "r10", "r11"]
        assert [line["resource"] for line in last_lines(tmp_path, 2, everything)] == ["r10", "r11"]

    def test_half_a_line_of_a_killed_server(self, tmp_path: Path) -> None:
        (tmp_path / FILE_NAME).write_text(entry(0).line() + entry(1).line()[:40])
        log = RequestLog(tmp_path)
        log.add(entry(2))
        log.close()
        kept = [line["resource"] for line in last_lines(tmp_path, None, everything)]
        assert kept == ["r0", "r2"]

    def test_where_nothing_can_be_written(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        folder = tmp_path / "gone"
        log = RequestLog(folder)
        log.add(entry(0))
        while not caplog.records:
            time.sleep(0.01)
        log.add(entry(1))
        folder.mkdir()
        log.add(entry(2))
        log.close()
        assert "cannot be written" in caplog.text
        assert [line["resource"] for line in last_lines(folder, None, everything)][-1] == "r2"

    @pytest.mark.slow
    def test_a_clean_stop_writes_all_and_a_kill_loses_little(self, fresh: LocalSageMaker) -> None:
        home = Home(fresh.home)
        for _ in range(20):
            boto3.client("sagemaker").list_models()
        daemon.stop(home)
        assert len(last_lines(home.path, None, everything)) == 20
        info = daemon.start(home).info
        client = boto3.client("sagemaker")
        client.list_models()
        while len(last_lines(home.path, None, everything)) < 21:
            time.sleep(0.01)
        os.kill(info.pid, signal.SIGKILL)
        while home.running():
            time.sleep(0.01)
        daemon.start(home)
        client.list_models()
        while len(last_lines(home.path, None, everything)) < 22:
            time.sleep(0.01)


def test_following_sees_every_line_once_through_rotations(tmp_path: Path) -> None:
    seen: list[str] = []
    done = threading.Event()

    def watch() -> None:
        for line in follow(tmp_path, everything):
            seen.append(line["resource"])
            if line["resource"] == "r299":
                done.set()
                return

    (tmp_path / FILE_NAME).write_text(entry(-1).line())
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    log = RequestLog(tmp_path, max_bytes=2_000)
    # It begins with what is written after it looked first.
    while not seen:
        log.add(entry(0))
        time.sleep(0.05)
    for number in range(1, 300):
        if number % 50 == 0:
            while seen[-1] != f"r{number - 1}":
                time.sleep(0.01)
        log.add(entry(number))
    done.wait()
    log.close()
    assert [name for name in seen if name != "r0"] == [f"r{number}" for number in range(1, 300)]
    assert (tmp_path / f"{FILE_NAME}.1").exists()


class TestCommand:
    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        home = Home(tmp_path / "home")
        home.prepare()
        log = RequestLog(home.path)
        log.add(entry(0))
        log.add(entry(1, operation="CreateModel", status=400, error="ValidationException"))
        log.add(entry(2, status=None, fault="f1", operation="\x9b2J"))
        log.add(
            entry(3, service=None, account=None, principal=None, status=403, resource="\x1b[2J/")
        )
        log.close()
        return home.path

    def run(self, home: Path, *options: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "local_sagemaker", "requests", "--home", str(home)]
        return subprocess.run([*command, *options], capture_output=True, text=True, check=False)

    def test_rows(self, home: Path) -> None:
        done = self.run(home)
        assert done.returncode == 0, done.stderr
        rows = [" ".join(row.split()[1:]) for row in done.stdout.splitlines()]
        assert rows == [
            "200 1.2 ms sagemaker ListModels r0 111122223333/Role/local",
            "400 1.2 ms sagemaker CreateModel r1 ValidationException 111122223333/Role/local",
            "- 1.2 ms sagemaker ?2J r2 111122223333/Role/local fault f1",
            "403 1.2 ms - ListModels ?[2J/ -",
        ]

    def test_choosing(self, home: Path) -> None:
        def resources(*options: str) -> list[str]:
            lines = self.run(home, "--json", *options).stdout.splitlines()
            return [json.loads(line)["resource"] for line in lines]

        assert resources("--errors") == ["r1", "r2", "\x1b[2J/"]
        assert resources("--operation", "CreateModel") == ["r1"]
        assert resources("--last", "1") == ["\x1b[2J/"]
        assert resources("--operation", "Nothing") == []
        assert "No such request" in self.run(home, "--operation", "Nothing").stdout

    def test_what_is_wrong(self, tmp_path: Path) -> None:
        done = self.run(tmp_path / "none")
        assert (done.returncode, done.stdout) == (1, "")
        assert "no local SageMaker ever ran in" in done.stderr

    def test_following(self, local: LocalSageMaker) -> None:
        command = [sys.executable, "-m", "local_sagemaker", "requests", "--follow", "--last", "0"]
        operation = ["--operation", "ListCodeRepositories", "--home", str(local.home)]
        with subprocess.Popen(
            [*command, *operation], stdout=subprocess.PIPE, text=True
        ) as watching:
            assert watching.stdout is not None
            asking = threading.Event()

            def ask() -> None:
                while not asking.wait(0.2):
                    boto3.client("sagemaker").list_code_repositories()

            asker = threading.Thread(target=ask)
            asker.start()
            try:
                assert "sagemaker ListCodeRepositories" in watching.stdout.readline()
            finally:
                asking.set()
                asker.join()
            watching.send_signal(signal.SIGINT)
        assert watching.returncode == 130


class TestStatistics:
    def test_percentiles_and_errors(self) -> None:
        statistics = RequestStatistics()
        for number in range(100):
            statistics.add("s", "Often", float(number), error=number % 10 == 0)
        statistics.add("s", "Once", 5.0, error=False)
        assert statistics.summary() == [
            {
                "service": "s",
                "operation": "Often",
                "count": 100,
                "errors": 10,
                "p50_ms": 50.0,
                "p95_ms": 95.0,
            },
            {
                "service": "s",
                "operation": "Once",
                "count": 1,
                "errors": 0,
                "p50_ms": 5.0,
                "p95_ms": 5.0,
            },
        ]

    def test_made_up_operations_do_not_fill_the_memory(self) -> None:
        statistics = RequestStatistics()
        for number in range(3000):
            statistics.add("s", f"Op{number}", 1.0, error=True)
        rows = statistics.summary()
        assert len(rows) == 1001
        assert rows[0]["operation"] == "(others)"
        assert rows[0]["count"] == 2000

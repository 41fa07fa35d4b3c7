"""``python -m local_sagemaker``: what it prints, what it asks, and what it leaves."""

import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker, daemon
from local_sagemaker.home import Home

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(repository: Path) -> Run:
    """Run a command as from a user's shell, with none of this process's settings."""

    def command(
        *arguments: str, environment: dict[str, str] | None = None, **more: Any
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "local_sagemaker", *arguments],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(repository), **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
            **more,
        )

    return command


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    if made.path.exists() and made.is_one():
        daemon.stop(made)


COMMANDS = [
    *("start", "status", "logs", "requests", "fault", "publish", "models", "unpublish", "tree"),
    *("stop", "reset", "serve"),
]


class TestHelp:
    def test_of_all(self, run: Run) -> None:
        done = run("--help")
        assert done.returncode == 0
        assert "SageMaker that runs on this machine" in done.stdout
        for command in COMMANDS:
            assert re.search(rf"\n    {command}\s", done.stdout)
        assert "--ready-fd" not in done.stdout

    @pytest.mark.parametrize("command", COMMANDS)
    def test_of_each(self, run: Run, command: str, tmp_path: Path) -> None:
        done = run(command, "--help", cwd=tmp_path)
        assert done.returncode == 0
        assert "--home" in done.stdout
        assert "--ready-fd" not in done.stdout
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ([], "required: COMMAND"),
            (["begin"], "invalid choice: 'begin'"),
            (["start", "--port", "99999"], "99999 is not a port"),
            (["start", "--port", "0"], "0 is not a port"),
            (["start", "--port", "http"], "invalid _port value: 'http'"),
            (["logs"], "required: name"),
            (["requests", "--last", "-1"], "-1 is not a number of requests"),
            (["fault"], "required: ACTION"),
            (["fault", "add"], "required: OPERATION"),
            (["fault", "add", "ListModels", "--times", "some"], "invalid int value: 'some'"),
        ],
    )
    def test_of_what_is_wrong(
        self, run: Run, arguments: list[str], says: str, tmp_path: Path
    ) -> None:
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr


class TestStart:
    def test_its_exports_point_a_shell_at_the_server(
        self, run: Run, local: LocalSageMaker, tmp_path: Path
    ) -> None:
        user = {
            "AWS_PROFILE": "somebody",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
            "NO_PROXY": "intranet.example",
            "HTTP_PROXY": "http://127.0.0.1:9",
        }
        done = run("start", "--home", str(local.home), environment=user)
        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert lines[0].startswith(f"# The local SageMaker already runs at {local.url} (home: ")
        assert "unset AWS_PROFILE" in lines
        script = """
            eval "$EXPORTS"
            test -z "${AWS_PROFILE:-}${AWS_ENDPOINT_URL_S3:-}"
            echo "$NO_PROXY"
            "$PYTHON" -c "$CALL"
        """
        call = (
            "import boto3\n"
            "print(boto3.client('sts').get_caller_identity()['Account'])\n"
            "boto3.client('s3').list_buckets()\n"
        )
        shell = subprocess.run(
            ["sh", "-eu", "-c", script],
            env={
                "PATH": os.environ["PATH"],
                "PYTHON": sys.executable,
                "EXPORTS": done.stdout,
                "CALL": call,
                **user,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert shell.returncode == 0, shell.stderr
        assert shell.stdout == "intranet.example,127.0.0.1,localhost\n111122223333\n"

    def test_whatever_the_home_is_called(self, run: Run, tmp_path: Path) -> None:
        """No name of a folder may run anything in the shell that evaluates the exports."""
        path = tmp_path / "it's $(touch pwned) `touch pwned`;\ntouch pwned"
        try:
            done = run("start", "--home", str(path), cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            shell = subprocess.run(
                ["sh", "-eu", "-c", 'eval "$0"; printf %s "$AWS_CONFIG_FILE"', done.stdout],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
            )
            assert shell.stdout == str(path / "client" / "aws-config")
            assert not (tmp_path / "pwned").exists()
        finally:
            daemon.stop(Home(path))

    def test_every_line_is_a_comment_or_an_assignment(
        self, run: Run, local: LocalSageMaker
    ) -> None:
        for line in run("start", "--home", str(local.home)).stdout.splitlines():
            if line.startswith("#"):
                continue
            word, rest = shlex.split(line)
            assert word in ("export", "unset")
            assert word == "unset" or "=" in rest

    def test_an_error_is_one_line_on_stderr(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        done = run("start", "--home", str(tmp_path / "file"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("local_sagemaker: cannot write to ")
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize("command", ["start", "serve"])
    def test_a_port_that_is_taken(self, run: Run, tmp_path: Path, command: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            done = run(command, "--home", str(tmp_path / "home"), "--port", str(port))
        assert done.returncode != 0
        assert done.stderr == (
            f"local_sagemaker: port {port} of 127.0.0.1 cannot be used: another program has it. "
            "Stop that program, or choose another port with --port N (notebooks that are open must "
            "then be restarted).\n"
        )


class TestStatus:
    def test_of_none(self, run: Run, tmp_path: Path) -> None:
        done = run("status", "--home", str(tmp_path / "none"))
        assert (done.returncode, done.stdout) == (
            3,
            f"No local SageMaker runs in {tmp_path / 'none'}.\n",
        )
        done = run("status", "--json", "--home", str(tmp_path / "none"))
        assert done.returncode == 3
        assert json.loads(done.stdout) == {"running": False, "home": str(tmp_path / "none")}
        assert not (tmp_path / "none").exists()

    def test_of_a_running_one(self, run: Run, local: LocalSageMaker) -> None:
        done = run("status", "--home", str(local.home))
        assert done.returncode == 0
        assert local.url in done.stdout
        assert "111122223333, us-east-1" in done.stdout
        state = json.loads(run("status", "--json", "--home", str(local.home)).stdout)
        assert state["running"] is True
        assert state["url"] == local.url
        assert {"pid", "home", "account", "region", "jobs", "endpoints"} <= set(state)
        info = Home(local.home).server()
        assert info is not None
        assert info.token not in json.dumps(state)

    def test_of_one_that_does_not_answer(self, run: Run, home: Home) -> None:
        info = daemon.start(home).info
        os.kill(info.pid, signal.SIGKILL)
        while home.running():
            time.sleep(0.01)
        # A process that holds the lock and says nothing: what a hung server looks like.
        with_lock = Home(home.path)
        assert with_lock.lock()
        done = run("status", "--home", str(home.path))
        with_lock.unlock()
        assert done.returncode == 1
        assert "does not answer" in done.stderr
        assert "Traceback" not in done.stderr


class TestStop:
    def test_once_and_again(self, run: Run, home: Home) -> None:
        daemon.start(home)
        done = run("stop", "--home", str(home.path))
        assert (done.returncode, done.stdout) == (
            0,
            f"The local SageMaker of {home.path} is stopped; its state is kept.\n",
        )
        done = run("stop", "--home", str(home.path))
        assert (done.returncode, done.stdout) == (0, f"No local SageMaker runs in {home.path}.\n")
        assert home.is_one()


class TestReset:
    def test_it_asks_and_takes_no_for_an_answer(self, home: Home) -> None:
        home.prepare()
        assert at_a_terminal(["reset", "--home", str(home.path)], "n\n") == 1
        assert home.is_one()
        assert at_a_terminal(["reset", "--home", str(home.path)], "\n") == 1
        assert home.is_one()
        assert at_a_terminal(["reset", "--home", str(home.path)], "y\n") == 0
        assert not home.path.exists()

    def test_without_a_terminal_it_wants_to_be_told(self, run: Run, home: Home) -> None:
        home.prepare()
        done = run("reset", "--home", str(home.path), stdin=subprocess.DEVNULL)
        assert done.returncode == 1
        assert "say --yes" in done.stderr
        assert home.is_one()
        done = run("reset", "--yes", "--home", str(home.path), stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout) == (0, f"{home.path} is removed.\n")
        assert not home.path.exists()
        done = run("reset", "--yes", "--home", str(home.path))
        assert (done.returncode, done.stdout) == (0, f"There is nothing in {home.path}.\n")

    def test_it_refuses_a_folder_that_is_no_home(self, run: Run, tmp_path: Path) -> None:
        project = tmp_path / "project"
        project.mkdir()
        (project / "README").write_text("my project")
        done = run("reset", "--yes", "--home", str(project))
        assert done.returncode == 1
        assert "is not the home of a local SageMaker; nothing was removed" in done.stderr
        assert (project / "README").read_text() == "my project"


class TestServe:
    def test_in_the_foreground_until_a_key_press(self, home: Home, repository: Path) -> None:
        command = [sys.executable, "-m", "local_sagemaker", "serve", "--home", str(home.path)]
        with subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(repository)},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            line = next(line for line in process.stderr if "Ready at http://127.0.0.1:" in line)
            assert str(home.path) in line
            info = home.server()
            assert info is not None
            assert info.pid == process.pid
            assert not daemon.start(home).fresh
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
        assert process.returncode == 0
        assert "Traceback" not in rest
        assert home.server() is None

    def test_beside_another(self, run: Run, local: LocalSageMaker) -> None:
        done = run("serve", "--home", str(local.home))
        assert done.returncode == 3
        assert done.stderr == (
            f"local_sagemaker: a local SageMaker already runs in {local.home}.\n"
        )


def test_a_reader_that_has_seen_enough(local: LocalSageMaker, repository: Path) -> None:
    start = [sys.executable, "-m", "local_sagemaker", "start", "--home", str(local.home)]
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{shlex.join(start)} | true"],
        env=os.environ | {"PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_home_of_the_working_directory(run: Run, tmp_path: Path) -> None:
    done = run("status", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["home"] == str(tmp_path / ".local_sagemaker")
    done = run("status", "--json", cwd=tmp_path, environment={"LOCAL_SAGEMAKER_HOME": "/elsewhere"})
    assert json.loads(done.stdout)["home"] == "/elsewhere"


def at_a_terminal(arguments: Sequence[str], answer: str) -> int:
    """Run a command with a terminal of its own, and answer what it asks."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "local_sagemaker", *arguments],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        os.write(ours, answer.encode())
        output, _ = process.communicate()
        assert b"[y/N]" in output
        return process.returncode
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_quiet_start_prints_one_line_and_no_key(local: LocalSageMaker) -> None:
    command = [sys.executable, "-m", "local_sagemaker", "start", "--quiet", "--home"]
    result = subprocess.run([*command, str(local.home)], capture_output=True, text=True, check=True)
    assert result.stdout.count("\n") == 1
    assert local.url in result.stdout
    assert local.environment["AWS_SECRET_ACCESS_KEY"] not in result.stdout

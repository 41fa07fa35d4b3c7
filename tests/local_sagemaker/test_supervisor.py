"""A process group under its supervisor: output, exit, stop, and that nothing is left over."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_sagemaker.containers.process import MARKER, Exit, SupervisedProcess, sweep

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}


class Output:
    """Collects what a process writes, and lets a test wait for a word in it."""

    def __init__(self) -> None:
        self._text = b""
        self._changed = threading.Condition()

    def __call__(self, data: bytes) -> None:
        with self._changed:
            self._text += data
            self._changed.notify_all()

    def wait_for(self, word: str) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: word.encode() in self._text, timeout=60), (
                self._text
            )
            return self._text.decode()

    @property
    def text(self) -> str:
        return self._text.decode()


@pytest.fixture
def marker(tmp_path: Path) -> Iterator[str]:
    marker = f"{tmp_path}/one"
    yield marker
    sweep(marker)


def start(
    code: str, tmp_path: Path, marker: str, output: Output | None = None, **environment: str
) -> SupervisedProcess:
    return SupervisedProcess(
        [sys.executable, "-c", code],
        environment={**ENVIRONMENT, **environment},
        directory=tmp_path,
        marker=marker,
        on_output=output or Output(),
    )


def gone(pid: int) -> bool:
    """Tell whether a process has ended; a zombie nobody collected counts as ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_reports_output_environment_directory_and_exit_code(tmp_path: Path, marker: str) -> None:
    output = Output()
    code = (
        "import os, sys; print('out', os.getcwd(), os.environ['WORD'], sorted(os.environ));"
        "print('err', file=sys.stderr); sys.exit(7)"
    )
    process = start(code, tmp_path, marker, output, WORD="grüße")
    assert process.wait() == Exit(code=7)
    assert f"out {tmp_path} grüße" in output.text
    assert "err" in output.text
    assert "HOME" not in output.text, "nothing of the server's environment leaks in"


def test_a_signal_is_told_from_an_exit_code(tmp_path: Path, marker: str) -> None:
    process = start("import os; os.kill(os.getpid(), 9)", tmp_path, marker)
    ended = process.wait()
    assert ended == Exit(signal=signal.SIGKILL)
    assert ended.status == 137


def test_a_command_that_does_not_exist_says_so(tmp_path: Path, marker: str) -> None:
    process = SupervisedProcess(
        ["no-such-program"],
        environment=ENVIRONMENT,
        directory=tmp_path,
        marker=marker,
        on_output=Output(),
    )
    ended = process.wait()
    assert ended is not None
    assert ended.code is None
    assert ended.error == "No such file or directory: no-such-program"


def test_what_the_command_left_behind_is_killed(tmp_path: Path, marker: str) -> None:
    output = Output()
    code = (
        "import subprocess, sys\n"
        "for new_session in (False, True):\n"
        "    child = subprocess.Popen(['sleep', '600'], start_new_session=new_session)\n"
        "    print('child', child.pid)\n"
    )
    process = start(code, tmp_path, marker, output)
    assert process.wait() == Exit(code=0)
    children = [int(line.split()[1]) for line in output.text.splitlines()]
    assert len(children) == 2
    assert all(gone(pid) for pid in children)


def test_a_daemon_that_double_forked_and_cleared_its_environment_is_killed(
    tmp_path: Path, marker: str
) -> None:
    output = Output()
    process = SupervisedProcess(
        ["sh", "-c", "(setsid env -i sleep 600 & echo daemon $!) ; exit 0"],
        environment=ENVIRONMENT,
        directory=tmp_path,
        marker=marker,
        on_output=output,
    )
    assert process.wait() == Exit(code=0)
    assert gone(int(output.text.split()[1]))


def test_terminate_lets_the_script_finish_its_work(tmp_path: Path, marker: str) -> None:
    output = Output()
    code = (
        "import signal, sys, time\n"
        "def stop(*_):\n"
        "    time.sleep(0.3); print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready'); time.sleep(600)\n"
    )
    process = start(code, tmp_path, marker, output)
    output.wait_for("ready")
    process.terminate(60)
    process.terminate(60)
    assert process.wait() == Exit(code=0)
    assert output.text.count("saved") == 1


def test_terminate_waits_for_a_child_that_saves_although_its_shell_died(
    tmp_path: Path, marker: str
) -> None:
    output = Output()
    script = tmp_path / "save.py"
    script.write_text(
        "import signal, sys, time\n"
        "def stop(*_):\n"
        "    time.sleep(0.3); print('saved'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready'); time.sleep(600)\n"
    )
    process = SupervisedProcess(
        ["sh", "-c", f"{shlex.quote(sys.executable)} {script}; echo never"],
        environment=ENVIRONMENT,
        directory=tmp_path,
        marker=marker,
        on_output=output,
    )
    output.wait_for("ready")
    process.terminate(60)
    process.wait()
    assert "saved" in output.text
    assert "never" not in output.text


def test_what_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path, marker: str) -> None:
    output = Output()
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready'); time.sleep(600)"
    )
    process = start(code, tmp_path, marker, output)
    output.wait_for("ready")
    process.terminate(0.2)
    assert process.wait() == Exit(signal=signal.SIGKILL)


def test_kill_overrules_a_long_grace(tmp_path: Path, marker: str) -> None:
    output = Output()
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready'); time.sleep(600)"
    )
    process = start(code, tmp_path, marker, output)
    output.wait_for("ready")
    process.terminate(600)
    process.kill()
    assert process.wait() == Exit(signal=signal.SIGKILL)


def test_terminate_counts_although_the_command_has_not_started_yet(
    tmp_path: Path, marker: str
) -> None:
    for _ in range(10):
        process = start("import time; time.sleep(600)", tmp_path, marker)
        process.terminate(60)
        assert process.wait() == Exit(signal=signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("new_session", [False, True])
def test_nothing_survives_a_killed_server(tmp_path: Path, marker: str, new_session: bool) -> None:
    """The server here is a Python process of its own, so that it can be killed."""
    job = (
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"child = subprocess.Popen(['sleep', '600'], start_new_session={new_session})\n"
        "print('pids', os.getpid(), child.pid, os.getppid()); time.sleep(600)\n"
    )
    server = (
        "import sys, time; from pathlib import Path\n"
        "from local_sagemaker.containers.process import SupervisedProcess\n"
        f"SupervisedProcess([sys.executable, '-c', {job!r}], environment={ENVIRONMENT!r},\n"
        f"    directory=Path({str(tmp_path)!r}), marker={marker!r},\n"
        "    on_output=lambda data: (sys.stdout.buffer.write(data), sys.stdout.flush()))\n"
        "time.sleep(600)\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    pids = [int(pid) for pid in killed.stdout.readline().split()[1:]]
    assert len(pids) == 3
    killed.kill()
    killed.wait()
    killed.stdout.close()
    assert all(gone(pid) for pid in pids)


@pytest.mark.slow
def test_a_killed_supervisor_takes_its_job_along(tmp_path: Path, marker: str) -> None:
    output = Output()
    code = "import os, time; print('pids', os.getpid(), os.getppid(), 'end'); time.sleep(600)"
    process = start(code, tmp_path, marker, output)
    _, job, supervisor, _ = output.wait_for("end").split()
    os.kill(int(supervisor), signal.SIGKILL)
    ended = process.wait()
    assert ended is not None
    assert ended.error == "its supervisor died"
    assert gone(int(job))


def test_sweep_kills_what_carries_a_marker_and_nothing_else(tmp_path: Path) -> None:
    def sleeper(marker: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sleep", "600"], env={**ENVIRONMENT, MARKER: marker})

    ours = [sleeper(f"{tmp_path}/one"), sleeper(f"{tmp_path}/two")]
    other = sleeper(f"{tmp_path}-other/one")
    try:
        assert sweep(str(tmp_path)) == 2
        assert all(gone(process.pid) for process in ours)
        assert other.poll() is None
    finally:
        for process in (*ours, other):
            process.kill()
            process.wait()


def test_an_order_that_comes_too_late_hides_no_end(tmp_path: Path, marker: str) -> None:
    go_on = threading.Event()

    def hold_up(_: bytes) -> None:
        go_on.wait()

    process = SupervisedProcess(
        [sys.executable, "-c", "print('last words')"],
        environment=ENVIRONMENT,
        directory=tmp_path,
        marker=marker,
        on_output=hold_up,
    )
    supervisor = psutil.Process(process._supervisor.pid)
    while supervisor.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    # Nobody has noticed its end yet, nor is there anybody left to obey.
    process.kill()
    go_on.set()
    assert process.wait(60) == Exit(code=0)

"""Starting, finding and stopping the server, in good order and in bad."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from local_sagemaker import LocalSageMaker, daemon
from local_sagemaker.daemon import StartError
from local_sagemaker.home import Home, HomeError, ServerInfo
from local_sagemaker.settings import default_run_dir
from tests.local_sagemaker.core_support import client_of
from tests.local_sagemaker.daemon_support import free_port, kill


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home that is stopped afterwards, whatever the test left."""
    made = Home(tmp_path / "home")
    yield made
    if made.path.exists() and made.is_one():
        daemon.stop(made)


class TestStarting:
    def test_starts_at_the_same_moment_give_one_server(self, home: Home) -> None:
        command = [sys.executable, "-m", "local_sagemaker", "start", "--home", str(home.path)]
        starters = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(6)
        ]
        outputs = [starter.communicate() for starter in starters]
        assert [starter.returncode for starter in starters] == [0] * 6, outputs
        heads = [output.splitlines()[0] for output, _ in outputs]
        assert sum("started at" in head for head in heads) == 1
        assert len({output.split(" at ", 1)[1].split()[0] for output, _ in outputs}) == 1
        assert len(servers_of(home)) == 1

    def test_the_same_in_threads_of_one_process(self, home: Home) -> None:
        started: list[daemon.Started] = []
        threads = [
            threading.Thread(target=lambda: started.append(daemon.start(Home(home.path))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(one.fresh for one in started) == 1
        assert len({one.info.pid for one in started}) == 1

    def test_a_module_in_the_working_directory_is_not_loaded(
        self, home: Home, tmp_path: Path, repository: Path
    ) -> None:
        for name in ("uvicorn", "secrets", "starlette"):
            (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user ran')")
        start = [sys.executable, "-P", "-m", "local_sagemaker", "start", "--home", str(home.path)]
        environment = os.environ | {"PYTHONPATH": str(repository)}
        subprocess.run(start, cwd=tmp_path, env=environment, check=True, capture_output=True)

    def test_a_path_with_spaces_quotes_and_unicode(self, tmp_path: Path) -> None:
        path = tmp_path / "a home; 'with' \"quotes\" $HOME ünïcode 名"
        with LocalSageMaker(path) as local:
            client_of("sagemaker").create_experiment(ExperimentName="there")
            assert local.status()["home"] == str(path)
        assert (path / "state.db").exists()

    def test_the_home_of_the_environment_and_of_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("LOCAL_SAGEMAKER_HOME", raising=False)
        assert Home().path == tmp_path / ".local_sagemaker"
        monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", "elsewhere")
        assert Home().path == tmp_path / "elsewhere"
        assert Home(tmp_path / "named").path == tmp_path / "named"
        assert Home("~/named").path == Path.home() / "named"

    def test_it_outlives_its_starter_and_is_nobody_s_child(self, home: Home) -> None:
        script = (
            "import sys; from local_sagemaker import daemon, home; "
            "daemon.start(home.Home(sys.argv[1]))"
        )
        subprocess.run([sys.executable, "-c", script, str(home.path)], check=True)
        started = daemon.start(home)
        assert not started.fresh
        server = psutil.Process(started.info.pid)
        assert server not in psutil.Process().children(recursive=True)
        # Its own folder: no file of the user's could pass for a module, and none is kept busy.
        assert Path(server.cwd()) == home.path


class TestPort:
    def test_it_is_chosen_once_and_kept(self, home: Home, local: LocalSageMaker) -> None:
        first = daemon.start(home).info
        daemon.stop(home)
        assert daemon.start(home).info.url == first.url
        dead = kill(home)
        assert home.server() == dead
        again = daemon.start(home)
        assert again.fresh
        assert again.info.url == first.url != local.url
        assert again.info.pid != dead.pid
        assert again.info.token != dead.token
        # None that the system gives to outgoing connections.
        assert 20_000 <= (urlsplit(first.url).port or 0) < 30_000

    def test_a_taken_one_is_named_with_what_to_do(self, home: Home) -> None:
        home.prepare()
        port = free_port()
        (home.path / "port").write_text(f"{port}\n")
        with socket.create_server(("127.0.0.1", port)):
            with pytest.raises(StartError) as caught:
                daemon.start(home)
            assert str(caught.value) == (
                f"port {port} of 127.0.0.1 cannot be used: another program has it. Stop that "
                "program, or choose another port with --port N (notebooks that are open must then "
                "be restarted)."
            )
            assert not home.running()
            free = free_port()
            assert daemon.start(home, free).info.url == f"http://127.0.0.1:{free}"
        # The port that was asked for is the one that is kept.
        assert int((home.path / "port").read_text()) == free

    def test_a_running_server_keeps_its_own(self, local: LocalSageMaker) -> None:
        home, url = Home(local.home), local.url
        with pytest.raises(StartError, match=rf"already runs at {url}\. Stop it first to move it"):
            daemon.start(home, free_port())
        assert not daemon.start(home, urlsplit(url).port).fresh

    def test_a_file_that_holds_none(self, home: Home) -> None:
        home.prepare()
        (home.path / "port").write_text("eighty")
        with pytest.raises(HomeError, match=r"port does not hold a port number; remove the file"):
            home.listen()

    @pytest.mark.parametrize("port", [-1, 65536])
    def test_a_number_that_is_none(self, home: Home, port: int) -> None:
        home.prepare()
        with pytest.raises(HomeError, match=f"port {port} of 127.0.0.1 cannot be used"):
            home.listen(port)


class TestStaleFiles:
    def test_a_server_json_that_names_another_process_harms_nobody(self, home: Home) -> None:
        home.prepare()
        with bystander() as innocent:
            home.write_server(ServerInfo(innocent.pid, "http://127.0.0.1:9", "token"))
            (home.path / "lock").write_text(f"{innocent.pid}\n")
            assert daemon.stop(home) is False
            assert innocent.poll() is None
            home.write_server(ServerInfo(innocent.pid, "http://127.0.0.1:9", "token"))
            assert daemon.start(home).fresh
            assert daemon.stop(home)
            assert innocent.poll() is None

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', "null", "\ud800"])
    def test_a_server_json_that_is_garbled(self, home: Home, content: str) -> None:
        home.prepare()
        (home.path / "server.json").write_text(content, errors="surrogatepass")
        assert home.server() is None

    def test_a_running_server_whose_server_json_is_gone_can_be_stopped(self, home: Home) -> None:
        daemon.start(home)
        home.forget_server()
        assert daemon.stop(home)
        assert not servers_of(home)

    def test_something_else_on_the_port_is_not_taken_for_it(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            thread = threading.Thread(target=answer_garbage, args=(server,), daemon=True)
            thread.start()
            info = ServerInfo(1, url, "token")
            assert not daemon.reachable(info)
            with pytest.raises(HomeError, match="does not speak HTTP"):
                daemon.status(info)
        assert not daemon.reachable(info)
        with pytest.raises(StartError, match="does not answer"):
            daemon.status(info)

    def test_another_local_sagemaker_on_the_port_is_not_taken_for_it(
        self, local: LocalSageMaker
    ) -> None:
        info = Home(local.home).server()
        assert info is not None
        with pytest.raises(HomeError, match="answered 403: another server has its port"):
            daemon.status(ServerInfo(info.pid, info.url, "another token"))


class TestStopping:
    def test_it_leaves_no_process_and_no_socket(self, home: Home) -> None:
        target = urlsplit(daemon.start(home).info.url)
        # A client that has said half of what it wanted to say must not hold it up.
        with socket.create_connection((target.hostname or "", target.port or 0)) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
            assert daemon.stop(home) is True
        assert not servers_of(home)
        assert not default_run_dir(home.path).exists()
        with socket.create_server(("127.0.0.1", target.port or 0)):
            pass
        assert daemon.stop(home) is False
        assert home.server() is None
        assert home.holder() is None

    def test_where_none_ever_ran(self, tmp_path: Path) -> None:
        assert daemon.stop(Home(tmp_path / "nowhere")) is False
        assert not (tmp_path / "nowhere").exists()

    def test_a_key_press_ends_it_in_order(self, home: Home) -> None:
        os.kill(daemon.start(home).info.pid, signal.SIGINT)
        while home.running():
            time.sleep(0.01)
        assert home.server() is None
        assert "Finished server process" in home.log.read_text()


class TestReset:
    def test_it_removes_everything(self, home: Home, tmp_path: Path) -> None:
        home.prepare()
        link = Home(tmp_path / "link")
        link.path.symlink_to(home.path)
        daemon.start(link)
        run_dir = default_run_dir(home.path)
        assert run_dir.is_dir()
        assert home.path.stat().st_mode & 0o777 == 0o700
        daemon.reset(link)
        assert not home.path.exists()
        assert not link.path.is_symlink()
        assert not run_dir.exists()
        daemon.reset(home)

    def test_it_refuses_a_folder_that_is_no_home(self, tmp_path: Path) -> None:
        project = tmp_path / "project"
        project.mkdir()
        for name in ("README", "server.json", "state.db", "lock"):
            (project / name).write_text("my project")
        with pytest.raises(HomeError, match="is not the home of a local SageMaker; nothing was"):
            daemon.reset(Home(project))
        assert len(list(project.iterdir())) == 4
        with pytest.raises(HomeError, match="holds other files"):
            daemon.start(Home(project))


class TestFolder:
    def test_a_file_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(HomeError, match=r"cannot write to .*file.*--home"):
            daemon.start(Home(tmp_path / "file"))
        with pytest.raises(HomeError, match=r"cannot write to .*below.*--home"):
            daemon.start(Home(tmp_path / "file" / "below"))

    def test_one_that_cannot_be_written(self, tmp_path: Path) -> None:
        with read_only(tmp_path) as folder, pytest.raises(HomeError) as caught:
            daemon.start(Home(folder / "home"))
        assert re.fullmatch(
            rf"cannot write to {folder / 'home'}: (Permission denied|Read-only file system)\. Free "
            r"some space or choose another folder with --home \(or LOCAL_SAGEMAKER_HOME\)\.",
            str(caught.value),
        )

    def test_one_that_cannot_be_written_any_more(self, tmp_path: Path) -> None:
        with read_only(tmp_path, lambda folder: Home(folder / "home").prepare()) as folder:
            home = Home(folder / "home")
            assert daemon.stop(home) is False
            with pytest.raises(HomeError, match="cannot write to"):
                daemon.start(home)

    def test_a_run_folder_of_somebody_else_is_not_used(self, home: Home) -> None:
        """/tmp is everybody's: who was there first must not see what jobs hold."""
        home.prepare()
        run_dir = default_run_dir(home.path)
        run_dir.symlink_to(home.path)
        try:
            with pytest.raises(StartError, match="belongs to somebody else"):
                daemon.start(home)
        finally:
            run_dir.unlink()


def servers_of(home: Home) -> list[int]:
    """Return the processes that serve a home."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if "serve" in command and str(home.path) in command:
            found.append(process.pid)
    return found


@contextlib.contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that has nothing to do with anything."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer_garbage(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(json.dumps("no HTTP").encode() + b"\r\n\r\n")


@contextlib.contextmanager
def read_only(folder: Path, prepare: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """Give a folder that cannot be written any more once it is prepared."""
    path = folder / "read-only"
    path.mkdir()
    if os.geteuid() != 0:
        prepare(path)
        for part in (path, *path.rglob("*")):
            part.chmod(0o555 if part.is_dir() else 0o444)
        yield path
        for part in (path, *path.rglob("*")):
            part.chmod(0o755)
        return
    # Root may write wherever the file system lets anybody.
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("this user is root and cannot mount a file system that is read-only")
    try:
        prepare(path)
        subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)

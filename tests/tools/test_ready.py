"""Getting ready for a room without internet: what is missing is told, the network really off."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from workshop_utils.notebooks import NOTEBOOKS

# TEST-NET-1 (RFC 5737): nobody's address, so that a network that is on would let it time out.
REACH = """
import errno, socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
server.close()
try:
    socket.create_connection(("192.0.2.1", 80), 60)
except OSError as error:
    print("refused" if error.errno == errno.ENETUNREACH else repr(error))
"""


@pytest.mark.parametrize("guard_only", ["", "1"], ids=["best", "guard"])
def test_with_the_network_off_only_this_machine_is_reached(
    repository: Path, guard_only: str
) -> None:
    result = subprocess.run(
        [
            *(sys.executable, str(repository / "tools" / "_offline.py")),
            *("sh", "-c", '"$0" -c "$1"', sys.executable, REACH),
        ],
        env=os.environ | {"OFFLINE_GUARD_ONLY": guard_only},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "refused\n"
    assert result.stderr.startswith("network off: ")
    if guard_only:
        assert "sockets are guarded" in result.stderr


def test_what_is_missing_is_told_with_its_remedy(
    ready: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weights").write_bytes(bytes(2_500_000))

    def absent() -> Path:
        raise ready.Missing("run `make env`.")

    here = ready.Part("a model", lambda: tmp_path)
    assert ready.take_stock(iter([here, ready.Part("another", absent, needed=False)]))
    assert not ready.take_stock(iter([ready.Part("data", absent), here]))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"  a model ... 2.5 MB in {tmp_path}"
    assert said[1] == "  another ... not here, and not needed: run `make env`."
    assert said[2] == "  data ... MISSING: run `make env`."


def test_a_model_of_the_hub_is_its_weights(
    ready: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    revision = "d7645e127eaf1aefc7862fd59a17a5aa8558b8ce"
    model = tmp_path / "models--facebook--bart-large-mnli"
    snapshot = model / "snapshots" / revision
    for folder in (model / "refs", model / "blobs", snapshot):
        folder.mkdir(parents=True)
    (model / "refs" / "main").write_text(revision, encoding="utf-8")

    def download(name: str, blob: str, size: int) -> None:
        (model / "blobs" / blob).write_bytes(bytes(size))
        (snapshot / name).symlink_to(f"../../blobs/{blob}")

    def told() -> str:
        bart = (part for part in ready.parts(fetch=False) if "BART" in part.name)
        assert ready.take_stock(bart)
        return capsys.readouterr().out

    download("config.json", "a1", 500)
    assert f"not here, and not needed: no weights (*.safetensors) in {snapshot}: with" in told()
    download("model.safetensors", "b2", 3_400_000)
    assert told().endswith(f" ... 3.4 MB in {snapshot}\n")


def test_its_labs_are_all_of_them(ready: ModuleType) -> None:
    assert ready.NOTEBOOKS == NOTEBOOKS


@pytest.fixture
def lab(
    ready: ModuleType, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], bool]:
    """Prove a lab that is this code; return whether it ran."""
    shutil.copytree(repository / "tools", tmp_path / "tools")
    monkeypatch.setattr(ready, "ROOT", tmp_path)

    def prove(code: str) -> bool:
        (tmp_path / "tools" / "_prove_lab.py").write_text(code, encoding="utf-8")
        return bool(ready.prove(1, quick=True))

    return prove


def test_a_lab_that_needs_the_network_fails_with_its_own_words(
    lab: Callable[[str], bool], capfd: pytest.CaptureFixture[str]
) -> None:
    assert lab("print('no need')")
    assert "Lab 1 ran in" in capfd.readouterr().out
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 60)"
    assert not lab(code)
    said = capfd.readouterr().out
    assert "Lab 1 FAILED" in said
    assert f"OSError: [Errno {errno.ENETUNREACH}]" in said


@pytest.mark.slow
def test_a_lab_runs_with_the_network_off(repository: Path) -> None:
    command = [sys.executable, str(repository / "tools" / "ready.py"), "--quick", "--lab", "1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "base model all-MiniLM-L6-v2" in result.stdout
    assert "Lab 1 ran in" in result.stdout
    assert result.stdout.endswith("Ready: everything is here, and it runs with the network off.\n")

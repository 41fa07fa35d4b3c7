"""Which systems and which Pythons are taken, and what the others are told."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

GLIBC = ("glibc", "2.36")


def fake_python(folder: Path, name: str, script: str) -> str:
    """Write an executable that stands for an interpreter."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_it_parses_on_old_pythons(repository: Path) -> None:
    source = (repository / "tools" / "bootstrap.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    with pytest.raises(SyntaxError):  # the check itself can fail
        ast.parse("match 1:\n    case 1: pass", feature_version=(3, 6))


@pytest.mark.parametrize(
    ("system", "machine", "macos", "libc"),
    [
        ("linux", "x86_64", "", GLIBC),
        ("linux", "aarch64", "", ("glibc", "2.28")),
        ("darwin", "arm64", "14.0", ("", "")),
        ("darwin", "arm64", "26.1.1", ("", "")),
    ],
)
def test_supported_platforms(
    bootstrap: ModuleType, system: str, machine: str, macos: str, libc: tuple[str, str]
) -> None:
    assert bootstrap.platform_refusal(system, machine, macos, libc) is None


@pytest.mark.parametrize(
    ("system", "machine", "macos", "libc", "words"),
    [
        ("win32", "AMD64", "", ("", ""), ["Windows", "WSL", "SageMaker Studio"]),
        ("cygwin", "x86_64", "", ("", ""), ["Windows", "WSL", "SageMaker Studio"]),
        ("darwin", "x86_64", "15.1", ("", ""), ["Intel", "SageMaker Studio", "arm64"]),
        ("darwin", "arm64", "13.6", ("", ""), ["macOS 13.6", "14"]),
        ("linux", "riscv64", "", GLIBC, ["riscv64", "x86_64", "aarch64"]),
        ("linux", "x86_64", "", ("", ""), ["glibc", "Debian"]),
        ("linux", "x86_64", "", ("glibc", "2.26"), ["2.26", "2.28"]),
        ("freebsd14", "amd64", "", ("", ""), ["freebsd14", "Linux"]),
    ],
)
def test_an_unsupported_platform_is_told_in_one_line(
    bootstrap: ModuleType,
    system: str,
    machine: str,
    macos: str,
    libc: tuple[str, str],
    words: list[str],
) -> None:
    refusal = bootstrap.platform_refusal(system, machine, macos, libc)
    assert all(word in refusal for word in words), refusal
    assert "\n" not in refusal


def test_a_fitting_interpreter_is_taken(bootstrap: ModuleType) -> None:
    assert bootstrap.python_refusal(sys.executable) is None
    assert bootstrap.choose_python() == (sys.executable, "")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 3 8 1", ["Python 3.8", "3.11, 3.12 or 3.13", "make PYTHON="]),
        ("echo 3 12 0", ["venv", "apt install python3.12-venv"]),
        ("echo 'pyenv: python3.12: command not found' >&2; exit 127", ["does not run"]),
        ("echo nonsense", ["does not run"]),
    ],
)
def test_a_python_that_will_not_do_is_told_why(
    bootstrap: ModuleType, tmp_path: Path, script: str, words: list[str]
) -> None:
    python = fake_python(tmp_path, "python3.12", script)
    refusal = bootstrap.python_refusal(python)
    assert all(word in refusal for word in [python, *words]), refusal
    assert "\n" not in refusal


def test_a_better_python_is_found_on_path(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fake_python(tmp_path / "old", "python3", "echo 3 9 1")
    fake_python(tmp_path / "bin", "python3.12", "exit 127")  # a shim of a version not installed
    fake_python(tmp_path / "bin", "python3.11", "echo 3 11 0")  # one without ensurepip
    good = fake_python(tmp_path / "bin", "python3.13", "echo 3 13 1")
    monkeypatch.setattr(bootstrap.sys, "executable", old)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert bootstrap.choose_python() == (good, "")
    Path(good).unlink()
    python, refusal = bootstrap.choose_python()
    assert python is None
    assert "python3.11-venv" in refusal, "the one nearest to working is the one to tell of"


def test_one_that_nobody_has_tested_is_taken_last(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = fake_python(tmp_path / "newer", "python3", "echo 3 14 1")
    fake_python(tmp_path / "bin", "python3.12", "echo 3 12 0")  # one without ensurepip
    fake_python(tmp_path / "bin", "python3.14", "echo 3 14 1")
    tested = fake_python(tmp_path / "bin", "python3", "echo 3 13 1")
    monkeypatch.setattr(bootstrap.sys, "executable", newer)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert bootstrap.choose_python() == (tested, "")
    Path(tested).unlink()
    assert bootstrap.choose_python() == (newer, "")


def test_without_a_fitting_python_it_ends_with_one_line(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = "import bootstrap; bootstrap.OLDEST_PYTHON = (9, 9); bootstrap.main()"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(repository / "tools")},
    )
    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.startswith("set-up: ")
    assert answer.stderr.count("\n") == 1

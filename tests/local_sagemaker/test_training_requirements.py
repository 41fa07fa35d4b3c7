"""What the check of a job's requirements.txt accepts, warns about and refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

from local_sagemaker.containers import requirements_check


def run(folder: Path, text: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run the check as a job does: alone, from a copy, with nothing of this package."""
    copy = folder / "install_requirements.py"
    copy.write_bytes(Path(requirements_check.__file__).read_bytes())
    (folder / "requirements.txt").write_text(text)
    for name, content in files.items():
        (folder / f"{name}.txt").write_text(content)
    (folder / "output").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, copy.name, "requirements.txt"],
        cwd=folder,
        env={"SM_OUTPUT_DIR": str(folder / "output")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "line",
    [
        "boto3",
        "BOTO3>=1",
        "boto3 >= 1, != 1.0  # why",
        "boto3>=1 \\\n  --hash=sha256:0123456789abcdef",
        "# only a comment",
        "",
        "--extra-index-url https://example.com/simple",
        "-c constraints.txt",
        "no-such-package; python_version < '3'",
        "boto3 @ https://example.com/boto3-1.0-py3-none-any.whl",
        "git+https://example.com/boto3.git#egg=boto3",
        "\ufeffboto3",
    ],
)
def test_what_is_installed_passes_without_a_word(tmp_path: Path, line: str) -> None:
    result = run(tmp_path, line + "\n")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WARNING" not in result.stdout
    assert not (tmp_path / "output" / "failure").exists()


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("no-such-package", "no-such-package"),
        ("no-such-package[extra]==1.0", "'no-such-package[extra]==1.0'"),
        ("no-such-package>=1,<2  # why", "'no-such-package<2,>=1'"),
        ("no-such-package; python_version > '3'", "no-such-package"),
        (
            "no-such-package @ https://example.com/x.whl",
            "'no-such-package @ https://example.com/x.whl'",
        ),
        ("-r more.txt", "no-such-package"),
        ("git+https://example.com/x.git#egg=no-such-package", "no-such-package"),
    ],
)
def test_what_is_missing_fails_by_name(tmp_path: Path, line: str, asked: str) -> None:
    result = run(tmp_path, f"boto3\n{line}\n", more="-r requirements.txt\nno-such-package\n")
    assert result.returncode == 1
    sentence = (
        "no-such-package is not installed in the environment of the local SageMaker "
        f"({sys.executable}): pip install {asked}"
    )
    assert result.stdout.splitlines() == [sentence]
    assert (tmp_path / "output" / "failure").read_text() == sentence


def test_another_version_is_a_warning_that_names_both(tmp_path: Path) -> None:
    result = run(tmp_path, "boto3<1\n./some/folder\n")
    assert result.returncode == 0
    first, second, _ = result.stdout.splitlines()
    assert first.startswith("WARNING: requirements.txt asks for boto3<1; 1.")
    assert first.endswith("is installed and is used")
    assert second == "WARNING: requirements.txt: './some/folder' is not checked"


def test_the_packages_of_an_extra_are_checked_too(tmp_path: Path) -> None:
    # requests names PySocks for its extra `socks`, and nothing of this project does.
    result = run(tmp_path, "requests[socks]\n")
    assert result.returncode == 1
    assert result.stdout.startswith("PySocks is not installed")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    result = run(tmp_path, "-r missing.txt\n")
    assert result.returncode == 1
    assert result.stdout == "cannot read requirements.txt: No such file or directory\n"

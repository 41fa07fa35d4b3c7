"""How the set-up makes an environment, sees that it is in order, and repairs what is not.

The environments here are real ones, made by pip, of a project so small that it needs no network:
two packages of a few bytes, and itself. `torch` is one of the two in name only.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.tools.checkout_support import PYPROJECT, Checkout, write_wheel


@pytest.mark.slow
def test_it_is_made_once_and_updated_when_the_requirements_change(checkout: Checkout) -> None:
    said = checkout.set_up()
    assert "Installing torch==9.0" in said
    assert "is ready after" in said
    assert checkout.installed() == "1.0"

    stamp = (checkout.venv / "workshop-setup.json").read_bytes()
    assert checkout.set_up() == "", "the second time there is nothing to do and nothing to say"
    assert (checkout.venv / "workshop-setup.json").read_bytes() == stamp

    checkout.constrain("2.0")
    kept = checkout.venv / "kept"
    kept.touch()
    assert "what it must hold has changed; bringing it up to date" in checkout.set_up()
    assert checkout.installed() == "2.0"
    assert kept.exists(), "an update does not start from nothing"


@pytest.mark.slow
def test_a_killed_setup_is_waited_for_and_repaired(checkout: Checkout, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = checkout.start(TINY_GATE=str(gate))
    while not (tmp_path / "gate.reached").exists():
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.02)
    first.kill()
    first.wait()
    second = checkout.start()
    assert second.stdout
    # pip of the first one still runs: two of them in one environment would spoil it.
    assert second.stdout.readline() == "Another set-up is at work on .venv; waiting for it.\n"
    gate.touch()
    said, _ = second.communicate()
    assert second.returncode == 0, said
    assert "its set-up was interrupted; making it anew" in said
    assert checkout.installed() == "1.0"
    assert first.stdout
    first.stdout.close()


@pytest.mark.slow
def test_a_moved_checkout_is_repaired(checkout: Checkout) -> None:
    checkout.set_up()
    checkout.folder = checkout.folder.rename(checkout.folder.with_name("moved away"))
    assert "making it anew" in checkout.set_up()
    assert checkout.installed() == "1.0"
    scripts = (checkout.venv / "bin" / "pip").read_text(encoding="utf-8")
    assert "moved away" in scripts


@pytest.mark.slow
def test_an_environment_made_by_hand_is_used(checkout: Checkout) -> None:
    subprocess.run([sys.executable, "-m", "venv", checkout.venv], check=True)
    kept = checkout.venv / "kept"
    kept.touch()
    assert "it was not made by this set-up; bringing it up to date" in checkout.set_up()
    assert checkout.installed() == "1.0"
    assert kept.exists()


@pytest.mark.slow
def test_a_failing_install_shows_the_end_of_pips_output(checkout: Checkout) -> None:
    checkout.constrain("3.0")
    process = checkout.start()
    said, _ = process.communicate()
    assert process.returncode == 1
    assert "'Installing the other packages" in said
    assert "The user requested (constraint) helper==3.0" in said
    assert "workshop-setup.log" in said
    checkout.constrain("1.0")
    checkout.set_up()
    assert checkout.installed() == "1.0"


@pytest.mark.slow
def test_torch_comes_from_the_index_that_is_named(checkout: Checkout, tmp_path: Path) -> None:
    index = tmp_path / "an index" / "torch"
    index.mkdir(parents=True)
    (checkout.wheels / "torch-9.0-py3-none-any.whl").unlink()
    write_wheel(index, "torch", "9.0+cpu")
    name = "torch-9.0+cpu-py3-none-any.whl"
    (index / "index.html").write_text(f'<a href="{name}">{name}</a>', encoding="utf-8")
    checkout.set_up(TORCH_INDEX=index.parent.as_uri(), PIP_NO_INDEX="0", PIP_USER="1")
    assert checkout.installed() == "1.0"
    assert (next(checkout.venv.glob("lib/*/site-packages")) / "torch-9.0+cpu.dist-info").is_dir()


# What is wrong with an environment, told without mending it: these need no pip and are quick.


@pytest.fixture
def ready(
    environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], tuple[str, str]]:
    """A bare environment with the stamp of a complete set-up; call it for the verdict on it."""
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    for name, text in [
        ("pyproject.toml", PYPROJECT),
        ("requirements.txt", ""),
        ("constraints.txt", ""),
    ]:
        (tmp_path / name).write_text(text, encoding="utf-8")
    venv = tmp_path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    subject = environment.Environment(venv, tmp_path / "constraints.txt", "dev")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (venv / "lib" / f"python{version}" / "site-packages" / "torch").mkdir()
    subject.write_stamp(
        state="complete",
        folder=str(venv),
        python=version,
        fingerprint=subject.fingerprint(),
        entries=subject.entries(version),
    )

    def verdict() -> tuple[str, str]:
        answer = environment.examine(subject)
        return answer.action.value, answer.reason

    assert verdict() == ("nothing", "")
    return verdict


def test_linter_settings_do_not_ask_for_an_update(
    ready: Callable[[], tuple[str, str]], tmp_path: Path
) -> None:
    with (tmp_path / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("[tool.ruff]\nline-length = 100\n")
    assert ready() == ("nothing", "")


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_changed_requirements_ask_for_an_update(
    ready: Callable[[], tuple[str, str]], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("helper==2\n", encoding="utf-8")
    assert ready() == ("update", "what it must hold has changed")


def change_stamp(venv: Path, **changes: str) -> None:
    """Overwrite members of a stamp."""
    path = venv / "workshop-setup.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda venv: shutil.rmtree(venv), ""),
        (lambda venv: [shutil.rmtree(venv), venv.mkdir()], ""),
        (lambda venv: shutil.rmtree(venv / "bin"), "its Python is missing, moved or broken"),
        (
            lambda venv: [(venv / "bin" / "python").unlink(), (venv / "bin" / "python").touch()],
            "its Python is missing, moved or broken",
        ),
        (
            lambda venv: [
                (venv / "bin" / "python").unlink(),
                (venv / "bin" / "python").symlink_to("/nowhere/python3"),
            ],
            "its Python is missing, moved or broken",
        ),
        (lambda venv: (venv / "pyvenv.cfg").unlink(), "its Python is missing, moved or broken"),
        (
            lambda venv: [shutil.rmtree(path) for path in venv.glob("lib/*/*/torch")],
            "packages are missing from it: torch",
        ),
        (lambda venv: (venv / "workshop-setup.json").write_text("{"), "its set-up was interrupted"),
        (lambda venv: change_stamp(venv, state="installing"), "its set-up was interrupted"),
        (
            lambda venv: change_stamp(venv, folder="/elsewhere/.venv"),
            "it was made as /elsewhere/.venv",
        ),
        (lambda venv: change_stamp(venv, python="3.10"), "its Python was 3.10 and is now"),
        (lambda venv: (venv / "workshop-setup.json").unlink(), "it has no working pip"),
    ],
)
def test_a_damaged_environment_is_made_anew(
    ready: Callable[[], tuple[str, str]],
    tmp_path: Path,
    damage: Callable[[Path], object],
    reason: str,
) -> None:
    damage(tmp_path / ".venv")
    action, told = ready()
    assert action == "rebuild"
    assert told.startswith(reason)
    assert bool(told) == bool(reason)


def test_a_folder_with_other_things_in_it_is_never_emptied(
    environment: ModuleType, tmp_path: Path
) -> None:
    thesis = tmp_path / "documents" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work", encoding="utf-8")
    subject = environment.Environment(thesis.parent, tmp_path / "constraints.txt", "dev")
    with pytest.raises(environment.SetupError, match="holds something else"):
        environment.rebuild(subject, runner=None)
    assert thesis.read_text(encoding="utf-8") == "years of work"

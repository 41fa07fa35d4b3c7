"""The folder of wheels: written by pip, resumed, checked, and installed from without any index.

The project is the tiny one of checkout_support, whose "index" is a folder that is taken away.
"""

import json
import re
import shutil
import signal
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.tools.checkout_support import Checkout, write_wheel


def fill(checkout: Checkout, **variables: str) -> tuple[int, str]:
    """Run `make wheelhouse`'s program; return its exit status and what it prints."""
    process = checkout.start("wheelhouse.py", **variables)
    said, _ = process.communicate()
    # Signs of life, on a machine that is busy.
    return process.returncode, re.sub(r"^ +\d+ s: .*\n", "", said, flags=re.MULTILINE)


@pytest.mark.slow
def test_an_environment_is_made_from_the_folder_alone(checkout: Checkout) -> None:
    folder = checkout.folder / "wheelhouse"
    assert fill(checkout) == (0, fill_lines(folder, checkout, first=True))
    names = ["helper-1.0-py3-none-any.whl", "torch-9.0-py3-none-any.whl"]
    assert sorted(wheel.name for wheel in folder.glob("*.whl")) == names
    assert not (folder / "wheelhouse.log").exists()
    assert len((folder / "README.txt").read_text(encoding="utf-8").splitlines()) == 4

    again = fill_lines(folder, checkout, first=False)
    shutil.rmtree(checkout.wheels)
    assert fill(checkout) == (0, again)

    elsewhere = folder.rename(checkout.folder.parent / "a stick")
    # No index, and pip's own settings lead nowhere.
    said = checkout.set_up(WHEELHOUSE=str(elsewhere), PIP_FIND_LINKS="", PIP_NO_INDEX="0")
    assert f"Checking the wheels in {elsewhere}" in said
    assert checkout.installed() == "1.0"


def fill_lines(folder: Path, checkout: Checkout, *, first: bool) -> str:
    size = sum(wheel.stat().st_size for wheel in checkout.wheels.glob("*-[19].0-*.whl"))
    steps = [
        "Fetching torch==9.0 ...",
        "Asking the index which wheels that comes to ...",
        "[1-1/1] helper ...",
    ]
    done = f"{folder} is complete: 2 wheels, {size / 1e6:,.0f} MB."
    return "\n".join([*(steps if first else []), done, ""])


@pytest.mark.slow
def test_a_killed_run_goes_on_and_other_versions_take_the_old_ones_place(
    checkout: Checkout, tmp_path: Path
) -> None:
    folder = checkout.folder / "wheelhouse"
    gate = tmp_path / "gate"
    first = checkout.start("wheelhouse.py", TINY_GATE=str(gate))
    while not (tmp_path / "gate.reached").exists():
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    said, _ = first.communicate()
    gate.touch()
    assert first.returncode == 130, said
    assert "the same command goes on" in said

    code, said = fill(checkout)
    assert code == 0, said
    assert "torch" not in said, "it is there already"

    checkout.constrain("2.0")
    code, said = fill(checkout)
    assert code == 0, said
    assert (folder / "helper-2.0-py3-none-any.whl").exists()
    assert not (folder / "helper-1.0-py3-none-any.whl").exists()

    # Half a wheel is fetched anew.
    wheel = folder / "helper-2.0-py3-none-any.whl"
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[: len(whole) // 2])
    code, said = fill(checkout)
    assert code == 0, said
    assert wheel.read_bytes() == whole


@pytest.mark.slow
def test_torch_of_another_index_or_python_is_fetched_anew(checkout: Checkout) -> None:
    folder = checkout.folder / "wheelhouse"
    fetching = "Fetching torch==9.0 ..."

    def torch() -> list[str]:
        return [wheel.name for wheel in folder.glob("torch-*.whl")]

    code, said = fill(checkout)
    assert code == 0, said
    next(checkout.wheels.glob("torch-*.whl")).unlink()
    write_wheel(checkout.wheels, "torch", "9.0+cpu")
    code, said = fill(checkout, TORCH_INDEX="https://me:secret@wheels.example/cpu")
    assert code == 0, said
    assert fetching in said
    assert torch() == ["torch-9.0+cpu-py3-none-any.whl"]
    assert "secret" not in (folder / "torch.json").read_text(encoding="utf-8")

    # The same again, and whatever there is, are complete.
    for index in ("https://me:secret@wheels.example/cpu", ""):
        code, said = fill(checkout, TORCH_INDEX=index)
        assert (code, fetching in said) == (0, False), said

    # As a run on another Python that was interrupted left it.
    (folder / "wheelhouse.json").unlink()
    of = json.loads((folder / "torch.json").read_text(encoding="utf-8"))
    (folder / "torch.json").write_text(json.dumps(of | {"python": "3.9"}), encoding="utf-8")
    (folder / "torch-9.0+cpu-py3-none-any.whl").rename(folder / "torch-9.0-cp39-cp39-linux.whl")
    code, said = fill(checkout)
    assert code == 0, said
    assert fetching in said
    assert torch() == ["torch-9.0+cpu-py3-none-any.whl"]


@pytest.mark.slow
def test_a_wheel_that_cannot_be_had_is_told(checkout: Checkout) -> None:
    checkout.constrain("3.0")
    code, said = fill(checkout)
    assert code == 1
    assert "The user requested (constraint) helper==3.0" in said
    assert not (checkout.folder / "wheelhouse" / "wheelhouse.json").exists()


def test_a_folder_that_holds_something_else_is_left_as_it_is(checkout: Checkout) -> None:
    folder = checkout.folder / "wheelhouse"
    folder.mkdir()
    write_wheel(folder, "precious", "1.0")
    (folder / "README.txt").write_text("mine", encoding="utf-8")
    code, said = fill(checkout)
    assert code == 1
    assert f"{folder} holds something else (README.txt, precious-1.0-py3-none-any.whl): " in said
    assert "make wheelhouse TO=FOLDER" in said
    assert len(list(folder.iterdir())) == 2
    assert (folder / "README.txt").read_text(encoding="utf-8") == "mine"


# What is wrong with a folder, told before anything is installed from it: these need no pip.


@pytest.fixture
def sealed(environment: ModuleType, tmp_path: Path) -> tuple[Path, Path]:
    """A complete folder with one wheel, and the constraints it was made for."""
    folder, constraints = tmp_path / "wheels", tmp_path / "constraints.txt"
    folder.mkdir()
    constraints.write_text("torch==9.0\n", encoding="utf-8")
    write_wheel(folder, "torch", "9.0")
    purpose = environment.purpose_here(constraints, "dev")
    environment.WheelFolder(folder).seal(purpose)
    return folder, constraints


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder, _: (folder / "wheelhouse.json").unlink(), "no complete wheelhouse"),
        (lambda folder, _: (folder / "SHA256SUMS").unlink(), "no complete wheelhouse"),
        (lambda folder, _: next(folder.glob("*.whl")).unlink(), "1 files of .* missing or damaged"),
        (lambda folder, _: next(folder.glob("*.whl")).write_bytes(b"PK"), "torch-9.0-py3-none-any"),
        (lambda _, constraints: constraints.write_text("torch==9.1\n"), "from other versions"),
        (
            lambda folder, _: (folder / "wheelhouse.json").write_text('{"python": "3.9"}'),
            "made for python 3.9, .* make PYTHON=",
        ),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_before_the_environment_is_touched(
    environment: ModuleType,
    sealed: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    change: object,
    words: str,
) -> None:
    folder, constraints = sealed
    subject = environment.Environment(folder.parent / ".venv", constraints, "dev")
    monkeypatch.setenv("WHEELHOUSE", str(folder))
    assert environment.wheel_folder(subject) == folder
    assert callable(change)
    change(folder, constraints)
    with pytest.raises(environment.SetupError, match=words):
        environment.ensure(subject)
    assert not (subject.folder / "pyvenv.cfg").exists()


def test_a_full_disk_is_named_in_front_of_pips_words(wheelhouse: ModuleType) -> None:
    said = "'Fetching torch' failed …\nOSError: [Errno 28] No space left on device"
    told = wheelhouse.explained(said, Path("wheels"))
    assert told.startswith("the disk is full: wheels")
    assert told.endswith(said)
    assert wheelhouse.explained("no route", Path("wheels")) == "no route"

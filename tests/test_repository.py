"""What the repository promises about its own files: size, notebooks, requirements and commands."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LARGEST_FILE = 1_000_000  # bytes
PLATFORMS = ("linux", "darwin")
# Sign-posts of one person's machine. Studio's own home is the same for everybody.
PERSONAL_PATH = re.compile(
    rb"(?<![\w.])/(?:home/(?!sagemaker-user\b)|Users/|root/)\w|[A-Z]:\\Users\\"
)


@pytest.fixture(scope="session")
def tracked(repository: Path) -> list[Path]:
    """The files that git knows and that are there."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=repository, capture_output=True, text=True, check=False
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout (a downloaded archive?), so there is no list of its files")
    files = [repository / name for name in listing.stdout.split("\0") if name]
    return [path for path in files if path.is_file()]


@pytest.fixture(scope="session")
def notebooks(tracked: list[Path]) -> list[Path]:
    """The notebooks that git knows."""
    return [path for path in tracked if path.suffix == ".ipynb"]


def test_no_file_is_larger_than_a_megabyte(tracked: list[Path]) -> None:
    assert [path for path in tracked if path.stat().st_size > LARGEST_FILE] == []


def test_no_file_names_a_path_of_somebodys_machine(repository: Path, tracked: list[Path]) -> None:
    here = str(repository).encode()
    for path in tracked:
        content = path.read_bytes()
        assert here not in content, f"{path} names this checkout's own folder"
        if path != Path(__file__).resolve():
            found = PERSONAL_PATH.search(content)
            assert found is None, f"{path} names {found and content[found.start() :][:60]!r}"


@pytest.mark.parametrize(
    "text", [b"/home/ann/x", b'"/Users/bob/x"', b"cd /root/x", b"C:\\Users\\Bob"]
)
def test_a_personal_path_is_recognised(text: bytes) -> None:
    assert PERSONAL_PATH.search(text)


@pytest.mark.parametrize(
    "text", [b"/home/sagemaker-user/x", b"https://example.com/Users/1", b"/opt/ml/model", b"~/x"]
)
def test_other_paths_are_not_taken_for_personal_ones(text: bytes) -> None:
    assert not PERSONAL_PATH.search(text)


def test_notebooks_are_committed_without_outputs(notebooks: list[Path]) -> None:
    for path in notebooks:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            where = f"{path.name}, cell {cell.get('id')}"
            if cell["cell_type"] == "code":
                assert cell["outputs"] == [], (
                    f"{where} has outputs: nbconvert --clear-output --inplace removes them"
                )
                assert cell["execution_count"] is None, f"{where} has an execution count"


def test_notebook_cells_have_ids_that_stay(notebooks: list[Path]) -> None:
    # Without an id of its own, a cell gets a new one at every save, and so a new line in git.
    for path in notebooks:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        assert (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5), path.name
        ids = [cell.get("id") for cell in notebook["cells"]]
        assert all(ids), f"{path.name} has a cell without an id"
        assert len(set(ids)) == len(ids), f"{path.name} uses a cell id twice"


def requirements_of(text: str) -> list[Requirement]:
    """Parse a requirements or constraints file's lines."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line]


def pins_of(path: Path, python: str, platform: str) -> dict[str, Version]:
    """Return what a constraints file pins on a Python and a platform, by canonical name."""
    environment = dict(default_environment()) | {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": platform,
    }
    pins: dict[str, Version] = {}
    for requirement in requirements_of(path.read_text(encoding="utf-8")):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            (specifier,) = requirement.specifier
            assert specifier.operator == "==", f"{path.name}: {requirement} is no exact pin"
            assert name not in pins, f"{path.name} pins {name} twice for Python {python}"
            pins[name] = Version(specifier.version)
    return pins


def all_requirements(repository: Path, extra: str) -> list[Requirement]:
    """Return what requirements.txt and an extra of pyproject.toml (with what it includes) name."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = requirements_of((repository / "requirements.txt").read_text(encoding="utf-8"))
    extras = [extra]
    for name in extras:  # grows while it is walked
        for requirement in map(Requirement, project["optional-dependencies"][name]):
            if requirement.name == project["name"]:
                extras += requirement.extras
            else:
                wanted.append(requirement)
    return wanted


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("constraints", "extra", "python"),
    [
        *(("constraints.txt", "dev", python) for python in ("3.11", "3.12", "3.13")),
        *(("constraints-studio.txt", "test", python) for python in ("3.11", "3.12")),
    ],
)
def test_every_requirement_has_a_fitting_pin(
    repository: Path, constraints: str, extra: str, python: str, platform: str
) -> None:
    pins = pins_of(repository / constraints, python, platform)
    for requirement in all_requirements(repository, extra):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{constraints} does not pin {requirement}"
        assert pins[name] in requirement.specifier, f"{constraints}: {pins[name]} != {requirement}"


def test_no_pin_has_a_local_version(repository: Path) -> None:
    # 2.13.0+cpu would be nowhere to be found on PyPI.
    for constraints in ("constraints.txt", "constraints-studio.txt"):
        for name, version in pins_of(repository / constraints, "3.11", "linux").items():
            assert version.local is None, f"{constraints}: {name}=={version}"


def test_studio_pins_the_five_sagemaker_packages_of_one_release(repository: Path) -> None:
    pins = pins_of(repository / "constraints-studio.txt", "3.12", "linux")
    names = ["sagemaker", *(f"sagemaker-{part}" for part in ("core", "train", "serve", "mlops"))]
    assert {pins[name].minor for name in names} == {pins["sagemaker"].minor}


def test_requirements_have_both_ends(repository: Path) -> None:
    for requirement in requirements_of((repository / "requirements.txt").read_text("utf-8")):
        operators = {specifier.operator for specifier in requirement.specifier}
        assert operators == {">=", "<"}, f"{requirement} needs a tested lower end and an upper end"


def third_party_imports(path: Path) -> set[str]:
    """Return the top-level names of what a file cannot do without, standard library left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    optional = {
        id(node)
        for attempt in ast.walk(tree)
        if isinstance(attempt, ast.Try)
        and "ImportError" in "".join(map(ast.unparse, attempt.handlers))
        for statement in attempt.body
        for node in ast.walk(statement)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in optional:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names


def test_everything_imported_is_a_requirement(repository: Path, tracked: list[Path]) -> None:
    folders = [repository / name for name in ("local_sagemaker", "workshop_utils", "scripts")]
    files = [p for p in tracked if p.suffix == ".py" and any(f in p.parents for f in folders)]
    # A script imports its neighbours by their bare names, as it does in its container.
    own = {f.name for f in folders} | {p.stem for p in files if folders[2] in p.parents}
    needed = defaultdict(list)
    for path in files:
        if path.name == "pytest_plugin.py":
            continue  # Only pytest imports it.
        for name in third_party_imports(path) - own:
            needed[name].append(path.relative_to(repository).as_posix())
    text = (repository / "requirements.txt").read_text(encoding="utf-8")
    required = {canonicalize_name(requirement.name) for requirement in requirements_of(text)}
    owners = packages_distributions()
    for name, where in needed.items():
        distributions = {canonicalize_name(owner) for owner in [name, *owners.get(name, [])]}
        assert distributions & required, f"{name} ({where[0]}) is not in requirements.txt"


def test_scripts_ask_only_for_what_a_local_job_finds(repository: Path) -> None:
    # A job on this machine checks its requirements.txt and fails on a name that is not installed.
    pins = pins_of(repository / "constraints.txt", "3.11", "linux")
    for path in repository.glob("scripts/*/requirements*.txt"):
        for requirement in requirements_of(path.read_text(encoding="utf-8")):
            assert canonicalize_name(requirement.name) in pins, f"{path}: {requirement}"


def phony_targets(repository: Path) -> set[str]:
    """Return the names after .PHONY in the Makefile."""
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    return set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split())


def test_make_help_tells_every_target_and_setting(repository: Path) -> None:
    said = subprocess.run(
        ["make"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^  make ([\w-]+) +\S", said, re.MULTILINE)) == phony_targets(repository)
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    for name in {"TORCH_INDEX", *re.findall(r"^([A-Z_]+) \?=", makefile, re.MULTILINE)}:
        assert name == "OMP_WAIT_POLICY" or re.search(rf"^  {name} +\S", said, re.MULTILINE), name


def test_documented_make_commands_exist(repository: Path, tracked: list[Path]) -> None:
    targets = phony_targets(repository)
    for path in tracked:
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8")
            # In code only: "make sure" in a sentence is no command.
            code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
            for command in re.findall(r"\bmake (?:[A-Z_]+=\S+ )*([a-z][\w-]*)", "\n".join(code)):
                assert command in targets, f"{path.name} tells of `make {command}`"

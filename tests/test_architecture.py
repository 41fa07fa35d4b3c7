"""Who may import whom (see CONTRIBUTING.md), read from the syntax trees, so that nothing is run."""

import ast
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

SKIPPED = {"__pycache__", "build"}


@dataclass(frozen=True)
class Rule:
    """Files under `where`, but for `exempt`, import nothing whose name begins with `banned`."""

    where: str
    banned: str
    exempt: tuple[str, ...] = ()


RULES = (
    # In a container only the scripts' own requirements.txt is installed.
    Rule("scripts", "local_sagemaker"),
    Rule("scripts", "workshop_utils"),
    # One place decides where a lab runs.
    Rule("workshop_utils", "local_sagemaker", exempt=("workshop_utils/session.py",)),
    Rule("workshop_utils", "scripts"),
    # The local SageMaker is of use without this workshop.
    Rule("local_sagemaker", "workshop_utils"),
    Rule("local_sagemaker", "scripts"),
    Rule("*.ipynb", "local_sagemaker", exempt=("docs/examples/sdk_v3.ipynb",)),
    Rule("*.ipynb", "scripts"),
    # They run before anything is installed, but for those that write pages of the documentation
    # and the one that runs the labs on AWS.
    Rule("tools", "local_sagemaker", exempt=("tools/api_table.py", "tools/portal_pictures.py")),
    Rule(
        "tools",
        "workshop_utils",
        exempt=(
            "tools/readme_pictures.py",
            "tools/readme_tables.py",
            "tools/slides.py",
            "tools/verify_aws.py",
        ),
    ),
)
SERVING = "local_sagemaker/serving"
# Of the extra `dev` only: `make studio` collects every test without them.
NOT_IN_STUDIO = {"axe_playwright_python", "cfnlint", "jupyter_server_proxy", "playwright"}


def source_files(root: Path) -> Iterator[Path]:
    """Yield the Python files and notebooks below a folder; hidden folders are not even entered."""
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name[0] != "." and name not in SKIPPED)
        for name in sorted(names):
            if name.endswith((".py", ".ipynb")):
                yield Path(folder, name)


def syntax_trees(path: Path) -> Iterator[ast.Module]:
    """Yield a file's syntax tree, or one for each code cell of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield ast.parse(text, filename=str(path))
        return
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            yield ast.parse(TransformerManager().transform_cell(source), filename=str(path))


def imported_modules(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the absolute name of each module that is imported, also by a literal name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if function in ("import_module", "__import__", "find_spec", "run_module"):
                yield str(node.args[0].value)


def is_within(name: str, package: str) -> bool:
    """Tell whether a dotted name is a package or something in it."""
    return name == package or name.startswith(f"{package}.")


def violations(root: Path) -> list[str]:
    """Return "file imports module" for each import that a rule forbids."""
    found = []
    for path in source_files(root):
        relative = path.relative_to(root)
        names = {
            name
            for tree in syntax_trees(path)
            for name in imported_modules(tree, relative.parts[:-1])
        }
        for rule in RULES:
            applies = relative.match(rule.where) or relative.parts[0] == rule.where
            if applies and relative.as_posix() not in rule.exempt:
                found += [f"{relative} imports {n}" for n in names if is_within(n, rule.banned)]
        if relative.as_posix().startswith(f"{SERVING}/"):
            # An endpoint's process must not depend on the server that started it.
            found += [
                f"{relative} imports {n}"
                for n in names
                if is_within(n, "local_sagemaker") and not is_within(n, "local_sagemaker.serving")
            ]
    return sorted(found)


def test_the_repository_keeps_the_rules(repository: Path) -> None:
    assert violations(repository) == []


def test_tests_are_collected_without_the_developers_packages(repository: Path) -> None:
    found = [
        f"{path.relative_to(repository)} imports {name}"
        for path in source_files(repository / "tests")
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for name in imported_modules(ast.Module([statement], []), ())
        if name.partition(".")[0] in NOT_IN_STUDIO
    ]
    assert found == []


def test_every_place_that_a_rule_names_exists(repository: Path) -> None:
    for rule in RULES:
        assert list(repository.glob(rule.where)), f"nothing is left to check under {rule.where}"
        for name in rule.exempt:
            assert (repository / name).is_file(), f"{name} is exempt but does not exist"
    assert (repository / SERVING).is_dir()


def notebook(*cells: str) -> str:
    """Return a notebook's JSON with the given code cells."""
    return json.dumps({"cells": [{"cell_type": "code", "source": [cell]} for cell in cells]})


@pytest.mark.parametrize(
    ("file", "text", "module"),
    [
        ("scripts/few_shot/train.py", "import workshop_utils.session", "workshop_utils.session"),
        ("scripts/few_shot/train.py", "from local_sagemaker import store", "local_sagemaker.store"),
        ("workshop_utils/datasets.py", "import local_sagemaker", "local_sagemaker"),
        ("workshop_utils/session/inner.py", "import local_sagemaker", "local_sagemaker"),
        (
            "workshop_utils/a.py",
            "def f():\n    from scripts.few_shot import x",
            "scripts.few_shot.x",
        ),
        ("local_sagemaker/app.py", "import workshop_utils as w", "workshop_utils"),
        (
            "local_sagemaker/app.py",
            "import importlib as i\ni.import_module('scripts.a')",
            "scripts.a",
        ),
        ("local_sagemaker/app.py", "__import__('workshop_utils')", "workshop_utils"),
        ("local_sagemaker/serving/http.py", "from .. import store", "local_sagemaker.store"),
        (
            "local_sagemaker/serving/http.py",
            "from ..store import Store",
            "local_sagemaker.store.Store",
        ),
        ("tools/environment.py", "import local_sagemaker", "local_sagemaker"),
        ("lab9.ipynb", notebook("1 + 1", "%pip list\nimport local_sagemaker"), "local_sagemaker"),
    ],
)
def test_a_violation_is_found(tmp_path: Path, file: str, text: str, module: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert violations(tmp_path) == [f"{file} imports {module}"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("scripts/few_shot/train.py", "import setfit\nfrom classifier import load"),
        ("workshop_utils/session.py", "from local_sagemaker import LocalSageMaker"),
        ("workshop_utils/datasets.py", "from . import session\nfrom workshop_utils import display"),
        ("local_sagemaker/app.py", "from . import store\nfrom local_sagemaker.store import Store"),
        (
            "local_sagemaker/serving/http.py",
            "from . import codecs\nimport local_sagemaker.serving.codecs",
        ),
        ("local_sagemaker/local_sagemaker_like.py", "import scripts_of_mine, workshop_utilities"),
        (
            "lab9.ipynb",
            notebook("!ls\n%time import workshop_utils", "%%bash\nimport local_sagemaker"),
        ),
        ("tests/test_app.py", "import local_sagemaker, workshop_utils"),
        (".venv/lib/other.py", "import local_sagemaker"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert violations(tmp_path) == []

"""Links between pages lead somewhere, and no block of commands is left out of the tests."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests import doc_support
from tests.doc_support import ROOT, Block, anchors, links, markdown, named

# A block that no test runs, by its page and its first line, and why. Blocks of `python` and `sh`
# are run (test_docs.py), those of `text` are what a command prints.
_NOT_RUN = {
    (
        "README.md",
        "git clone <this repository> && cd <its folder>",
    ): ".ci/run does it, as a newcomer",
    ("README.md", "make TORCH_INDEX=https://download.pytorch.org/whl/cpu run"): "needs that index",
    (
        "README.md",
        "python -m workshop_utils accounts check accounts.csv",
    ): "docs/instructors.md runs it against six accounts",
    ("CONTRIBUTING.md", "make check"): "these tests are run by it",
    ("CONTRIBUTING.md", "pip install uv"): "resolves versions anew, with the package index",
    (
        "docs/local-sagemaker.md",
        "def test_it_registers_the_model(local_sagemaker_account):",
    ): "docs/examples/test_promotion.py is the whole of it, and is run",
    (
        "docs/local-sagemaker.md",
        "python -m local_sagemaker review",
    ): "needs an account; tests/local_sagemaker/test_account_review.py has one",
    (
        "docs/local-sagemaker.md",
        "from local_sagemaker.account_review import AccountReview",
    ): "the same",
    ("docs/slides.md", "Sort a bank customer's question into one intent."): "a prompt, to be read",
    ("docs/room.md", "make ready"): "tests/tools/test_ready.py runs a lab of it",
    ("docs/room.md", "make wheelhouse"): "tests/tools/test_wheelhouse.py does it on a small scale",
    ("docs/room.md", "make env WHEELHOUSE=/path/to/wheelhouse"): "the same",
    ("docs/studio.md", "%pip install -q -r requirements.txt"): "every set-up installs that file",
}
_RUN = {"python", "sh"}
_SHOWN = {"text", "json"}


@pytest.mark.parametrize("page", [*doc_support.pages(), *doc_support.labs()], ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = markdown(page)
    lost = []
    for link in links(text):
        name, _, anchor = unquote(link).partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(markdown(target))):
            lost.append(link)
    assert lost == []


def test_links_and_anchors_are_read_as_they_are_rendered() -> None:
    text = (
        '# A `b`, c\n## Twice\n## Twice\n<a id="own"></a>\n[x](y.md#z) `[no](no.md)` <https://x.y>'
    )
    assert anchors(text) == {"a-b-c", "twice", "twice-1", "own"}
    assert links(f"{text} ![p](p.svg) [out](https://x.y) [m](mailto:a@b.c)") == ["y.md#z", "p.svg"]
    assert links("```\n[no](no.md)\n```\n[yes](yes.md)") == ["yes.md"]


def test_no_page_stands_alone() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in [*doc_support.pages(), *doc_support.labs()]
        for link in links(markdown(page))
    }
    pages = {page for page in doc_support.pages() if page.parent == ROOT / "docs"}
    assert sorted(map(named, pages - linked)) == []


@pytest.mark.parametrize(
    "block", [pytest.param(b, id=f"{b.page}:{b.first}") for b in doc_support.blocks()]
)
def test_every_block_is_run_or_has_a_reason(block: Block) -> None:
    if block.language in _SHOWN:
        return
    run = block.language in _RUN
    assert run is not ((block.page, block.first) in _NOT_RUN), (
        "A block of commands is marked `sh` or `python` and run by a test, or stands in _NOT_RUN."
    )


def test_what_is_not_run_is_still_there() -> None:
    assert _NOT_RUN.keys() <= {(block.page, block.first) for block in doc_support.blocks()}


def test_every_make_target_that_is_named_is_there(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    named = {
        target: doc_support.named(page)
        for page in [*doc_support.pages(), *doc_support.labs()]
        for target in re.findall(
            r"(?:^|`)make (?:[A-Z_]+=\S+ )*([a-z][a-z-]*)", markdown(page), re.MULTILINE
        )
    }
    assert len(named) >= 8
    assert named.keys() <= targets, {name: named[name] for name in named.keys() - targets}

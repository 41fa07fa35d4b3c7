"""Write docs/local-sagemaker-api.md: what the local SageMaker does with each operation.

The page is made of the declarations in local_sagemaker/coverage.py and of botocore's service
models; a test compares it with what this writes. Usage: ``python tools/api_table.py [--check]``.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import botocore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from local_sagemaker.coverage import NOUNS, SERVICES, Coverage, Declaration, declared, noun_of
from local_sagemaker.protocol import service_model

PAGE = Path(__file__).resolve().parent.parent / "docs" / "local-sagemaker-api.md"
HEAD = """# What the local SageMaker does with each operation

Written by `python tools/api_table.py` from `local_sagemaker/coverage.py` and the service models of
botocore {version}. Do not edit it by hand.

Every operation of the four services belongs to one class. None answers that something ran which
did not.

- **Executes**: what it says is done, on this machine.
- **Records**: the resource is kept, with all its members, tags, filters and errors. There is
  nothing to run.
- **Fails**: work that is not run. The resource is kept and has failed; the reason is in what
  Describe shows of it.
- **Refused**: answered with the error `NotImplemented`, which names the operation and the reason.

"""


def page() -> str:
    """Return the text of the page."""
    operations = {
        service: [
            (name, declaration)
            for name in sorted(service_model(service).operation_names)
            if (declaration := declared(name)) is not None
        ]
        for service in SERVICES
    }
    every = [pair for pairs in operations.values() for pair in pairs]
    parts = [HEAD.format(version=botocore.__version__), *_counts(operations)]
    for coverage, title, why in (
        (Coverage.EXECUTES, "Executes", False),
        (Coverage.RECORDS, "Records", False),
        (Coverage.FAILS, "Not run: kept as failed", True),
        (Coverage.REFUSED, "Not run: refused", True),
    ):
        pairs = [pair for pair in every if pair[1].coverage is coverage]
        parts += [f"\n## {title}\n\n", *_table(pairs, why=why)]
    return "".join(parts)


def _counts(operations: dict[str, list[tuple[str, Declaration]]]) -> Iterator[str]:
    yield "| service | operations | executes | records | fails | refused |\n"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |\n"
    totals = [0] * (len(Coverage) + 1)
    for service, pairs in operations.items():
        amounts = [sum(it.coverage is coverage for _, it in pairs) for coverage in Coverage]
        row = [len(pairs), *amounts]
        totals = [total + amount for total, amount in zip(totals, row, strict=True)]
        yield f"| `{service}` | {' | '.join(map(str, row))} |\n"
    yield f"| all | {' | '.join(map(str, totals))} |\n"


def _table(pairs: Iterable[tuple[str, Declaration]], *, why: bool) -> Iterator[str]:
    """Yield the rows of a class: a noun's operations together, and the others by reason."""
    rows: dict[tuple[str, str], list[str]] = {}
    for operation, declaration in pairs:
        noun = noun_of(operation)
        own = noun is not None and declaration == NOUNS[noun]
        key = (str(noun) if own else "", declaration.reason)
        rows.setdefault(key, []).append(operation)
    yield f"| | operations |{' why |' if why else ''}\n"
    yield f"| --- | --- |{' --- |' if why else ''}\n"
    for (noun, reason), names in sorted(rows.items(), key=lambda row: (not row[0][0], row[0])):
        listed = ", ".join(f"`{name}`" for name in names)
        yield f"| {noun or 'others'} | {listed} |{f' {reason} |' if why else ''}\n"


def main() -> int:
    """Write the page, or say whether it is as it would be written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if it differs")
    check: bool = parser.parse_args().check
    text = page()
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        print(f"wrote {PAGE.name}")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE} is not current: run python tools/api_table.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

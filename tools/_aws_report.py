"""What a run of the labs on AWS took and cost, as a table in Markdown."""

import sys
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

MARK = "<!-- runs, the newest first -->"


@dataclass
class Run:
    """One notebook that was run."""

    path: Path
    sections: list[tuple[str, float]] = field(default_factory=list)
    usd: float = 0.0
    outcome: str = "interrupted"

    @property
    def seconds(self) -> float:
        """How long all of it took."""
        return sum(seconds for _, seconds in self.sections)


def report(
    region: str, runs: list[Run], left: list[str], began: datetime, problems: set[str]
) -> str:
    """Return the table of a run as Markdown."""
    tools = [f"{name} {version(name)}" for name in ("sagemaker", "boto3")]
    versions = ", ".join([f"Python {sys.version.split()[0]}", *tools])
    lines = [
        f"## {began:%Y-%m-%d %H:%M} UTC, {region}",
        "",
        f"{versions}.",
        "",
        "| notebook | section | minutes | USD | outcome |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for run in runs:
        name = run.path.name
        lines.append(
            f"| {name} | all | {run.seconds / 60:.1f} | {run.usd:.3f} | {_cell(run.outcome)} |"
        )
        lines += [f"| {name} | {_cell(s)} | {m / 60:.1f} | | |" for s, m in run.sections]
    total = sum(run.usd for run in runs)
    gone = "nothing" if not left else f"{len(left)} things: {_cell('; '.join(left))}"
    lines += ["", f"In all {total:.3f} USD, from what the API tells and the price table.", ""]
    lines += [f"Left in the account after clean-up: {gone}.", ""]
    lines += [f"Not known: {_cell(problem)}" for problem in sorted(problems)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def write(path: Path, text: str) -> None:
    """Put a run's table before the earlier ones."""
    old = path.read_text(encoding="utf-8") if path.exists() else f"# Verified on AWS\n\n{MARK}\n"
    head, mark, earlier = old.partition(MARK)
    status = f"Last run: {text.splitlines()[0].removeprefix('## ')}.\n\n"
    head = head if "Last run:" not in head else head.partition("Last run:")[0]
    head = head.partition("**Not yet run on AWS.**")[0]
    new = f"{head}{status}{mark or MARK}\n\n{text.strip()}\n{earlier.rstrip()}\n"
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_text(new, encoding="utf-8")
    scratch.replace(path)

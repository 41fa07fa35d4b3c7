"""All findings together: as text, as a card for a notebook, and as JSON.

It must not know what was checked, nor by whom.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workshop_utils.preflight.finding import Finding, Level

WAY_ON = (
    "One way on needs nothing from AWS: local mode, in this same space. Restart the kernel, run "
    '`import os; os.environ["WORKSHOP_MODE"] = "local"` first, and then the lab from its top: its '
    "jobs and endpoints run here as processes, and nothing is billed."
)
_SIGNS = {Level.BLOCKER: "✗", Level.WARNING: "!", Level.OK: "✓"}
# Readable on white and on a dark theme's background alike; the sign and the word say the same.
_COLOURS = {Level.BLOCKER: "#d1495b", Level.WARNING: "#b07d12", Level.OK: "#3a9160"}
_LEFT = "text-align:left;vertical-align:top"


@dataclass(frozen=True)
class Report:
    """What preflight found.

    Attributes
    ----------
    account, region, caller, labs
        What was looked at.
    findings
        The worst first.
    local_mode_fits
        Whether this machine has what the labs need in local mode.
    seconds
        How long it took.
    """

    account: str
    region: str
    caller: str
    labs: tuple[int, ...]
    findings: Sequence[Finding]
    local_mode_fits: bool
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing is in the way; there may be warnings."""
        return not self.of(Level.BLOCKER)

    def of(self, level: Level) -> list[Finding]:
        """Return the findings of one level."""
        return [finding for finding in self.findings if finding.level is level]

    @property
    def verdict(self) -> str:
        """One sentence."""
        labs = f"Lab{'s' * (len(self.labs) > 1)} {', '.join(map(str, self.labs))}"
        blockers, warnings = len(self.of(Level.BLOCKER)), len(self.of(Level.WARNING))
        noted = f"{warnings} warning{'s' * (warnings != 1)}"
        if blockers:
            return f"{labs} cannot run yet: {blockers} blocker{'s' * (blockers > 1)}, {noted}."
        return f"{labs} can run: nothing is in the way, {noted}."

    @property
    def way_on(self) -> str:
        """What can be done although something is in the way, if anything is and can."""
        return WAY_ON if not self.ok and self.local_mode_fits else ""

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "ok": self.ok,
            "account": self.account,
            "region": self.region,
            "caller": self.caller,
            "labs": list(self.labs),
            "blockers": len(self.of(Level.BLOCKER)),
            "warnings": len(self.of(Level.WARNING)),
            "way_on": self.way_on,
            "seconds": round(self.seconds, 2),
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __str__(self) -> str:
        lines = [f"Preflight of account {self.account} in {self.region}: {self.verdict}", ""]
        for finding in self.findings:
            sign = _SIGNS[finding.level]
            lines.append(f"{sign} {finding.level.value:<8} {finding.area}: {finding.what}")
            lines += [f"{'':11}{text}" for text in (finding.why, finding.do) if text]
        if self.way_on:
            lines += ["", self.way_on]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = (
            f"<caption style='{_LEFT}'><b>Preflight</b> of account {html.escape(self.account)} in "
            f"{html.escape(self.region)}: {html.escape(self.verdict)}</caption>"
        )
        rows = "".join(_row(finding) for finding in self.findings)
        after = f"<p>{_marked(self.way_on)}</p>" if self.way_on else ""
        return f"<table style='max-width:60em'>{head}{rows}</table>{after}"


def _row(finding: Finding) -> str:
    colour = _COLOURS[finding.level]
    level = (
        f"<th scope='row' style='{_LEFT};white-space:nowrap;border-left:4px solid {colour}'>"
        f"<span style='color:{colour}' aria-hidden='true'>{_SIGNS[finding.level]}</span> "
        f"{finding.level.value}</th>"
    )
    more = "".join(f"<br>{_marked(text)}" for text in (finding.why, finding.do) if text)
    return (
        f"<tr>{level}<td style='{_LEFT};white-space:nowrap'>{html.escape(finding.area)}</td>"
        f"<td style='{_LEFT};white-space:normal;overflow-wrap:anywhere'>{_marked(finding.what)}"
        f"{more}</td></tr>"
    )


def _marked(text: str) -> str:
    """Return text as HTML; what stands between backticks is code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if n % 2 else part for n, part in enumerate(parts))

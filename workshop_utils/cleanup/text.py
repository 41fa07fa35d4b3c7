"""Plans and results as text for a terminal, and links into AWS's console.

It knows words; it must not ask AWS for anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from workshop_utils.cleanup import kinds
from workshop_utils.cleanup.kinds import BY_SLUG
from workshop_utils.cleanup.resource import Resource

if TYPE_CHECKING:
    from workshop_utils.cleanup.plan import Plan, Result

_DOMAINS = {
    "cn-": "console.amazonaws.cn",
    "us-gov-": "console.amazonaws-us-gov.com",
}


def plan(shown: "Plan") -> str:
    """Return a plan as text: what costs first, then how many of each kind, then what stays."""
    lines = [title(shown), ""]
    costly, free = parted(shown.resources)
    lines += [
        f"  {one}, {one.status or 'there'}{_since(one, shown)}, {price(one)}{_note(one)}"
        for one in costly
    ]
    for words, group in by_kind(free):
        lines.append(f"  {counted(len(group), words)}: {_names(group)}")
    if not shown.resources:
        lines.append("  Nothing: there is nothing to delete.")
    else:
        lines += ["", total(shown)]
    lines += remarks(shown)
    return "\n".join(lines)


def result(shown: "Result") -> str:
    """Return a result as text: what is gone, and what the second look found."""
    lines = [f"{counted(len(shown.deleted), 'resource')} gone after {shown.seconds:.0f} s."]
    if shown.ok:
        return "\n".join([*lines, "A second look found nothing of the workshop's any more."])
    region = shown.plan.session.region
    lines += [f"Left: {one}: {one.note}\n  {console_link(region, one)}" for one in shown.left]
    lines += unseen(shown.unseen) + [unknown(arn) for arn in shown.unknown]
    return "\n".join(lines)


def title(shown: "Plan") -> str:
    """Return what a plan is about, in one line."""
    session, scope = shown.session, shown.scope
    what = "what is past its time" if scope.expired else "everything of the workshop"
    whose = f", lab {scope.lab}" if scope.lab else ""
    return f"To delete in {session.account}, {session.region}: {what}{whose}"


def total(shown: "Plan") -> str:
    """Return how much there is and what it costs, in one line."""
    known = f"{shown.usd_per_hour:.2f} USD per hour on AWS"
    costly = parted(shown.resources)[0]
    more = ", and what some cost is not known" if any(not _known(one) for one in costly) else ""
    return f"{counted(len(shown.resources), 'resource')}, together {known}{more}."


def remarks(shown: "Plan") -> list[str]:
    """Return what else a person should read."""
    found = [f"Note: {note}" for note in shown.notes]
    if shown.lookalikes:
        names = _names(shown.lookalikes)
        found.append(
            f"Stays, because it has the workshop's name and not its tag: {names}. "
            "--adopt NAME (adopt=[...] in Python) deletes it as well."
        )
    return found + unseen(shown.unseen) + [unknown(arn) for arn in shown.unknown]


def unseen(reasons: Mapping[str, str]) -> list[str]:
    """Return what could not be looked at, a line for each kind."""
    return [f"Not looked at: {kind.replace('-', ' ')}s ({why})" for kind, why in reasons.items()]


def unknown(arn: str) -> str:
    """Return a line about something of a kind that clean-up does not know."""
    return f"Marked, and of a kind that is not deleted here; delete it yourself if it exists: {arn}"


def parted(resources: Iterable[Resource]) -> tuple[list[Resource], list[Resource]]:
    """Return what costs something by the hour, the dearest first, and the rest."""
    found = list(resources)
    costly = [one for one in found if one.usd_per_hour != 0.0 and one.kind != kinds.OBJECTS]
    costly += [one for one in found if one.kind == kinds.ENDPOINT and one not in costly]
    costly.sort(key=lambda one: (-(one.usd_per_hour or 0.0), one.kind, one.name))
    return costly, [one for one in found if one not in costly]


def by_kind(resources: Iterable[Resource]) -> list[tuple[str, list[Resource]]]:
    """Return resources in groups of a kind, each with the word for one."""
    groups: dict[str, list[Resource]] = {}
    for one in resources:
        groups.setdefault(one.words, []).append(one)
    return list(groups.items())


def counted(count: int, words: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {words}" if count == 1 or words.endswith("s") else f"{count:,} {words}s"


def price(one: Resource) -> str:
    """Return what a resource costs, in words."""
    return f"{one.usd_per_hour:.2f} USD per hour" if _known(one) else "price not known"


def console_link(region: str, one: Resource) -> str:
    """Return where a person finds a resource in AWS's console."""
    domain = next(
        (name for start, name in _DOMAINS.items() if region.startswith(start)),
        "console.aws.amazon.com",
    )
    if one.kind == kinds.OBJECTS:
        place = one.details
        return (
            f"https://s3.{domain}/s3/buckets/{quote(place['bucket'])}"
            f"?region={region}&prefix={quote(place['prefix'])}"
        )
    base = f"https://{region}.{domain}"
    if one.kind in (kinds.LOG_GROUP, kinds.LOG_STREAM):
        group = quote(quote(str(one.details.get("group", one.name)), safe=""), safe="")
        path = group.replace("%25", "$25")
        return f"{base}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{path}"
    if one.kind == kinds.SCHEDULE:
        group = quote(str(one.details["group"]))
        return f"{base}/scheduler/home?region={region}#schedules/{group}/{quote(one.name)}"
    known = BY_SLUG.get(one.kind)
    page = known.page.format(name=quote(one.name)) if known is not None and known.page else "/"
    return f"{base}/sagemaker/home?region={region}#/{page.lstrip('/')}"


def _known(one: Resource) -> bool:
    return one.usd_per_hour is not None


def _since(one: Resource, shown: "Plan") -> str:
    age = one.age(shown.made)
    return f" for {age}" if age else ""


def _note(one: Resource) -> str:
    return f" ({one.note})" if one.note else ""


def _names(resources: Sequence[Resource]) -> str:
    names = [one.name + _note(one) for one in resources[:3]]
    more = len(resources) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")

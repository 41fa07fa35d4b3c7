"""A look at an account: everything that is the workshop's, what only looks so, what was not seen.

It knows marks and kinds; what hangs off marked things is `dependants`' business.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.cleanup import deletion, dependants, marked
from workshop_utils.cleanup.asking import all_at_once, items
from workshop_utils.cleanup.errors import GaveUp, reason
from workshop_utils.cleanup.kinds import BY_SLUG, EXPERIMENT, JOBS, KINDS, PIPELINE, Kind
from workshop_utils.cleanup.resource import ADOPTED, TAG, Resource
from workshop_utils.session import PREFIX, Session

_OF_PIPELINES = "pipelines"
"""What the names of jobs begin with that pipelines start."""
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
"""What is a name for the kinds that are listed by a part of it; AWS refuses to look for others."""
Refusal = (BotoCoreError, ClientError, GaveUp)


@dataclass
class Look:
    """What was seen.

    Attributes
    ----------
    found
        The workshop's resources.
    lookalikes
        Resources that have the workshop's name and not its tag: somebody else's, or made by hand.
    unknown
        ARNs that carry the workshop's tag and are of a kind that clean-up does not know.
    unseen
        What could not be looked at, and why.
    notes
        What else a person should know.
    """

    found: list[Resource] = field(default_factory=list)
    lookalikes: list[Resource] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def look(session: Session, *, lab: str | None = None, adopt: Iterable[str] = ()) -> Look:
    """Look at the account and region of a session.

    Parameters
    ----------
    session
        Whose.
    lab
        Only what this lab has made; everything of the workshop if None.
    adopt
        Names that count as the workshop's although nothing marks them.
    """
    seen = Look()
    wanted = frozenset(adopt)
    tagged = marked.Tagged(session)
    if tagged.refused:
        seen.notes.append(
            f"Tagged resources are not listed ({tagged.refused}), so the tags of each are asked "
            f"for: what is tagged and has no name with {PREFIX} in it may be missed."
        )
    listed = all_at_once(partial(_listed, session, tagged, wanted), KINDS)
    everything: dict[str, list[Resource]] = {}
    for kind, answer in zip(KINDS, listed, strict=True):
        if isinstance(answer, str):
            seen.unseen[kind.slug] = answer
        else:
            everything[kind.slug] = answer
    _adopt_experiments_of_pipelines(everything)
    for found in everything.values():
        for one in found:
            if one.why != TAG and deletion.stays(session, one):
                continue
            if one.why and (lab is None or one.lab == lab or one.why == ADOPTED):
                seen.found.append(one)
            elif not one.why and PREFIX in one.name:
                seen.lookalikes.append(one)
    seen.unknown = sorted(arn for arn in tagged.arns() if _unknown(arn))
    more = dependants.find(session, seen.found, everything, lab)
    seen.found += more.found
    seen.unseen |= more.unseen
    hanging = {one.arn for one in more.found}
    seen.lookalikes = [one for one in seen.lookalikes if one.arn not in hanging]
    names = {one.name for one in seen.found if one.why == ADOPTED}
    for name in sorted(wanted - names):
        seen.notes.append(f"There is nothing called {name} to adopt.")
    return seen


def _listed(
    session: Session, tagged: marked.Tagged, adopt: frozenset[str], kind: Kind
) -> list[Resource] | str:
    """Return all resources of a kind that might be the workshop's, or why they are not shown."""
    try:
        return _candidates(session, tagged, adopt, kind)
    except Refusal as error:
        return reason(error)


def _candidates(
    session: Session, tagged: marked.Tagged, adopt: frozenset[str], kind: Kind
) -> list[Resource]:
    ask = partial(items, session, "sagemaker", xform_name(f"List{kind.noun}s"), kind.items)
    found: dict[str, dict[str, Any]] = {}
    if kind.by_name:
        marked_ones = {arn for arn in tagged.arns() if _slug(arn) == kind.slug}
        for part in (PREFIX, *_other_names(kind, tagged, marked_ones, adopt)):
            found |= {_arn(kind, item): item for item in ask(NameContains=part)}
        missing = marked_ones - {arn.lower() for arn in found}
        # Something of the workshop's with another name: only the whole list has it. What has the
        # workshop's name and is not listed has gone; tags are remembered for a while.
        if any(PREFIX not in arn for arn in missing):
            found |= {_arn(kind, item): item for item in ask()}
    else:
        found = {_arn(kind, item): item for item in ask()}
    return [_resource(kind, arn, item, tagged, adopt) for arn, item in found.items()]


def _other_names(
    kind: Kind, tagged: marked.Tagged, marked_ones: set[str], adopt: frozenset[str]
) -> list[str]:
    """Return parts of names, beside the workshop's, that may lead to something of its own."""
    names = sorted(name for name in adopt if PREFIX not in name and _NAME.fullmatch(name))
    of_pipelines = any(f"/{_OF_PIPELINES}-" in arn for arn in marked_ones)
    searched = of_pipelines or (tagged.refused is not None and kind.slug in JOBS)
    return [*names, _OF_PIPELINES] if searched else names


def _resource(
    kind: Kind, arn: str, item: dict[str, Any], tagged: marked.Tagged, adopt: frozenset[str]
) -> Resource:
    name = str(item[f"{kind.noun}Name"])
    likely = PREFIX in name or name.startswith(f"{_OF_PIPELINES}-")
    tags = tagged.of(arn, ask=kind.looked_into or likely)
    mine = marked.ours(tags)
    return Resource(
        kind=kind.slug,
        name=name,
        arn=arn,
        created=item.get(kind.created),
        status=str(item.get(kind.status, "")) if kind.status else "",
        why=TAG if mine else ADOPTED if name in adopt else "",
        lab=tags.get(marked.LAB) if mine else None,
        expires=marked.expires(tags) if mine else None,
        details=_details(item),
    )


def _details(item: dict[str, Any]) -> dict[str, Any]:
    """Return which endpoint something belongs to, and what a trial component was made by."""
    found = {
        "endpoint": item.get("EndpointName"),
        "source": item.get("TrialComponentSource", {}).get("SourceArn"),
    }
    return {name: value for name, value in found.items() if value}


def _adopt_experiments_of_pipelines(everything: dict[str, list[Resource]]) -> None:
    """Count the experiments that executions of the workshop's pipelines have made.

    The service makes them without tags and names them after the pipeline, in lower case.
    """
    pipelines = {one.name.lower(): one for one in everything.get(PIPELINE, []) if one.why}
    if EXPERIMENT not in everything:
        return
    everything[EXPERIMENT] = [
        one.below(pipelines[one.name]) if not one.why and one.name in pipelines else one
        for one in everything[EXPERIMENT]
    ]


def _arn(kind: Kind, item: dict[str, Any]) -> str:
    return str(item[f"{kind.noun}Arn"])


def _slug(arn: str) -> str:
    parts = arn.split(":", 5)
    return parts[5].split("/", 1)[0] if len(parts) == 6 and parts[2] == "sagemaker" else ""


def _unknown(arn: str) -> bool:
    slug = _slug(arn)
    return bool(slug) and slug not in BY_SLUG and slug not in dependants.SLUGS

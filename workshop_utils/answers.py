"""People's answers, read from where A2I leaves them, and what they come to.

It knows the layout of ``output.json``; it must not know who offered the tasks or what is trained.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from workshop_utils.display import card
from workshop_utils.session import Session

COLUMNS = ["text", "label", "votes", "disputed", "seconds", "loop"]
NOT_CLEAR = "Not clear"
NO_ANSWERS = "no-answers"
"""The `Answers.version` of none."""
_FILE = "/output.json"


@dataclass(frozen=True)
class Answers:
    """What people said.

    Attributes
    ----------
    frame
        One row for each loop: ``text``; ``label``, which most people chose, empty if as many chose
        another; ``votes``, how often each was chosen; ``disputed``, whether they differed;
        ``seconds``, how long a person took on average; and ``loop``, its name.
    broken
        What is no answer, by its S3 URI, with the reason.
    version
        Changes whenever an answer comes or goes.
    """

    frame: pd.DataFrame
    broken: Mapping[str, str] = field(repr=False)
    version: str

    @property
    def decided(self) -> pd.DataFrame:
        """The rows that have a label to train on: neither a tie nor ``Not clear``."""
        return self.frame[~self.frame["label"].isin(["", NOT_CLEAR])]

    @property
    def disputed(self) -> pd.DataFrame:
        """The rows that people did not agree on."""
        return self.frame[self.frame["disputed"]]

    def _repr_html_(self) -> str:
        labels = Counter(self.frame["label"].replace("", "a tie"))
        seconds = self.frame["seconds"].median() if len(self.frame) else 0
        rows = {
            "Answered": f"{len(self.frame):,} texts",
            "Verdicts": ", ".join(f"{count} {label}" for label, count in labels.most_common())
            or "none",
            "People differed": f"on {len(self.disputed)}",
            "Time for one": f"{seconds:.2g} s (median)",
            "Files that cannot be read": str(len(self.broken)),
        }
        return card("People's answers", rows)


def collect(session: Session, prefix: str) -> Answers:
    """Read every answer below a prefix.

    Parameters
    ----------
    session
        Where.
    prefix
        S3 URI that A2I was told to put its output below.

    Returns
    -------
    Answers
        A file that cannot be read is reported in it and costs no other.
    """
    rows, broken, versions = [], {}, []
    for key, version in _listed(session, prefix):
        uri = f"s3://{session.bucket}/{key}"
        versions.append(f"{key} {version}")
        try:
            rows.append(_read(json.loads(session.read(uri))))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            broken[uri] = f"{type(error).__name__}: {error}"
    return Answers(pd.DataFrame(rows, columns=COLUMNS), broken, _digest(versions))


def versions_of(session: Session, prefix: str) -> str:
    """Return what `Answers.version` would be, without reading the answers."""
    return _digest([f"{key} {version}" for key, version in _listed(session, prefix)])


def remove(session: Session, prefix: str) -> int:
    """Delete every answer below a prefix; return how many objects that were."""
    keys = [key for key, _ in _listed(session, prefix)]
    for key in keys:
        session.client("s3").delete_object(Bucket=session.bucket, Key=key)
    return len(keys)


def _listed(session: Session, prefix: str) -> Iterator[tuple[str, str]]:
    pages = session.client("s3").get_paginator("list_objects_v2")
    head = prefix.removeprefix(f"s3://{session.bucket}/").rstrip("/") + "/"
    for page in pages.paginate(Bucket=session.bucket, Prefix=head):
        for item in page.get("Contents", []):
            if item["Key"].endswith(_FILE):
                yield str(item["Key"]), str(item["ETag"])


def _digest(versions: list[str]) -> str:
    if not versions:
        return NO_ANSWERS
    content = "\n".join(sorted(versions)).encode()
    return f"{len(versions)}-answers-{hashlib.sha256(content).hexdigest()[:12]}"


def _read(output: dict[str, Any]) -> dict[str, Any]:
    answers = output["humanAnswers"]
    votes = Counter(_choice(answer["answerContent"]) for answer in answers)
    if not votes:
        raise ValueError("nobody has answered")
    (first, most), *others = votes.most_common()
    tie = any(count == most for _, count in others)
    seconds = [float(answer.get("timeSpentInSeconds", 0)) for answer in answers]
    return {
        "text": str(output["inputContent"]["taskObject"]),
        "label": "" if tie else first,
        "votes": ", ".join(f"{count} {label}" for label, count in votes.most_common()),
        "disputed": len(votes) > 1,
        "seconds": sum(seconds) / len(seconds),
        "loop": str(output["humanLoopName"]),
    }


def _choice(content: dict[str, Any]) -> str:
    category = content["category"]
    if "label" in category:
        return str(category["label"])
    # The element for several choices says a list even of one.
    (label,) = category["labels"]
    return str(label)

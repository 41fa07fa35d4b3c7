"""Zero-shot questions about the rows of a table, for `batch.start`.

It turns a row into a request and an answer into columns; it must not know how either travels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workshop_utils.zero_shot import Dialect, QuestionError, Task, read, shortened


@dataclass(frozen=True)
class Rows:
    """What `batch.start` is to ask of each row of a table.

    Attributes
    ----------
    labels
        The labels for every row, or the name of a column that has a list of them for each.
    text
        The column with the texts.
    multi_label
        For every row, or the name of a column that has it for each.
    hypothesis_template, descriptions
        As in `zero_shot.Task`; descriptions need labels that are the same for every row.
    dialect
        What the container understands.
    """

    labels: Sequence[str] | str
    text: str = "text"
    multi_label: bool | str = False
    hypothesis_template: str | None = None
    descriptions: Mapping[str, str] | None = None
    dialect: Dialect = "jumpstart"
    _fixed: Task | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.labels, str) and self.descriptions:
            raise QuestionError(
                "descriptions need a list of labels that is the same for every row."
            )
        # What is wrong for every row is better said before the first one.
        if not isinstance(self.labels, str) and not isinstance(self.multi_label, str):
            task = Task(self.labels, self.multi_label, self.hypothesis_template, self.descriptions)
            object.__setattr__(self, "_fixed", task)

    @property
    def name(self) -> str:
        """``meaning`` where descriptions say what labels mean, ``labels`` where they are bare."""
        return "meaning" if self.descriptions else "labels"

    @property
    def columns(self) -> tuple[str, ...]:
        """What `values` returns: the best label, its score, and the second best label."""
        return ("predicted", "score", "runner_up")

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that `record` needs."""
        named = (self.text, self.labels, self.multi_label)
        return tuple(name for name in named if isinstance(name, str))

    def record(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request for one row; raise `QuestionError` when it cannot be asked about."""
        return self._task(row).request(row[self.text], self.dialect)

    def values(self, row: Mapping[str, Any], answer: Any) -> tuple[str, float, str | None]:
        """Return the columns for one row's answer; raise `AnswerError` when it is none."""
        found = read(answer, self._task(row), row[self.text])
        return found.label, found.score, found.labels[1] if len(found.labels) > 1 else None

    def _task(self, row: Mapping[str, Any]) -> Task:
        if self._fixed is not None:
            return self._fixed
        labels = row[self.labels] if isinstance(self.labels, str) else self.labels
        several = row[self.multi_label] if isinstance(self.multi_label, str) else self.multi_label
        if isinstance(labels, str) or not isinstance(labels, Sequence):
            raise QuestionError(
                f"The labels are {shortened(labels)}: they must be a list of texts."
            )
        return Task(labels, several, self.hypothesis_template, self.descriptions)

"""The labs' exercises: a check for each, which says whether it is solved, how far, and what to try.

A check is a function of what the attendee made; it asks no endpoint, keeps nothing, and never
raises for a solution that is incomplete or wrong, so that Run All goes through. The solutions lie
in the folder ``solutions``, which no notebook names, and are run by the labs' tests.
"""

from workshop_utils.exercises.few_shot import (
    check_eight_examples,
    check_none_of_ours,
    check_vague,
    mixed_questions,
)
from workshop_utils.exercises.review import check_budget, check_hard_to_read, check_whom_to_ask
from workshop_utils.exercises.verdict import Verdict
from workshop_utils.exercises.zero_shot import (
    check_descriptions,
    check_thirty_labels,
    check_three_labels,
)

__all__ = [
    "Verdict",
    "check_budget",
    "check_descriptions",
    "check_eight_examples",
    "check_hard_to_read",
    "check_none_of_ours",
    "check_thirty_labels",
    "check_three_labels",
    "check_vague",
    "check_whom_to_ask",
    "mixed_questions",
]

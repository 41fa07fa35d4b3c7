"""Asking somebody whether a model may be used.

It must not decide anything itself.
"""

from workshop_utils.model_registry import DECISIONS, ModelVersion

_YES, _NO = ("y", "yes"), ("n", "no")


class NobodyToAsk(Exception):
    """A decision is needed and nobody is here; the message says how to decide beforehand."""


def decide(version: ModelVersion, decision: str, reason: str) -> ModelVersion:
    """Approve or reject a version of a model, or ask whoever sits here; return it as it is then.

    Parameters
    ----------
    version
        What has been decided already is not asked again.
    decision
        ``Approved``, ``Rejected``, or ``ask``.
    reason
        A sentence that is kept with the decision.

    Raises
    ------
    NobodyToAsk
        When it has to be asked and this is no interactive run.
    """
    if decision not in (*DECISIONS, "ask"):
        raise ValueError(f"The decision is {decision!r}: say ask, {' or '.join(DECISIONS)}.")
    if version.approval in DECISIONS:
        print(f"Version {version.number} is {version.approval} already")
        return version
    approved = _asked(version, reason) if decision == "ask" else decision == "Approved"
    return version.decide("Approved" if approved else "Rejected", reason)


def _asked(version: ModelVersion, reason: str) -> bool:
    question = f"Approve version {version.number}? ({reason}) [y/n] "
    while True:
        try:
            said = input(question).strip().casefold()
        except (EOFError, NotImplementedError) as error:
            raise NobodyToAsk(
                f"Version {version.number} is {version.approval}, and nobody is here to ask. Set "
                "WORKSHOP_APPROVAL to Approved or Rejected to decide beforehand."
            ) from error
        if said in (*_YES, *_NO):
            return said in _YES

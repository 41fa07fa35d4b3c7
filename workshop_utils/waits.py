"""How long what the labs start takes, for whoever waits for it."""

from dataclasses import dataclass

from workshop_utils.session import Session


@dataclass(frozen=True)
class Wait:
    """About how many seconds something takes.

    Attributes
    ----------
    here
        On a machine of one's own. Measured on two cores of an Intel Xeon, but for the language
        model, the batch and Lab 3's endpoint: those on two cores of an AMD EPYC, which are slower.
    on_aws
        Assumed until somebody has measured it there; the start of machines is most of it.
    """

    here: float
    on_aws: float


WAITS = {
    "few-shot training": Wait(30, 360),
    "few-shot endpoint": Wait(2, 180),
    "language model": Wait(10, 240),
    "zero-shot endpoint": Wait(3, 480),
    "zero-shot batch": Wait(6, 1500),
    "sentiment pipeline": Wait(140, 1200),
    "sentiment pipeline, with answers": Wait(170, 1200),
    "sentiment endpoint": Wait(13, 180),
    "sentiment endpoint, updated": Wait(10, 300),
}


def expected(session: Session, what: str) -> float:
    """Return about how many seconds something takes where a session is.

    Parameters
    ----------
    session
        Here, or on AWS.
    what
        One of `WAITS`.
    """
    wait = WAITS[what]
    return wait.on_aws if session.billed else wait.here

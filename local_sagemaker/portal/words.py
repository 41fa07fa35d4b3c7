"""What the portal says, in words for somebody who never saw it before."""

GONE = {
    "expired": (
        "The time for this task is over",
        "It went back to the others. Nothing of it was sent.",
    ),
    "stopped": (
        "This task was withdrawn",
        "Whoever asked for it does not need the answer any more.",
    ),
    "submitted": ("You have already answered this task", "Your answer was kept. Thank you."),
    "declined": ("You declined this task", "You will not be asked about it again."),
    "released": ("You gave this task back", "Somebody else may be working on it now."),
    "left": (
        "This task was given to somebody else",
        "Its page was closed, or did not answer for some minutes.",
    ),
    "unknown": (
        "This task is not yours",
        "It may belong to another worker, or the address is not complete.",
    ),
}


def gone(reason: str) -> tuple[str, str]:
    """Return a heading and a sentence on why a task is not held any more."""
    return GONE.get(reason, GONE["unknown"])


def minutes(seconds: float) -> str:
    """Return a time limit as people say it, such as ``60 min`` or ``90 s``."""
    whole = round(seconds)
    if whole >= 120 and whole % 60 == 0:
        return f"{whole // 60} min"
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def clock(seconds: float) -> str:
    """Return a duration as a clock shows it, such as ``0:23`` or ``1:02:03``."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    head = f"{hours}:{rest // 60:02}" if hours else f"{rest // 60}"
    return f"{head}:{rest % 60:02}"


def tasks(count: int) -> str:
    """Return a number of tasks."""
    return "1 task" if count == 1 else f"{count:,} tasks"

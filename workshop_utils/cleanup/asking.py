"""Asking AWS: whole listings, several at once, patiently.

It must not know what is asked for.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

from workshop_utils.cleanup.errors import persist
from workshop_utils.session import Session

WORKERS = 8
"""Requests at once; AWS throttles whoever sends many more."""
_PATIENCE = 60.0
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def items(
    session: Session, service: str, operation: str, member: str, **asked: Any
) -> list[dict[str, Any]]:
    """Return everything that a List operation has, in every page.

    Parameters
    ----------
    session, service
        Whom to ask.
    operation
        As boto3 spells it.
    member
        What holds the items in a page.
    **asked
        Members of the request.
    """
    found = pages(session, service, operation, **asked)
    return [item for page in found for item in page.get(member, [])]


def pages(session: Session, service: str, operation: str, **asked: Any) -> list[dict[str, Any]]:
    """Return every page of a List operation."""
    client = session.client(service)

    def every() -> list[dict[str, Any]]:
        return list(client.get_paginator(operation).paginate(**asked))

    return persist(every, passing=_PATIENCE)


def all_at_once(
    work: Callable[[_Item], _Result],
    things: Iterable[_Item],
    workers: int = WORKERS,
    stop: Event | None = None,
) -> Sequence[_Result]:
    """Do the same with several things at once; return the results in order.

    An interruption (Ctrl-C) waits for what has been sent, and sends no more; ``stop`` is set then.
    """
    waiting = list(things)
    if len(waiting) < 2:
        return [work(one) for one in waiting]
    pool = ThreadPoolExecutor(min(workers, len(waiting)), thread_name_prefix="cleanup")
    try:
        return list(pool.map(work, waiting))
    except BaseException:
        if stop is not None:
            stop.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

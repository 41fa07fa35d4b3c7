"""The card that ``python -m local_sagemaker status`` prints.

It turns the server's state into lines of at most 100 columns; it must not ask anybody.
"""

import time
from collections.abc import Iterator
from typing import Any

from local_sagemaker.faults.words import describe

WIDTH = 100
_SHOWN = 10
_OPERATIONS = 8


def card(state: dict[str, Any], now: float | None = None) -> str:
    """Return the card.

    Parameters
    ----------
    state
        What the server answered (`ServerStatus`).
    now
        Seconds since the epoch; the present if None.
    """
    return "\n".join(_cut(line) for line in _lines(state, time.time() if now is None else now))


def _lines(state: dict[str, Any], now: float) -> Iterator[str]:
    memory = state["memory"]
    yield f"Local SageMaker {state['version']} at {state['url']} (process {state['pid']})"
    # A path is there to be copied, so it is never cut.
    yield f"  home     {state['home']}"
    yield f"  account  {state['account']}, {state['region']}"
    yield f"  up       {age(state['uptime'])}"
    yield f"  memory   {size(memory['server'])}, jobs and endpoints {size(memory['containers'])}"
    yield from _jobs(state, now)
    yield from _endpoints(state["endpoints"], now)
    yield from _review(state["review"])
    if state["faults"]:
        yield f"Faults set on purpose: {len(state['faults'])}"
        for fault in state["faults"]:
            yield f"  {fault['id']:<4} {describe(fault)}; struck {fault['struck']}"
    yield from _requests(state["requests"])


def _jobs(state: dict[str, Any], now: float) -> Iterator[str]:
    queue, jobs = state["queue"], state["jobs"]
    turn = f"{queue['running']} of {queue['slots']} slots in use, {queue['waiting']} waiting"
    yield f"Jobs: {len(jobs) or 'none'} ({turn})"
    yield from _listed(jobs, now)


def _endpoints(endpoints: list[dict[str, Any]], now: float) -> Iterator[str]:
    yield f"Endpoints: {len(endpoints) or 'none'}"
    shown, more = _latest(endpoints)
    for endpoint in shown:
        yield _state_line(endpoint, now)
        for variant in endpoint["variants"]:
            latency = variant["latency_ms"]
            errors = f"{variant['errors_4xx']} 4xx, {variant['errors_5xx']} 5xx"
            figures = f"{variant['invocations']} requests, {errors}"
            if latency["p50"] is not None:
                figures += f", p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f} ms"
            processes = _processes(variant)
            yield f"    {variant['variant']:<16} {processes}, {figures}"
            if variant["trouble"]:
                yield f"      {variant['trouble']}"
    yield from more


def _processes(variant: dict[str, Any]) -> str:
    if not variant["serverless"]:
        return f"{variant['processes']}/{variant['processes_wanted']} up"
    state = f"{variant['processes']} awake" if variant["processes"] else "asleep"
    return f"serverless, {state}, {variant['cold_starts']} cold starts"


def _review(review: dict[str, Any]) -> Iterator[str]:
    held = f", {review['held']} in hand" if review["held"] else ""
    yield f"Review: {review['available'] or 'no'} tasks wait{held}"
    # A link is there to be opened, so it is never cut.
    yield f"  portal   {review['url']}"


def _requests(requests: list[dict[str, Any]]) -> Iterator[str]:
    total = sum(row["count"] for row in requests)
    errors = sum(row["errors"] for row in requests)
    yield f"Requests: {total or 'none'}" + (f", {errors} failed" if total else "")
    for row in requests[:_OPERATIONS]:
        failed = f", {row['errors']} failed" if row["errors"] else ""
        name = f"{row['service']} {row['operation']}"
        yield (
            f"  {row['count']:>7} {name:<42} p50 {row['p50_ms']:.1f} ms, p95 {row['p95_ms']:.1f} ms"
            f"{failed}"
        )
    if len(requests) > _OPERATIONS:
        yield f"  and {len(requests) - _OPERATIONS} more operations (--json shows all)"


def _listed(items: list[dict[str, Any]], now: float) -> Iterator[str]:
    shown, more = _latest(items)
    for item in shown:
        yield _state_line(item, now)
    yield from more


def _latest(items: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    newest = sorted(items, key=lambda item: -float(item["created"]))
    left = len(items) - _SHOWN
    return newest[:_SHOWN], [f"  and {left} older ones (--json shows all)"] if left > 0 else []


def _state_line(item: dict[str, Any], now: float) -> str:
    return f"  {item['status']:<12} {item['name']:<64} {age(now - item['created'])} ago"


def _cut(line: str) -> str:
    if len(line) <= WIDTH or line.startswith(("  home ", "  portal ")):
        return line
    return line[: WIDTH - 3] + "..."


def age(seconds: float) -> str:
    """Return a length of time in its two largest units, such as ``2 h 5 min``."""
    left = max(0, int(seconds))
    units = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)]
    parts = []
    for name, length in units:
        count, left = divmod(left, length)
        parts.append((count, name))
    first = next((index for index, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {name}" for count, name in parts[first : first + 2] if count) or "0 s"


def size(count: int) -> str:
    """Return a number of bytes in MB or GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

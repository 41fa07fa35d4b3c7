"""A fault in words, for people.

It reads what lists of faults hold; it must not ask a server.
"""

from typing import Any


def describe(fault: dict[str, Any]) -> str:
    """Return a fault in words."""
    words = [f"{fault['service']} {fault['operation']}"]
    if fault["error"]:
        words.append(fault["error"])
    if fault["latency"]:
        words.append(f"{fault['latency']:g} s {'late' if fault['error'] else 'slower'}")
    if fault["after"]:
        words.append("once it took effect")
    if fault["instance_type"]:
        words.append(f"for {fault['instance_type']}")
    if fault["account"]:
        words.append(f"in account {fault['account']}")
    if fault["probability"] < 1:
        words.append(f"with probability {fault['probability']:g}")
    if fault["times"] is not None:
        words.append("once" if fault["times"] == 1 else f"{fault['times']} times")
    return ", ".join(words)

"""Pictures of what serving costs: where a machine of one's own begins to be worth it.

It knows figures; it must not know where prices come from.
"""

from typing import TYPE_CHECKING

import numpy as np

from workshop_utils.savings import Savings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SERVERLESS, _MACHINE = "#2a7d4f", "#6b7280"


def break_even(found: Savings) -> "Figure":
    """Draw what an hour costs by how many requests come in it, serverless and on a machine.

    Parameters
    ----------
    found
        With the lab's own numbers.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    crossing = found.break_even
    most = max(crossing * 10, found.requests * 10.0)
    asked = np.geomspace(1, most, 200)
    axes.plot(asked, asked * found.request, color=_SERVERLESS, linewidth=2.5)
    axes.axhline(found.machine_hour, color=_MACHINE, linewidth=2.5, linestyle="--")
    axes.axvline(found.requests, color="black", linewidth=1, linestyle=":")
    axes.scatter([crossing], [found.machine_hour], color="black", zorder=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1, most)
    machine = f"{found.machine.instance_type}: {found.machine_hour:g} USD an hour, asked or not"
    axes.annotate(
        machine, (1.2, found.machine_hour), xytext=(0, 5), textcoords="offset points", va="bottom"
    )
    axes.annotate(
        f"{crossing:,.0f} requests an hour cost the same",
        (crossing, found.machine_hour),
        xytext=(-6, 20),
        textcoords="offset points",
        ha="right",
        va="bottom",
        # The line of the lab's own requests may run through it.
        bbox={"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 1},
    )
    axes.annotate(
        f"serverless, {found.memory_gb:g} GB, {found.seconds * 1000:.0f} ms each",
        (most * 0.9, found.machine_hour / 40),
        color=_SERVERLESS,
        ha="right",
    )
    axes.annotate(
        f"this lab:\n{found.requests} requests",
        (found.requests, axes.get_ylim()[0]),
        xytext=(5, 5),
        textcoords="offset points",
        va="bottom",
    )
    axes.set_xlabel("requests an hour")
    axes.set_ylabel("USD an hour")
    axes.set_title("What an hour of answering costs")
    # The notebook shows the returned figure; an open one would be shown a second time.
    plt.close(figure)
    return figure

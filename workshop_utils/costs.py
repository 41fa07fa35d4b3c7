"""What the workshop costs: prices, the estimate before a lab, and what is billing right now.

The one module to import for all of it; each part is a module of its own.
"""

from workshop_utils.prices import PAGE, Price, everything, hourly, rate

__all__ = ["PAGE", "Price", "everything", "hourly", "rate"]

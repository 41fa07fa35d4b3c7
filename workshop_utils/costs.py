"""What the workshop costs: prices, the estimate before a lab, and what is billing right now.

The one module to import for all of it; each part is a module of its own.
"""

from workshop_utils.bill import Bill, Charge
from workshop_utils.estimates import LABS, Estimate, estimate
from workshop_utils.prices import PAGE, Price, everything, hourly, rate
from workshop_utils.running import running, spent
from workshop_utils.savings import NoPrice, Savings, savings

__all__ = [
    "LABS",
    "PAGE",
    "Bill",
    "Charge",
    "Estimate",
    "NoPrice",
    "Price",
    "Savings",
    "estimate",
    "everything",
    "hourly",
    "rate",
    "running",
    "savings",
    "spent",
]

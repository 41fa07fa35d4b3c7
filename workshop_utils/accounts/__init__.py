"""Many accounts at once, for whoever gives the workshop: are they ready, and are they empty again.

Each account is entered through a role of its own, several at a time; one that cannot be entered or
looked at is a row with its reason and stops no other. What is looked at in an account is the
matter of `workshop_utils.preflight`, what is deleted there that of `workshop_utils.cleanup`.
"""

from workshop_utils.accounts.doors import Door
from workshop_utils.accounts.listed import Account, AccountsError, named, read
from workshop_utils.accounts.overview import Overview, Row
from workshop_utils.accounts.visits import check, reset

__all__ = ["Account", "AccountsError", "Door", "Overview", "Row", "check", "named", "read", "reset"]

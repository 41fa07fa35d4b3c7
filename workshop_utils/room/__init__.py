"""The room: in which lab and section each account is, what runs there, what failed, what it costs.

All of it is read from tags and from what AWS lists and describes; nothing is written, and nobody
has to report anything. What an account holds is `sightings`' to ask, what that says about the
section `sections`' to know, and `board` shows it.
"""

from workshop_utils.room.board import Board, Row
from workshop_utils.room.rounds import Room
from workshop_utils.room.watch import watch

__all__ = ["Board", "Room", "Row", "watch"]

"""One database: what is kept is sealed on the way in, opened on the way out, one transaction at a time."""

from service.store.shapes import InboxRow, OutboxRow, Unread
from service.store.store import Store
from service.store.transaction import Guard, Transaction

__all__ = ["Guard", "InboxRow", "OutboxRow", "Store", "Transaction", "Unread"]

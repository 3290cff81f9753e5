"""Everything that speaks Matrix; the only place that imports nio and vodozemac.

It stands on matrix-nio where that is safe: its store interface on our sealed tables (`crypto_store`), its
account, its Olm and Megolm sessions (`machine`, `room_keys`, `sharing`), and its requests (`nio.api`, sent by
`transport`). Left out, each for a reason that was found by running it:
- `AsyncClient`, which moves the sync token before a batch is handled, hot-loops on 401 and 502, and keeps
  rooms that were left; so `sync` sends and reads for itself.
- `nio.crypto.olm_machine.Olm`, for the reasons that `machine` gives.
- `nio.events`, whose schemas throw away a message's words over a malformed ornament beside them, and cost a
  third of all our work on it; bounds on what strangers write would still be ours (`border`, `messages`).
- `MatrixRoom`, which counts an invited member as a member; `chats` is our own record of a room.
- its SAS, which knows neither rooms nor request, ready and done, nor identities; `verification` has its own.

vodozemac itself serves where nio has nothing: fallback keys, that SAS, checking signatures and keys, and the
index of a Megolm message before it is opened.
"""

"""Every write of the inbox: store, apply, park, send through again."""

from careloop.integration.actions.process import Processed, process_batch
from careloop.integration.actions.receive import Incoming, Receipt, receive_messages
from careloop.integration.actions.replay import (
    MessageNotFinished,
    OnlyTheSenderCanMend,
    content_seen,
    ignore_messages,
    map_department,
    replay_messages,
)
from careloop.integration.actions.sheets import (
    NotForTheWholeHospital,
    NothingToImport,
    SheetIsOnItsWay,
    SheetUnreadable,
    bring_sheet,
    drop_old_drafts,
    drop_sheet,
    read_columns,
    rows_taken,
    start_sheet,
    store_sheet,
)

__all__ = [
    "Incoming",
    "MessageNotFinished",
    "NotForTheWholeHospital",
    "NothingToImport",
    "OnlyTheSenderCanMend",
    "Processed",
    "Receipt",
    "SheetIsOnItsWay",
    "SheetUnreadable",
    "bring_sheet",
    "content_seen",
    "drop_old_drafts",
    "drop_sheet",
    "ignore_messages",
    "map_department",
    "process_batch",
    "read_columns",
    "receive_messages",
    "replay_messages",
    "rows_taken",
    "start_sheet",
    "store_sheet",
]

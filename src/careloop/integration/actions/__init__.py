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

__all__ = [
    "Incoming",
    "MessageNotFinished",
    "OnlyTheSenderCanMend",
    "Processed",
    "Receipt",
    "content_seen",
    "ignore_messages",
    "map_department",
    "process_batch",
    "receive_messages",
    "replay_messages",
]

"""Every write of this room. Import from here."""

from careloop.messaging.actions.claiming import Claim, claim_batch, record_results, release_batch
from careloop.messaging.actions.desk import (
    NotForYou,
    handle_reply,
    resend,
    settle_unknown,
    take_over,
)
from careloop.messaging.actions.letters import note_letter_end, note_letter_posted
from careloop.messaging.actions.merging import follow_merge, undo_merge
from careloop.messaging.actions.queueing import (
    CodeRefused,
    hold_back,
    queue_message,
    queue_messages,
    suppress_open,
)
from careloop.messaging.actions.receiving import mark_read, store_receipts, store_replies
from careloop.messaging.actions.staff import (
    StaffTemplateMissing,
    StaffValueMissing,
    queue_staff_message,
    read_staff_messages,
    settle_staff_message,
    take_staff_message,
)
from careloop.messaging.actions.sweeping import raise_outbox_alarm, rescue_stalled_jobs
from careloop.messaging.actions.templates import (
    TemplateStateRefused,
    approve_template,
    draft_template,
    load_templates,
    reject_template,
    retire_template,
    submit_template,
)
from careloop.messaging.reads.checking import TemplateRefused
from careloop.messaging.reads.desk import LinkMissing, ParameterMissing, ParameterUnknown, TemplateMissing

__all__ = [
    "Claim",
    "CodeRefused",
    "LinkMissing",
    "NotForYou",
    "ParameterMissing",
    "ParameterUnknown",
    "StaffTemplateMissing",
    "StaffValueMissing",
    "TemplateMissing",
    "TemplateRefused",
    "TemplateStateRefused",
    "approve_template",
    "claim_batch",
    "draft_template",
    "follow_merge",
    "hold_back",
    "handle_reply",
    "load_templates",
    "mark_read",
    "note_letter_end",
    "note_letter_posted",
    "queue_message",
    "queue_messages",
    "queue_staff_message",
    "raise_outbox_alarm",
    "read_staff_messages",
    "record_results",
    "reject_template",
    "release_batch",
    "rescue_stalled_jobs",
    "resend",
    "retire_template",
    "settle_staff_message",
    "settle_unknown",
    "store_receipts",
    "store_replies",
    "submit_template",
    "suppress_open",
    "take_over",
    "take_staff_message",
    "undo_merge",
]

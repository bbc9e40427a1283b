"""Every kind of long work in the background, on one page: what does one row, and what takes it back.

kind → its line. The room whose work it is owns the functions; the batches themselves know nothing of patients.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

import careloop.cohorts.jobs as cohorts_jobs
import careloop.plans.jobs as plans_jobs
from careloop.batches.reads import BatchKind
from careloop.cohorts.reads import wording as cohorts_words
from careloop.letters import jobs as letters

BATCH_KINDS: dict[str, BatchKind] = {
    "plans.adopt": BatchKind(
        label=_("New plan version taken over"), work=plans_jobs.adopt_one, permission="plans.publish",
        undo="plans.unadopt",
    ),
    "plans.unadopt": BatchKind(
        label=_("New plan version taken over: undo"), work=plans_jobs.unadopt_one, permission="plans.publish",
    ),
    "letters.letters": BatchKind(
        label=_("Making letters"), work=letters.one_letter, finish=letters.bind_letters,
        describe=letters.describe_patients, permission="letters.print", undo="letters.withdraw",
        work_many=letters.many_letters, choices=letters.letters_to_choose, prepare=letters.prepare_letters,
    ),
    "letters.withdraw": BatchKind(
        label=_("Withdrawing letters"), work=letters.withdraw_one, describe=letters.describe_patients,
        permission="letters.print",
    ),
    "letters.post": BatchKind(
        label=_("Posting letters"), work=letters.post_one, describe=letters.describe_patients,
        permission="letters.print",
    ),
    "cohorts.enrol-topic": BatchKind(
        label=_("Special topic: enrol"), work=cohorts_jobs.enrol_topic_member, permission="cohorts.start-topic",
        describe=cohorts_jobs.describe_patients, words=cohorts_words.exclusion_words,
    ),
    "cohorts.export": BatchKind(label=_("List as a file"), work=cohorts_jobs.make_list, permission="cohorts.export", chunk=1),
    "cohorts.assign": BatchKind(
        label=_("Assign tasks"), work=cohorts_jobs.assign, permission="tasks.distribute", chunk=50,
        describe=cohorts_jobs.describe_tasks, words=cohorts_words.exclusion_words, undo="cohorts.unassign",
    ),
    "cohorts.unassign": BatchKind(
        label=_("Assign tasks: undo"), work=cohorts_jobs.unassign, permission="tasks.distribute", chunk=50,
        describe=cohorts_jobs.describe_tasks, words=cohorts_words.exclusion_words,
    ),
    "cohorts.close": BatchKind(
        label=_("Close tasks"), work=cohorts_jobs.close, permission="tasks.work", chunk=50,
        describe=cohorts_jobs.describe_tasks, words=cohorts_words.exclusion_words, undo="cohorts.reopen",
    ),
    "cohorts.reopen": BatchKind(
        label=_("Close tasks: undo"), work=cohorts_jobs.reopen, permission="tasks.work", chunk=50,
        describe=cohorts_jobs.describe_tasks, words=cohorts_words.exclusion_words,
    ),
    "cohorts.send": BatchKind(
        label=_("Send a message"), work=cohorts_jobs.send, work_many=cohorts_jobs.send_many, permission="messaging.send",
        chunk=100, describe=cohorts_jobs.describe_patients, words=cohorts_words.exclusion_words, undo="cohorts.unsend",
    ),
    "cohorts.unsend": BatchKind(
        label=_("Send a message: undo"), work=cohorts_jobs.unsend, permission="messaging.send", chunk=50,
        describe=cohorts_jobs.describe_patients, words=cohorts_words.exclusion_words,
    ),
    "cohorts.enrol": BatchKind(
        label=_("Start a plan"), work=cohorts_jobs.enrol, permission="plans.personalise", chunk=10,
        describe=cohorts_jobs.describe_patients, words=cohorts_words.exclusion_words, undo="cohorts.unenrol",
    ),
    "cohorts.unenrol": BatchKind(
        label=_("Start a plan: undo"), work=cohorts_jobs.unenrol, permission="plans.personalise", chunk=10,
        describe=cohorts_jobs.describe_patients, words=cohorts_words.exclusion_words,
    ),
    "cohorts.tag": BatchKind(
        label=_("Put a tag on"), work=cohorts_jobs.tag, permission="cohorts.view", chunk=50,
        describe=cohorts_jobs.describe_patients, words=cohorts_words.exclusion_words, undo="cohorts.untag",
    ),
    "cohorts.untag": BatchKind(
        label=_("Put a tag on: undo"), work=cohorts_jobs.untag, permission="cohorts.view", chunk=50,
        describe=cohorts_jobs.describe_patients, words=cohorts_words.exclusion_words,
    ),
}  # fmt: skip

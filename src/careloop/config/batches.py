"""Every kind of long work in the background, on one page: what does one row, and what takes it back.

kind → its line. The room whose work it is owns the functions; the batches themselves know nothing of patients.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

import careloop.plans.jobs as plans_jobs
from careloop.batches.reads import BatchKind
from careloop.letters import jobs as letters

BATCH_KINDS: dict[str, BatchKind] = {
    "plans.adopt": BatchKind(label=_("New plan version taken over"), work=plans_jobs.adopt_one, permission="plans.publish"),
    "letters.letters": BatchKind(
        label=_("Making letters"), work=letters.one_letter, finish=letters.bind_letters,
        describe=letters.describe_patients, permission="letters.print", undo="letters.withdraw",
    ),
    "letters.withdraw": BatchKind(
        label=_("Withdrawing letters"), work=letters.withdraw_one, describe=letters.describe_patients,
        permission="letters.print",
    ),
    "letters.post": BatchKind(
        label=_("Posting letters"), work=letters.post_one, describe=letters.describe_patients,
        permission="letters.print",
    ),
}  # fmt: skip

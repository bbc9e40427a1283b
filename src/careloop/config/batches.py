"""Every kind of long work in the background, on one page: what does one row, and what takes it back.

kind → its line. The room whose work it is owns the functions; the batches themselves know nothing of patients.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

import careloop.plans.jobs as plans_jobs
from careloop.batches.reads import BatchKind

BATCH_KINDS: dict[str, BatchKind] = {
    "plans.adopt": BatchKind(label=_("New plan version taken over"), work=plans_jobs.adopt_one, permission="plans.publish"),
}

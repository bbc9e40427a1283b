"""Every kind of long work in the background, on one page: what does one row, and what takes it back.

kind → its line. The room whose work it is owns the functions; the batches themselves know nothing of patients.
"""

from __future__ import annotations

from careloop.batches.reads import BatchKind

BATCH_KINDS: dict[str, BatchKind] = {}

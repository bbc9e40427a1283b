"""What a process that lives long does about Python's collector of rubbish."""

from __future__ import annotations

import gc


def settle() -> None:
    """What was loaded at the start stays: the collector need not walk it again with every few requests or messages."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)

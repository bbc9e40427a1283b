"""Whether a sample is accepted, and how much further one looks when it is not. The numbers are data (content/sampling.json)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptancePlan:
    """`limits` are (sample size from, serious records still accepted); the last line that fits counts."""

    version: str
    limits: tuple[tuple[int, int], ...]
    widen_factor: float
    kappa_floor: float
    kappa_needs_records: int
    least_reached_share: float

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> AcceptancePlan:
        told = data["acceptance"]
        return cls(
            version=data["version"],
            limits=tuple((line["from"], line["accept"]) for line in told["limits"]),
            widen_factor=told["widen_factor"],
            kappa_floor=told["kappa_floor"],
            kappa_needs_records=told["kappa_needs_records"],
            least_reached_share=told["least_reached_share"],
        )

    def accepts(self, size: int) -> int:
        """How many records with a serious difference a sample of this size may have."""
        return max((accept for least, accept in self.limits if size >= least), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from a finished sample. `reasons` are codes: too-many-serious | low-kappa | too-few-reached."""

    accepted: bool
    checked: int
    serious: int
    allowed: int
    reasons: tuple[str, ...]
    next_size: int  # of the widened sample; 0 when accepted or when nothing is left to draw


def decide(
    *,
    plan: AcceptancePlan,
    drawn: int,
    outcomes: Sequence[str],
    kappa_high: float | None,
    blind_records: int,
    left_in_population: int,
) -> Decision:
    """Judge a sample whose records are all settled. `outcomes`: agrees | differs | serious | not-reached, one a record.

    Patients who could not be asked again count as not checked; when they are too many the sample says too little and
    is widened as well. Kappa only speaks when enough records were asked blind, and only when even the upper end of its
    interval is below the floor. Raises ValueError while a record is open.
    """
    if len(outcomes) != drawn:
        raise ValueError("records are still open")
    checked = sum(outcome != "not-reached" for outcome in outcomes)
    serious = sum(outcome == "serious" for outcome in outcomes)
    allowed = plan.accepts(checked)
    reasons = []
    if serious > allowed:
        reasons.append("too-many-serious")
    if kappa_high is not None and blind_records >= plan.kappa_needs_records and kappa_high < plan.kappa_floor:
        reasons.append("low-kappa")
    if drawn and checked / drawn < plan.least_reached_share:
        reasons.append("too-few-reached")
    wanted = max(drawn + 1, round(drawn * plan.widen_factor)) if reasons else 0
    return Decision(
        accepted=not reasons, checked=checked, serious=serious, allowed=allowed, reasons=tuple(reasons),
        next_size=min(wanted, left_in_population),
    )  # fmt: skip

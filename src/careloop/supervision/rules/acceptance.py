"""Whether a sample is accepted, and how much further one looks when it is not. The risks are data (content/sampling.json).

How many serious records a sample may have is not read from a table: it follows from two risks, for the very numbers of the
sample (hypergeometric: drawn without replacement from a list of known length). The one who is checked is wronged when good
work is not accepted (producer's risk, at the acceptable share); everybody else when bad work is (consumer's risk, at the
share that must not pass). Where a small sample cannot hold both, the consumer's comes first: a wider sample costs a look, an
accepted bad one costs patients. Schilling EG, Neubauer DV. Acceptance Sampling in Quality Control, 3rd ed. 2017, ch. 5;
Kiermeier A. Visualizing and assessing acceptance sampling plans. J Stat Softw 2008;26(6). Both risks hold for records drawn
alike; where records that look odd are drawn more often, more serious ones are met and the plan is stricter than it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptancePlan:
    """Shares of records with a serious difference: `acceptable` passes but for `producer_risk`, `limiting` only by
    `consumer_risk`."""

    version: str
    acceptable: float
    producer_risk: float
    limiting: float
    consumer_risk: float
    widen_factor: float
    kappa_floor: float
    kappa_needs_records: int
    least_reached_share: float

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> AcceptancePlan:
        told = data["acceptance"]
        return cls(
            version=data["version"], acceptable=told["acceptable_share"], producer_risk=told["producer_risk"],
            limiting=told["limiting_share"], consumer_risk=told["consumer_risk"], widen_factor=told["widen_factor"],
            kappa_floor=told["kappa_floor"], kappa_needs_records=told["kappa_needs_records"],
            least_reached_share=told["least_reached_share"],
        )  # fmt: skip

    def accepts(self, size: int, population: int) -> int:
        """How many records with a serious difference a sample of this size from a list of this length may have.

        The fewest that keep the producer's risk, and never more than keep the consumer's; none when not even one does.
        """
        good, bad = self._shares(population)
        passed, wanted = 0.0, -1
        while passed < 1 - self.producer_risk - 1e-9:
            wanted += 1
            passed += chance_of(wanted, size, good, population)
        while wanted > 0 and passes(wanted, size, bad, population) > self.consumer_risk + 1e-9:
            wanted -= 1
        return wanted

    def _shares(self, population: int) -> tuple[int, int]:
        """How many serious records a list of this length has when it is just good enough, and when it is too bad."""
        return math.floor(self.acceptable * population + 1e-9), math.ceil(self.limiting * population - 1e-9)

    def risks(self, size: int, population: int, accepted: int | None = None) -> tuple[float, float]:
        """What accepting so many (by default the plan's own number) costs: (good work not accepted, bad work accepted)."""
        c = self.accepts(size, population) if accepted is None else accepted
        good, bad = self._shares(population)
        return 1 - passes(c, size, good, population), passes(c, size, bad, population)


def passes(accepted: int, size: int, serious: int, population: int) -> float:
    """P(a sample of `size` from `population` records, `serious` of them so, has at most `accepted` of these).

    Raises ValueError for a sample larger than its list.
    """
    return min(1.0, math.fsum(chance_of(k, size, serious, population) for k in range(min(accepted, size) + 1)))


def chance_of(found: int, size: int, serious: int, population: int) -> float:
    """P(exactly so many serious records in the sample), by logarithms: lists have thousands of records."""
    if not 0 <= size <= population or not 0 <= serious <= population:
        raise ValueError("the sample does not fit its list")
    if found > min(size, serious) or size - found > population - serious:
        return 0.0
    return math.exp(
        _ways(serious, found) + _ways(population - serious, size - found) - _ways(population, size)
    )  # fmt: skip


def _ways(n: int, k: int) -> float:
    """Logarithm of n over k."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from a finished sample. `reasons` are codes: too-many-serious | low-kappa | too-few-reached."""

    accepted: bool
    checked: int
    serious: int
    allowed: int
    reasons: tuple[str, ...]
    producer_risk: float  # with the numbers of this sample: that good work is not accepted
    consumer_risk: float  # … and that bad work is
    next_size: int  # of the widened sample; 0 when accepted or when nothing is left to draw


def decide(
    *,
    plan: AcceptancePlan,
    drawn: int,
    outcomes: Sequence[str],
    kappa_high: float | None,
    blind_records: int,
    population: int,
) -> Decision:
    """Judge a sample from a list of `population` records when all of its own are settled. `outcomes`: agrees | differs | serious | not-reached, one a record.

    Patients who could not be asked again count as not checked; when they are too many the sample says too little and
    is widened as well. Kappa only speaks when enough records were asked blind, and only when even the upper end of its
    interval is below the floor. Raises ValueError while a record is open.
    """
    if len(outcomes) != drawn:
        raise ValueError("records are still open")
    checked = sum(outcome != "not-reached" for outcome in outcomes)
    serious = sum(outcome == "serious" for outcome in outcomes)
    allowed = plan.accepts(checked, population)
    producer, consumer = plan.risks(checked, population)
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
        producer_risk=producer, consumer_risk=consumer, next_size=min(wanted, population - drawn),
    )  # fmt: skip

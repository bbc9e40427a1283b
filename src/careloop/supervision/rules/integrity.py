"""Indicators of record integrity: each a count, how likely honest work alone gives so many, and the records to look at.

An indicator is a reason to look, never a verdict. Limits are data (content/integrity.json); what they cost honest people
and how many inventors they find is measured by `careloop integrity-study`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from careloop.supervision.rules.records import Record
from careloop.supervision.rules.shading import Band, Cells, cells_of, shading
from careloop.supervision.rules.shading import together as add_cells
from careloop.supervision.rules.weighing import is_copy, too_fast

SINGLE = ("no-attempt", "tempo", "copied", "just-under", "written-down", "last-digits", "nothing-found", "contradicted")
CODES = (*SINGLE, "together")
MOST_EVIDENCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One indicator of one person's month. `chance` None: there was too little to judge."""

    code: str
    cases: int = 0
    out_of: int = 0
    chance: float | None = None
    fires: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    """What the other people of the department found in the same time: the yardstick for three of the indicators."""

    under: int = 0
    in_band: int = 0
    with_findings: int = 0
    records: int = 0
    cells: Mapping[str, Cells] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Sequence[Record], limits: Mapping[str, Any]) -> Peers:
        under, over = band_counts(records, limits["bands"])
        return cls(
            under=len(under), in_band=len(under) + len(over),
            with_findings=sum(record.findings > 0 for record in records), records=len(records),
            cells=cells_by_code(records, limits["bands"]),
        )  # fmt: skip

    @classmethod
    def sum(cls, months: Sequence[Peers]) -> Peers:
        """The figures of several months together."""
        codes = {code for month in months for code in month.cells}
        return cls(
            under=sum(month.under for month in months), in_band=sum(month.in_band for month in months),
            with_findings=sum(month.with_findings for month in months), records=sum(month.records for month in months),
            cells={code: add_cells(month.cells[code] for month in months if code in month.cells) for code in codes},
        )  # fmt: skip


def cells_by_code(records: Sequence[Record], bands: Mapping[str, Mapping[str, Any]]) -> dict[str, Cells]:
    """For each kind of reading, how many lie in which zone around its limit."""
    return {
        code: cells_of((one.readings[code] for one in records if code in one.readings), Band.from_data(band))
        for code, band in bands.items()
    }


def indicators(
    records: Sequence[Record], peers: Peers, limits: Mapping[str, Any], *, months: int = 1
) -> tuple[Indicator, ...]:
    """Every indicator of one person's records, in the order of CODES.

    Over several months the same counts are judged by their own, stricter limits (`over_months`): a small share of invention
    shows there that a month cannot show, and the false alarms of both together are what the study measures.
    """
    if months > 1:
        limits = {**limits, **{code: {**limits[code], **told} for code, told in limits["over_months"].items()}}
    single = (
        no_attempt(records, limits["no-attempt"]),
        tempo(records, limits["tempo"]),
        copied(records, limits["copied"]),
        just_under(records, peers, limits["just-under"], limits["bands"]),
        written_down(records, peers, limits["written-down"], limits["bands"]),
        last_digits(records, limits["last-digits"]),
        nothing_found(records, peers, limits["nothing-found"]),
        contradicted(records, limits["contradicted"]),
    )
    return (*single, together(single, limits["together"]))


def no_attempt(records: Sequence[Record], limit: Mapping[str, Any]) -> Indicator:
    """Phone records without a call in which somebody was reached, or with one too short to have asked anything."""
    calls = [record for record in records if record.is_call]
    without = [one.id for one in calls if one.call_seconds is None or one.call_seconds < limit["short_seconds"]]
    return _upper("no-attempt", without, len(calls), limit)


def tempo(records: Sequence[Record], limit: Mapping[str, Any]) -> Indicator:
    """Calls completed faster one after another than their questions can be asked."""
    calls = [record for record in records if record.is_call]
    fast = too_fast(calls, seconds_per_question=limit["seconds_per_question"])
    return _upper("tempo", fast, len(calls), limit)


def copied(records: Sequence[Record], limit: Mapping[str, Any]) -> Indicator:
    """Records that repeat the patient's last one answer by answer, measured numbers included."""
    comparable = [record for record in records if record.earlier is not None and len(record.readings) >= 2]
    return _upper("copied", [record.id for record in comparable if is_copy(record)], len(comparable), limit)


def band_counts(records: Sequence[Record], bands: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Records with a reading just under, and just at or above, a limit that has consequences."""
    under, over = [], []
    for record in records:
        for code, band in bands.items():
            value = record.readings.get(code)
            if value is None:
                continue
            if band["at"] - band["width"] <= value < band["at"]:
                under.append(record.id)
            elif band["at"] <= value < band["at"] + band["width"]:
                over.append(record.id)
    return under, over


def just_under(
    records: Sequence[Record], peers: Peers, limit: Mapping[str, Any], bands: Mapping[str, Mapping[str, Any]]
) -> Indicator:
    """Readings that gather just under a limit: among those near it, more lie under it than among the colleagues'.

    The comparison is the department in the same month, so that well-treated patients are no suspicion; never below the
    share that is `honest_share` by itself, never above `most_share`, so that a whole department cannot hide in itself.
    """
    under, over = band_counts(records, bands)
    share = limit["honest_share"]
    if peers.in_band >= limit["peers_least"]:
        share = min(limit["most_share"], max(share, peers.under / peers.in_band + limit["margin"]))
    return _upper("just-under", under, len(under) + len(over), {**limit, "honest_share": share})


def written_down(
    records: Sequence[Record], peers: Peers, limit: Mapping[str, Any], bands: Mapping[str, Mapping[str, Any]]
) -> Indicator:
    """Readings over a limit that seem to have been written as just under it: a gap and a heap that the person's own level,
    spread and rounding do not explain, beyond what the colleagues' readings show (rules/shading.py)."""
    under, over = band_counts(records, bands)
    near = len(under) + len(over)
    found = shading(
        cells_by_code(records, bands), peers.cells, {code: Band.from_data(band) for code, band in bands.items()}, limit
    )
    if found is None:
        return Indicator(code="written-down", cases=len(under), out_of=near)
    return Indicator(
        code="written-down", cases=len(under), out_of=near, chance=found.chance, fires=found.chance <= limit["chance"],
        facts={"shaded": round(max(0.0, found.share), 3), "honest_share": round(max(0.0, found.honest_share), 3)},
        evidence=_some(under),
    )  # fmt: skip


def together(single: Sequence[Indicator], limit: Mapping[str, Any]) -> Indicator:
    """Several indicators that are each a little high: their chances as one (Fisher RA. Statistical Methods for Research
    Workers, 4th ed. 1932, § 21.1). Those not judged say nothing, and none counts as less likely than `floor`: one that
    fires by itself is said by itself."""
    told = [one for one in single if one.chance is not None]
    if len(told) < limit["least"]:
        return Indicator(code="together", out_of=len(told))
    chance = fisher([max(one.chance or 0.0, limit["floor"]) for one in told])
    raised = [one for one in told if (one.chance or 0.0) <= limit["raised"]]
    return Indicator(
        code="together", cases=len(raised), out_of=len(told), chance=chance, fires=chance <= limit["chance"],
        facts={"raised": [one.code for one in raised]},
        evidence=_some([id_ for one in raised for id_ in one.evidence]),
    )  # fmt: skip


def fisher(chances: Sequence[float]) -> float:
    """How likely independent chances are that small together: the tail of χ² with twice as many degrees of freedom."""
    half = -sum(math.log(max(chance, 1e-300)) for chance in chances)
    term = total = math.exp(-half)
    for k in range(1, len(chances)):
        term *= half / k
        total += term
    return min(1.0, total)


def last_digits(records: Sequence[Record], limit: Mapping[str, Any]) -> Indicator:
    """Last digits of measured blood pressures: far more noughts than reading by hand explains, or hardly any 0 and 5.

    Reading by hand honestly prefers noughts (O'Brien E. et al.; digit preference of 30 to 60 % is common), a device
    gives each digit equally often. Invented numbers avoid round ends, or are nothing but 120/80.
    """
    digits = [
        (record.id, int(record.readings[code]) % 10)
        for record in records
        for code in limit["codes"]
        if code in record.readings
    ]
    n = len(digits)
    if n < limit["least"]:
        return Indicator(code="last-digits", out_of=n)
    noughts = [id_ for id_, digit in digits if digit == 0]
    round_ends = [id_ for id_, digit in digits if digit in (0, 5)]
    many, few = at_least(len(noughts), n, limit["most_noughts"]), at_most(len(round_ends), n, limit["least_round"])
    too_many = many <= few
    chance = min(1.0, 2 * min(many, few))
    cases = noughts if too_many else [id_ for id_, digit in digits if digit not in (0, 5)]
    return Indicator(
        code="last-digits", cases=len(cases), out_of=n, chance=chance, fires=chance <= limit["chance"],
        facts={"kind": "many-noughts" if too_many else "few-round", "noughts": len(noughts), "round": len(round_ends)},
        evidence=_some(cases),
    )  # fmt: skip


def nothing_found(records: Sequence[Record], peers: Peers, limit: Mapping[str, Any]) -> Indicator:
    """Hardly a record with anything worth a rule, although the colleagues' patients have plenty."""
    n = len(records)
    if n < limit["least"] or peers.records < limit["peers_least"]:
        return Indicator(code="nothing-found", out_of=n)
    share = limit["factor"] * peers.with_findings / peers.records
    with_findings = sum(record.findings > 0 for record in records)
    chance = at_most(with_findings, n, share)
    perfect = [record.id for record in records if not record.findings]
    return Indicator(
        code="nothing-found", cases=len(perfect), out_of=n, chance=chance, fires=chance <= limit["chance"],
        facts={"with_findings": with_findings, "peers_share": round(peers.with_findings / peers.records, 3)},
        evidence=_some(perfect),
    )  # fmt: skip


def contradicted(records: Sequence[Record], limit: Mapping[str, Any]) -> Indicator:
    """Records that level 2 or 3 found seriously different, of those that were checked."""
    checked = [record for record in records if record.second_look]
    serious = [record.id for record in checked if record.second_look == "serious"]
    return _upper("contradicted", serious, len(checked), limit)


def _upper(code: str, cases: Sequence[str], out_of: int, limit: Mapping[str, Any]) -> Indicator:
    """Fires when honest work with the largest share one may expect of it would give so many less often than `chance`."""
    if out_of < limit["least"]:
        return Indicator(code=code, cases=len(cases), out_of=out_of)
    chance = at_least(len(cases), out_of, limit["honest_share"])
    return Indicator(
        code=code, cases=len(cases), out_of=out_of, chance=chance, fires=chance <= limit["chance"],
        facts={"honest_share": round(limit["honest_share"], 3)}, evidence=_some(cases),
    )  # fmt: skip


def _some(ids: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))[:MOST_EVIDENCE]


def at_least(k: int, n: int, p: float) -> float:
    """P(X ≥ k) of n tries with chance p each (binomial, exact)."""
    if k <= 0:
        return 1.0
    return min(1.0, math.fsum(_probability(i, n, p) for i in range(k, n + 1)))


def at_most(k: int, n: int, p: float) -> float:
    """P(X ≤ k) of n tries with chance p each (binomial, exact)."""
    if k >= n:
        return 1.0
    return min(1.0, math.fsum(_probability(i, n, p) for i in range(k + 1)))


def _probability(k: int, n: int, p: float) -> float:
    if p <= 0:
        return float(k == 0)
    if p >= 1:
        return float(k == n)
    log = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
    return math.exp(log)

"""Fair distribution: pure, deterministic, no clock. The same people and the same work always give the same answer.

How to use it
-------------
`share(items, carers)` gives one day's work away. It answers with one owner per item, in the order of the items::

    carers = [Carer(id="wang", capacity=40, skills=frozenset({"dept:CARD"})), Carer(id="li", capacity=20)]
    items = [Item(id=1, keeper="wang", needs=frozenset({"dept:CARD"})), Item(id=2)]
    result = share(items, carers)
    result.owners            # ("wang", "li"): aligned with items, None = it did not fit into anybody's day
    result.why               # ("continuity", "balance"): aligned; "full" or "nobody-able" where the owner is None
    result.loads             # {"wang": 1, "li": 1}: what each person has afterwards, `load` included

`share_days(days, carers_on)` does a whole period, day after day: what did not fit comes first on the next day, whoever
had a patient keeps the patient, and the odd one of a day goes to whoever had the fewest so far. It yields one
`DayShared` per day and never holds more than one day::

    for day in share_days(((date, [Item(id=…, subject=patient)]), …), carers_on=lambda date: carers):
        fairness(day.shared.counts(), …)

- Ids are anything hashable that sorts (UUID, int, str); use one type throughout. Plain ints are the fastest.
- An item is one contact: all of one patient's work of the day (make it one item before asking, `subject` = patient).
- `needs ⊆ skills` decides who may do it. A department is such a need, too ("dept:<code>").
- `capacity` is of this day (see presence.capacity_on): 0 = away. `load` counts what the person has already.
- Time O(n log n); a million items over a quarter take seconds (tests/test_rules_sharing.py counts the steps).

What is promised (each a property test)
---------------------------------------
1. Nobody starves: while work is left over for lack of room, nobody who may do it has room left; an item is left over
   only when no arrangement of the more important ones makes room for it.
2. Fair: among people of equal capacity who may do the same work, most − least ≤ 1 (more precisely: no exchange or chain
   of exchanges makes the shares, measured against capacity, more even).
3. Continuity second: within the fair shares, as many patients as possible stay with the nurse they know; exactly the most
   possible when all items have the same needs, and beyond that no exchange of two items would keep more.
4. The order of `carers` does not matter, and nothing is random.
"""

from careloop.rosters.rules.fairness import Fairness, PersonDay, fairness, gini, spread
from careloop.rosters.rules.presence import (
    AFTERNOON,
    HALVES,
    MORNING,
    Away,
    OnDuty,
    capacity_on,
    halves_on,
    overlap,
)
from careloop.rosters.rules.sharing import Carer, DayShared, Item, Shared, share, share_days

__all__ = [
    "AFTERNOON",
    "HALVES",
    "MORNING",
    "Away",
    "Carer",
    "DayShared",
    "Fairness",
    "Item",
    "OnDuty",
    "PersonDay",
    "Shared",
    "capacity_on",
    "fairness",
    "gini",
    "halves_on",
    "overlap",
    "share",
    "share_days",
    "spread",
]

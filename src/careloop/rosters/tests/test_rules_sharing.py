"""The promises of rules/__init__.py, each as a property over small worlds, and compared with trying everything."""

import random
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careloop.rosters import rules
from careloop.rosters.rules import Carer, Item, share, share_days
from careloop.rosters.rules import sharing as sharing_rules

SKILLS = [frozenset(), frozenset("a"), frozenset("b"), frozenset("ab")]
DAY = date(2026, 11, 20)

carers_of_a_team = st.lists(
    st.builds(
        lambda capacity, load, skills, had: {"capacity": capacity, "load": load, "skills": skills, "had": had},
        st.integers(0, 5), st.integers(0, 2), st.sampled_from(SKILLS), st.integers(0, 3),
    ),
    max_size=5,
).map(lambda rows: [Carer(id=n, **row) for n, row in enumerate(rows)])  # fmt: skip
work = st.lists(st.tuples(st.one_of(st.none(), st.integers(0, 6)), st.sampled_from(SKILLS)), max_size=14).map(
    lambda rows: [Item(id=n, keeper=keeper, needs=needs) for n, (keeper, needs) in enumerate(rows)]
)
equals = st.integers(1, 6).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(1, 8)).map(
        lambda given: [Carer(id=number, capacity=given[1]) for number in range(given[0])]
    )
)
same_work = st.lists(st.one_of(st.none(), st.integers(0, 7)), max_size=30).map(
    lambda keepers: [Item(id=n, keeper=keeper) for n, keeper in enumerate(keepers)]
)


def able(item, carer):
    return carer.capacity > 0 and item.needs <= carer.skills


@given(work, carers_of_a_team)
def test_every_item_has_at_most_one_owner_who_may_do_it_and_has_room(items, carers):
    result = share(items, carers)
    by_id = {carer.id: carer for carer in carers}
    assert len(result.owners) == len(result.why) == len(items)
    for item, owner in zip(items, result.owners, strict=True):
        assert owner is None or able(item, by_id[owner])
    got = Counter(owner for owner in result.owners if owner is not None)
    for carer in carers:
        assert result.loads[carer.id] == carer.load + got[carer.id]
        assert got[carer.id] == 0 or result.loads[carer.id] <= carer.capacity
    assert result.counts() == {carer.id: got[carer.id] for carer in carers}


@given(work, carers_of_a_team)
def test_nobody_starves_no_room_stays_empty_beside_work_that_fits(items, carers):
    result = share(items, carers)
    for item in result.left_over:
        for carer in carers:
            assert not able(item, carer) or result.loads[carer.id] >= carer.capacity


@given(work, carers_of_a_team, st.randoms(use_true_random=False))
def test_the_same_input_gives_the_same_output_in_whatever_order_people_come(items, carers, chance):
    shuffled = list(carers)
    chance.shuffle(shuffled)
    once, again = share(items, carers), share(list(items), shuffled)
    assert (once.owners, once.why) == (again.owners, again.why)


@given(same_work, equals)
def test_most_minus_least_is_at_most_one_within_equal_capacity(items, carers):
    result = share(items, carers)
    assert rules.spread(list(result.counts().values())) <= 1
    room = sum(carer.capacity for carer in carers)
    assert len(result.left_over) == max(0, len(items) - room)


@given(same_work, equals)
def test_continuity_is_kept_exactly_as_often_as_the_fair_shares_allow(items, carers):
    result = share(items, carers)
    counts = result.counts()
    admitted = [item for item, owner in zip(items, result.owners, strict=True) if owner is not None]
    wanted = Counter(item.keeper for item in admitted if item.keeper is not None)
    possible = sum(min(counts[carer.id], wanted[carer.id]) for carer in carers)
    assert result.why.count("continuity") == possible


@given(same_work, equals)
def test_the_odd_one_goes_to_whoever_is_known_best(items, carers):
    """Two people with equal shares so far: the extra item goes to the one with more patients of their own."""
    result = share(items, carers)
    counts, wanted = result.counts(), Counter(item.keeper for item in items)
    for one, other in product(carers, carers):
        if counts[one.id] > counts[other.id]:
            assert wanted[one.id] >= wanted[other.id]


@given(work, carers_of_a_team)
def test_no_exchange_of_two_items_would_keep_more_patients_with_their_person(items, carers):
    result = share(items, carers)
    by_id = {carer.id: carer for carer in carers}
    placed = [(item, owner) for item, owner in zip(items, result.owners, strict=True) if owner is not None]
    for (item, owner), (other, holder) in product(placed, placed):
        lonely = item.keeper == holder != owner and other.keeper != holder
        assert not (lonely and able(item, by_id[holder]) and able(other, by_id[owner]))


def unevenness(carers, loads):
    """The convex cost of which the rule seeks the least: each further piece costs what it adds against capacity."""
    return sum(Fraction(loads[c.id] * (loads[c.id] + 1), c.capacity) for c in carers if c.capacity)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.none(), st.sampled_from(SKILLS)), max_size=6).map(
        lambda rows: [Item(id=n, needs=needs) for n, (_keeper, needs) in enumerate(rows)]
    ),
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 1), st.sampled_from(SKILLS)), min_size=1, max_size=4
    ).map(lambda rows: [Carer(id=n, capacity=c, load=load, skills=s) for n, (c, load, s) in enumerate(rows)]),
)  # fmt: skip
def test_as_many_as_possible_and_as_even_as_possible_compared_with_trying_everything(items, carers):
    result = share(items, carers)
    admitted = [item for item, owner in zip(items, result.owners, strict=True) if owner is not None]
    most, evenest = 0, None
    for choice in product([None, *carers], repeat=len(items)):
        given_out = [(item, carer) for item, carer in zip(items, choice, strict=True) if carer is not None]
        if not all(able(item, carer) for item, carer in given_out):
            continue
        got = Counter(carer.id for _item, carer in given_out)
        if any(got[carer.id] and carer.load + got[carer.id] > carer.capacity for carer in carers):
            continue
        most = max(most, len(given_out))
        if [item for item, _carer in given_out] == admitted:
            cost = unevenness(carers, {carer.id: carer.load + got[carer.id] for carer in carers})
            evenest = cost if evenest is None else min(evenest, cost)
    assert len(admitted) == most
    assert unevenness(carers, result.loads) == evenest


@settings(max_examples=200)
@given(work, st.integers(1, 5), st.lists(st.sampled_from(SKILLS), min_size=1, max_size=5))
def test_no_chain_of_exchanges_would_make_equal_people_more_even(items, capacity, skills):
    """Even among different skills: nobody two above somebody to whom one of their items could simply go."""
    carers = [Carer(id=n, capacity=capacity, skills=s) for n, s in enumerate(skills)]
    result = share(items, carers)
    by_id = {carer.id: carer for carer in carers}
    for item, owner in zip(items, result.owners, strict=True):
        if owner is None:
            continue
        for carer in carers:
            if able(item, by_id[carer.id]):
                assert result.loads[owner] <= result.loads[carer.id] + 1


def test_the_less_important_is_left_over():
    result = share([Item(id=n) for n in range(5)], [Carer(id=1, capacity=3)])
    assert [item.id for item in result.left_over] == [3, 4]
    assert result.why == ("balance", "balance", "balance", "full", "full")


def test_work_moves_on_along_a_chain_so_that_the_skilled_have_room():
    """b can do everything, a only plain work: the plain work came first but must not lock the special work out."""
    items = [Item(id=1), Item(id=2), Item(id=3, needs=frozenset("x"))]
    carers = [Carer(id="a", capacity=2), Carer(id="b", capacity=1, skills=frozenset("x"))]
    assert share(items, carers).owners == ("a", "a", "b")


def test_work_that_nobody_can_do_says_so():
    result = share([Item(id=1, needs=frozenset("x")), Item(id=2)], [Carer(id="a", capacity=2)])
    assert result.owners == (None, "a")
    assert result.why == ("nobody-able", "balance")


def test_nobody_here_today():
    away = [Carer(id="a", capacity=0), Carer(id="b", capacity=0)]
    result = share([Item(id=1, keeper="a")], away)
    assert result.owners == (None,)
    assert result.loads == {"a": 0, "b": 0}


def test_no_work_and_no_people():
    assert share([], [Carer(id=1, capacity=5)]).owners == ()
    assert share([Item(id=1)], []).why == ("nobody-able",)


def test_half_the_capacity_gets_half_the_work():
    counts = share([Item(id=n) for n in range(30)], [Carer(id="a", capacity=40), Carer(id="b", capacity=20)]).counts()
    assert counts == {"a": 20, "b": 10}


def test_what_somebody_has_already_counts():
    counts = share(
        [Item(id=n) for n in range(4)], [Carer(id="a", capacity=9, load=4), Carer(id="b", capacity=9)]
    ).counts()
    assert counts == {"a": 0, "b": 4}


def test_whoever_is_over_the_limit_already_gets_nothing():
    counts = share([Item(id=1)], [Carer(id="a", capacity=2, load=5), Carer(id="b", capacity=2, load=1)]).counts()
    assert counts == {"a": 0, "b": 1}


def test_two_patients_of_different_kinds_change_places_for_continuity():
    skills = frozenset({"k1", "k2"})
    carers = [Carer(id="a", capacity=1, skills=skills), Carer(id="b", capacity=1, skills=skills)]
    items = [
        Item(id=1, keeper="b", needs=frozenset({"k1"})),
        Item(id=2, keeper="a", needs=frozenset({"k2"})),
    ]
    result = share(items, carers)
    assert result.owners == ("b", "a")
    assert result.why == ("continuity", "continuity")


def test_ids_may_be_uuids():
    result = share([Item(id=UUID(int=9), keeper=UUID(int=2))], [Carer(id=UUID(int=n), capacity=1) for n in (1, 2)])
    assert result.owners == (UUID(int=2),)


# -- a whole period ---------------------------------------------------------------------------------------------------


def quarter(n_days, per_day, patients, seed=7):
    chance = random.Random(seed)
    for n in range(n_days):
        yield (
            DAY + timedelta(days=n),
            [Item(id=(n, k), subject=chance.randrange(patients)) for k in range(per_day)],
        )


def test_over_a_period_equals_stay_within_one_of_each_other():
    """Not only each day: the odd one of a day goes to whoever had the fewest so far."""
    carers = [Carer(id=n, capacity=20) for n in range(7)]
    total = Counter()
    for day in share_days(quarter(60, 100, 500), lambda _day: carers):
        counts = day.shared.counts()
        assert rules.spread(list(counts.values())) <= 1
        total.update(counts)
    assert rules.spread(list(total.values())) <= 1
    assert sum(total.values()) == 6000


def test_whoever_had_a_patient_keeps_the_patient():
    carers = [Carer(id=n, capacity=5) for n in range(3)]
    days = [(DAY + timedelta(days=n), [Item(id=(n, s), subject=s) for s in range(9)]) for n in range(10)]
    owners = [dict(zip(range(9), day.shared.owners, strict=True)) for day in share_days(days, lambda _d: carers)]
    assert all(one == owners[0] for one in owners)


def test_what_did_not_fit_comes_first_the_next_day_and_nothing_is_lost():
    carers = [Carer(id="a", capacity=3)]
    days = [
        (DAY, [Item(id=n) for n in range(5)]),
        (DAY + timedelta(days=1), [Item(id=9)]),
        (DAY + timedelta(days=2), []),
    ]
    found = list(share_days(days, lambda _d: carers))
    assert [[i.id for i in day.shared.items] for day in found] == [[0, 1, 2, 3, 4], [3, 4, 9], []]
    assert [day.waiting for day in found] == [0, 2, 0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(1, 3), st.integers(1, 3))
def test_nothing_waits_behind_something_younger(sizes, people, capacity):
    carers = [Carer(id=n, capacity=capacity) for n in range(people)]
    days = [(DAY + timedelta(days=n), [Item(id=(n, k)) for k in range(size)]) for n, size in enumerate(sizes)]
    done = []
    for day in share_days(days, lambda _d: carers):
        done += [item.id for item, owner in zip(day.shared.items, day.shared.owners, strict=True) if owner is not None]
    assert done == sorted(done)


def test_somebody_away_in_the_middle_gets_nothing_and_their_patients_come_back_to_them():
    days = [(DAY + timedelta(days=n), [Item(id=(n, s), subject=s) for s in range(4)]) for n in range(3)]

    def here(day):
        away = day == DAY + timedelta(days=1)
        return [Carer(id="a", capacity=0 if away else 4), Carer(id="b", capacity=4)]

    first, second, third = share_days(days, here)
    assert set(second.shared.owners) == {"b"}
    assert third.shared.owners == first.shared.owners


def test_the_work_grows_with_the_items_and_not_with_their_square(monkeypatch):
    """Counted, not timed: ten times the items cost at most twelve times the steps."""
    steps = Counter()
    for name in ("_bid", "_give", "_reach"):
        whole = getattr(sharing_rules._Board, name)

        def counted(self, *args, whole=whole):
            steps[size] += 1
            return whole(self, *args)

        monkeypatch.setattr(sharing_rules._Board, name, counted)
    kinds = [frozenset({f"d{n}"}) for n in range(5)]
    everything = frozenset().union(*kinds)
    for size in (1_000, 10_000):
        carers = [Carer(id=n, capacity=size, skills=kinds[n % 5] if n < 20 else everything) for n in range(25)]
        share([Item(id=n, keeper=n % 25, needs=kinds[n % 5]) for n in range(size)], carers)
    assert steps[10_000] <= 12 * steps[1_000]


@pytest.mark.parametrize("n", [0, 1, 17, 400])
def test_gini_of_equal_shares_is_zero(n):
    assert rules.gini([n] * 5) == pytest.approx(0)


def test_gini_when_one_does_it_all():
    assert rules.gini([0, 0, 0, 8]) == pytest.approx(0.75)
    assert rules.spread([]) == 0

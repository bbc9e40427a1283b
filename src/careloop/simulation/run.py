"""`careloop simulate`: plays an invented hospital day by day against the real doors, then proves that nothing was lost."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from careloop.accounts.models import Practitioner
from careloop.integration.models import InboxMessage
from careloop.simulation import machinery, messages, phone
from careloop.simulation.report import Report, report
from careloop.simulation.setup import issue_demo_passwords, open_hospital
from careloop.simulation.staff import Hospital, doctors_round, has_died, nurse_shift, worsens
from careloop.simulation.wire import Line
from careloop.simulation.world import City, Stay

MORNING, EVENING = 10, 17  # hours of the hospital's day at which the run stops and everybody acts
CALLS_PER_NURSE = 60
SENT_AGAIN = 0.01
NIGHTLY = ("careloop.plans.jobs.end_plans", "careloop.reports.jobs.check_rollup")
EVERY_STOP = (
    "careloop.plans.jobs.ask_satisfaction", "careloop.plans.jobs.run_channel_ladder", "careloop.alerts.jobs.escalate_due",
    "careloop.tasks.jobs.refresh_priorities", "careloop.reports.jobs.fold_rollup",
)  # fmt: skip


@dataclass
class Run:
    """One simulation: what is still to come and what was counted."""

    city: City
    hospital: Hospital
    line: Line
    nurses: list[Practitioner]
    zone: ZoneInfo
    portal: str
    sms: str
    queue: list[messages.Outgoing] = field(default_factory=list)
    read_messages: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    jobs: int = 0
    dice: random.Random = field(default_factory=random.Random)
    ports: dict[str, int] = field(default_factory=dict)
    until: datetime = datetime.max

    def aware(self, at: datetime) -> datetime:
        """An hour of the hospital's wall clock as an instant."""
        return at.replace(tzinfo=self.zone).astimezone(UTC)


def main(arguments: list[str]) -> int:
    """careloop simulate --days N --discharges-per-day M --seed S [--people-file FILE]"""
    options = _options(arguments)
    started = time.monotonic()
    zone = ZoneInfo(settings.ENV.time_zone)
    today = datetime.now(zone).replace(tzinfo=None)
    first = (today - timedelta(days=options.days - 1)).date()
    city = City(options.seed, settings.ENV.shared_data)
    opening = datetime.combine(first, datetime.min.time()) - timedelta(days=40)
    refuse_a_used_database()
    _set_clock(opening.replace(tzinfo=zone).astimezone(UTC))
    staff = open_hospital(city, at=timezone.now())
    run = _prepare(city, list(staff.nurses), zone, options, first)
    with machinery.processes(run.ports, settings.ENV.data_dir / "logs"):
        _play(run, first_day=datetime.combine(first, datetime.min.time()), days=options.days, until=today)
        found = report(sent=run.line.sent, texts=_texts_on_phones(run.sms), at=timezone.now())
        found.faults += faults_online(run.answered)
    run.line.close()
    if options.people_file:
        _set_clock(datetime.now(UTC))
        people = {"people": issue_demo_passwords(at=timezone.now())}
        options.people_file.write_text(json.dumps(people, ensure_ascii=False, indent=1))
        options.people_file.chmod(0o600)
    _print(run, found, seconds=time.monotonic() - started)
    return 1 if found.faults else 0


class DatabaseInUse(SystemExit):
    """A run plays the past. In a database that already knows a later day, numbers would contradict each other."""


def refuse_a_used_database() -> None:
    """Nothing is played on top of messages that are already there."""
    if InboxMessage.objects.unscoped("the run asks whether it is the first").exists():
        raise DatabaseInUse(
            "This database already holds HL7 messages; a simulation needs an empty one. "
            "Delete the demo with `make demo-reset`, or name another folder in CARELOOP_DATA_DIR."
        )


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="careloop simulate", description=main.__doc__)
    parser.add_argument("--days", type=_from_one_to(730), default=30)
    parser.add_argument("--discharges-per-day", type=_from_one_to(5_000), default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--people-file", type=Path, help="write the one-time passwords of the demo's people here")
    return parser.parse_args(arguments)


def _from_one_to(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
        return int(text)

    return read


def faults_online(answered: Mapping[str, int]) -> list[str]:
    """What the patients met that they must not meet: the portal's own faults. Over links and wrong digits are life."""
    return [f"{answered['failed']} patients met a fault of the portal"] if answered.get("failed") else []


def _set_clock(at: datetime) -> None:
    if settings.SIMULATED_CLOCK is None:
        raise SystemExit("careloop simulate needs its movable clock; start it by the command careloop")
    settings.SIMULATED_CLOCK.set(at)


def _prepare(city: City, nurses: list[Practitioner], zone: ZoneInfo, options: argparse.Namespace, first: Any) -> Run:
    stays = list(city.stays(first_day=first, days=options.days, per_day=options.discharges_per_day))
    by_number: dict[str, Stay] = {}
    for stay in stays:
        by_number[stay.person.record_number] = stay
        if stay.duplicate_record:
            by_number[stay.duplicate_record] = stay
    ports = machinery.chosen_ports()
    run = Run(
        city=city,
        hospital=Hospital(by_number, random.Random(options.seed + 1)),
        line=Line("127.0.0.1", ports["hl7"]),
        nurses=nurses,
        zone=zone,
        portal=f"http://127.0.0.1:{ports['portal']}",
        sms=f"http://127.0.0.1:{ports['sms']}",
        dice=random.Random(options.seed + 2),
    )
    run.ports = ports
    run.queue = sorted(_all_messages(stays, options.seed), key=lambda message: (message.at, message.control_id))
    return run


def _all_messages(stays: list[Stay], seed: int) -> Iterator[messages.Outgoing]:
    send = messages.Sender(f"S{seed}")
    for number, stay in enumerate(stays):
        yield from messages.of_stay(stay, send)
        yield from _later(stay, number, send)


def _later(stay: Stay, number: int, send: messages.Sender) -> Iterator[messages.Outgoing]:
    """What the hospital system hears of later: readmission, death, the revisit."""
    behaviour, home = stay.person.behaviour, stay.discharged_at
    if behaviour.readmitted_on_day is not None and not stay.discharge_cancelled:
        back = home + timedelta(days=behaviour.readmitted_on_day, hours=3)
        visit = f"ZR{number:08d}"
        yield messages.readmission(stay, send, visit, back)
        yield messages.readmission_over(stay, send, visit, back, back + timedelta(days=5))
    if behaviour.dies_on_day is not None and number % 2 == 0:  # every second death is heard of only by telephone
        yield messages.death(stay, send, home + timedelta(days=behaviour.dies_on_day, hours=6))
    if number % 5 == 0:
        visit_at = home + timedelta(days=28)
        yield messages.appointment(stay, send, "SIU_S12", f"YY{number:07d}", home + timedelta(minutes=40), visit_at)
        if number % 25 == 0:
            yield messages.appointment(
                stay, send, "SIU_S26", f"YY{number:07d}", visit_at + timedelta(hours=4), visit_at
            )


def _is_today(run: Run, stop: datetime) -> bool:
    """The last day is left to whoever signs in: its answers have come, its calls and alerts wait."""
    return stop.date() >= run.until.date()


def _play(run: Run, *, first_day: datetime, days: int, until: datetime) -> None:
    run.until = until
    _tell_bad_numbers(run)
    stops = [first_day + timedelta(days=d, hours=h) for d in range(days) for h in (MORNING, EVENING)]
    stops = [stop for stop in stops if stop < until] + [until]
    for number, stop in enumerate(stops, start=1):
        _until_stop(run, stop)
        _show(run, number, len(stops), stop)
    sys.stdout.write("\n")


def _until_stop(run: Run, stop: datetime) -> None:
    at = run.aware(stop)
    while run.queue and run.queue[0].at <= stop:
        message = run.queue.pop(0)
        _set_clock(run.aware(message.at))
        run.line.send(message.content)
        if run.dice.random() < SENT_AGAIN:  # an interface engine that missed our answer sends the same bytes again
            run.line.send(message.content)
    _set_clock(at)
    machinery.drain_inbox()
    _jobs(run, at, nightly=stop.hour == EVENING)
    machinery.drain_outbox()
    _patients_read(run, stop)
    if _is_today(run, stop):
        return
    if stop.weekday() < 6:
        for nurse in run.nurses:
            nurse_shift(nurse, run.hospital, start=at, calls=CALLS_PER_NURSE, tell=_set_clock)
    _set_clock(at)
    _jobs(run, at)
    doctors_round(run.hospital, at=timezone.now())
    _jobs(run, at)


def _jobs(run: Run, at: datetime, *, nightly: bool = False) -> None:
    """Everything the facts asked for, and what the clock would have started."""
    run.jobs += machinery.drain_jobs()
    for name in (*EVERY_STOP, *(NIGHTLY if nightly else ())):
        app.tasks[name].func(timestamp=int(at.timestamp()))
    run.jobs += machinery.drain_jobs()


def _tell_bad_numbers(run: Run) -> None:
    bad = {s.person.phone: "empty" for s in run.hospital.stays.values() if s.person.behaviour.number == "empty"}
    both = bad | {f"+86{number}": what for number, what in bad.items()}
    machinery.post_json(f"{run.sms}/demo/numbers", json.dumps({"numbers": both}))


def _patients_read(run: Run, stop: datetime) -> None:
    """Patients look at their new messages: some open the link and answer, some reply, most do nothing."""
    fresh = phone.messages_of(run.sms, run.read_messages)
    run.read_messages += len(fresh)
    by_phone = {s.person.phone: s for s in run.hospital.stays.values()}
    for message in fresh:
        if message["incoming"]:
            continue
        stay = by_phone.get(message["to"].removeprefix("+86"))
        if stay is None or stay.person.behaviour.number != "good" or has_died(stay, run.aware(stop)):
            continue
        _react(run, stay, message, run.aware(stop))


def _react(run: Run, stay: Stay, message: dict[str, Any], at: datetime) -> None:
    link = phone.LINK.search(message["text"])
    if stay.person.behaviour.opts_out:
        machinery.post_json(f"{run.sms}/demo/replies", json.dumps({"number": message["to"], "text": "T"}))
        return
    if link is None or not stay.person.behaviour.answers_link or run.dice.random() < 0.15:
        return
    stops_after = run.dice.randint(2, 5) if run.dice.random() < 0.08 else None
    end, requests = phone.answer_link(
        link.group(), last4=stay.person.phone[-4:], worse=worsens(stay, at), random=run.dice, stops_after=stops_after
    )
    run.requests += requests
    run.answered[end] = run.answered.get(end, 0) + 1


def _texts_on_phones(sms: str) -> dict[str, int]:
    """Our key of each text → how often a phone really showed it."""
    return {m["key"]: int(m["copies"]) for m in phone.messages_of(sms) if not m["incoming"]}


def _show(run: Run, number: int, total: int, stop: datetime) -> None:
    filled = round(30 * number / total)
    tally = run.hospital.tally
    sys.stdout.write(
        f"\r  [{'#' * filled}{'.' * (30 - filled)}] {stop:%m-%d}  messages {run.line.sent}  online {run.answered.get('done', 0)}"
        f"  calls {tally.calls}  alerts closed {tally.alerts_closed}   "
    )
    sys.stdout.flush()


def _print(run: Run, found: Report, *, seconds: float) -> None:
    tally = run.hospital.tally
    lines = [
        "",
        f"HL7 messages      sent {found.sent} = stored {found.stored} + recognised repeats {found.repeated}",
        f"                  stored {found.stored} = "
        + " + ".join(f"{state} {n}" for state, n in sorted(found.by_state.items())),
        f"Discharges        {found.discharges} finished stays, {found.decisions} with an enrolment decision",
        "Planned items     "
        + " + ".join(f"{state} {n}" for state, n in sorted(found.items.items()))
        + f" = {sum(found.items.values())}",
        "Messages out      " + ", ".join(f"{state} {n}" for state, n in sorted(found.messages.items())),
        f"Demo gateway      {found.gateway} texts, {found.gateway_doubled} doubled",
        "Patients online   "
        + ", ".join(f"{end} {n}" for end, n in sorted(run.answered.items()))
        + f" ({run.requests} requests)",
        f"Calls             {tally.calls} tried, {tally.reached} reached, {tally.completed} follow-ups finished, {tally.other_tasks} other tasks, {tally.unreachable} without any number",
        f"Alerts            {tally.alerts_closed} closed",
        f"Refused           {tally.refusals or 'nothing'}",
        f"Time              {seconds:.0f} s: {found.sent / seconds:.1f} HL7 messages/s, {found.discharges / seconds:.1f} discharges/s, {run.jobs} jobs",
        "",
        "Nothing lost, nothing doubled." if not found.faults else "FAULTS:\n  " + "\n  ".join(found.faults),
    ]
    print("\n".join(lines), flush=True)

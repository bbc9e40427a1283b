"""From HL7 messages to tasks: admission, discharge, late codes, a cancelled discharge, a merge, a death.

Real bytes go through the inbox; a real worker runs what follows. Nothing is called by hand.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django import app

from careloop.integration.actions import process_batch
from careloop.integration.models import InboxMessage
from careloop.integration.tests.factories import receive
from careloop.patients.models import Patient
from careloop.plans.actions import load_shipped_content
from careloop.plans.models import CarePlan, EnrolmentDecision
from careloop.tasks.models import Task
from tests.cast import SYSTEM, make_cast

pytestmark = [pytest.mark.journey, pytest.mark.django_db(transaction=True)]

CODES = "DG1|1||I21.001^急性前壁心肌梗死^ICD-10|||F|||||||||1\rPR1|1||36.0600^药物洗脱支架置入^ICD-9-CM-3||{operated}"


class Hospital:
    """Sends messages and lets the machine work them off."""

    def __init__(self) -> None:
        self.now = timezone.localtime(timezone.now()).replace(microsecond=0)
        self.sent = 0

    def stamp(self, **ago: float) -> str:
        return f"{self.now - timedelta(**ago):%Y%m%d%H%M%S}"

    def send(self, event: str, *segments: str) -> None:
        """One message over the inbox, then everything that follows."""
        self.sent += 1
        head = f"MSH|^~\\&|HIS|YX|CARELOOP|YX|{self.stamp()}||ADT^{event}|M{self.sent:06d}|P|2.4||||||UNICODE UTF-8"
        receive("\r".join([head, f"EVN|{event}|{self.stamp()}", *segments]) + "\r", at=timezone.now())
        while InboxMessage.objects.unscoped("test").filter(state__in=InboxMessage.UNFINISHED).exists():
            process_batch(limit=10, at=timezone.now(), by=SYSTEM)
        work_off()

    def person(self, number: str, *, died: bool = False) -> str:
        fields = ["1", "", f"{number}^^^YX^MR", "", "周国强", "", "19590308", "M", "", "", "", "", "13800138000"]
        return "PID|" + "|".join(fields + ([""] * 15 + [self.stamp(), "Y"] if died else []))

    def visit(self, number: str, *, left: str = "") -> str:
        pv1 = [""] * 46
        pv1[1], pv1[2], pv1[3], pv1[10], pv1[19] = "1", "I", "CARD^301^12", "CARD", f"V{number}^^^YX"
        pv1[36], pv1[44], pv1[45] = "1" if left else "", self.stamp(days=6), left
        return "PV1" + "|".join(pv1)


def work_off() -> None:
    """A worker until the queue is empty."""
    worker = app.with_connector(app.connector.get_worker_connector())
    worker.run_worker(wait=False, install_signal_handlers=False, listen_notify=False)


def open_steps() -> Counter[str]:
    return Counter(Task.objects.unscoped("test").open().values_list("step_code", flat=True))


def plans() -> list[tuple[str, int, str, str]]:
    rows = CarePlan.objects.unscoped("test").select_related("definition").order_by("started_at", "pk")
    return [(plan.definition.name, plan.cycle, plan.status, plan.end_reason) for plan in rows]


PCI = {"day-3", "day-7", "month-1", "month-3", "month-6", "month-12"}


def test_from_discharge_messages_to_tasks_and_to_their_end(transactional_db: None) -> None:
    make_cast()
    load_shipped_content(at=datetime(2026, 1, 1, tzinfo=timezone.get_default_timezone()), by=SYSTEM)
    his = Hospital()

    his.send("A01", his.person("77001"), his.visit("77001"))
    assert plans() == []

    # Discharge without codes: the routine plan, so that nobody waits for the coding department.
    his.send("A03", his.person("77001"), his.visit("77001", left=his.stamp(hours=2)))
    assert plans() == [("routine-discharge", 1, "active", "")]
    assert set(open_steps()) == {"first-call"}

    # The codes arrive: the better plan takes over, the first one's open task is closed with the reason.
    codes = CODES.format(operated=his.stamp(days=4))
    his.send("A08", his.person("77001"), his.visit("77001", left=his.stamp(hours=2)), codes)
    assert [(name, status) for name, _cycle, status, _why in plans()] == [
        ("routine-discharge", "revoked"),
        ("pci-12-months", "active"),
    ]
    assert set(open_steps()) == PCI
    assert set(open_steps().values()) == {1}
    decision = EnrolmentDecision.objects.unscoped("test").get()
    assert (decision.outcome, decision.plans) == ("enrolled", 1)

    # The same message again changes nothing.
    his.send("A08", his.person("77001"), his.visit("77001", left=his.stamp(hours=2)), codes)
    assert (len(plans()), sum(open_steps().values())) == (2, 6)

    # The discharge is cancelled, and comes again.
    his.send("A13", his.person("77001"), his.visit("77001"))
    assert open_steps() == Counter()
    his.send("A03", his.person("77001"), his.visit("77001", left=his.stamp(hours=1)), codes)
    assert plans()[-1] == ("pci-12-months", 2, "active", "")
    assert set(open_steps()) == PCI

    # A second record of the same person is merged: the plans follow.
    gone = Patient.objects.unscoped("test").get(identifiers__value="77001")
    his.send("A40", his.person("77002"), "MRG|77001^^^YX^MR")
    survivor = Patient.objects.unscoped("test").get(pk=gone.pk).merged_into
    assert survivor is not None
    assert {task.patient_id for task in Task.objects.unscoped("test").open()} == {survivor.pk}

    # Death stops everything.
    his.send("A08", his.person("77002", died=True))
    assert open_steps() == Counter()
    assert {plan.status for plan in CarePlan.objects.unscoped("test")} == {"revoked"}
    assert not InboxMessage.objects.unscoped("test").filter(state="dead").exists()

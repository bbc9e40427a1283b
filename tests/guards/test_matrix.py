"""Every staff address against everybody: whoever does not care for a patient finds nothing there (A01, A02, A08).

The routes are read from the project, so a new view is tried the day it is written. A parameter this file does not know
fails with its name; an address without a patient behind it needs a line, with its reason, in NOT_ABOUT_A_PATIENT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from careloop.accounts.models import Practitioner, Role, RoleAssignment
from careloop.alerts.actions import Finding, Origin, raise_findings
from careloop.kernel.actions import seeding
from careloop.letters import actions as letters
from careloop.letters.models import LetterTemplate
from careloop.messaging import actions as messaging
from careloop.messaging.rules.requests import ReplyData
from careloop.messaging.tests.factories import queue, site
from careloop.patients import actions as patients
from careloop.patients.models import ContactPoint, DocumentReference, DuplicateCandidate, RelatedPerson
from careloop.patients.rules import IdentifierData, PersonData
from careloop.plans import actions as plans
from careloop.plans.models import CarePlan, PlanDefinition, VersionAdoption
from careloop.plans.tests.factories import Scene
from careloop.publichealth import actions as publichealth
from careloop.publichealth.tests.factories import publish_all as publish_programmes
from careloop.questionnaires import actions as questionnaires
from careloop.questionnaires.models import Attachment
from careloop.supervision import actions as supervision
from careloop.supervision.tests import factories
from careloop.tasks import actions as tasks
from careloop.tasks.models import ContactAttempt
from careloop.tasks.tests.factories import make_patient, make_task
from careloop.workbench import actions as workbench
from careloop.workbench.tests import forms
from tests.cast import LONG_AGO, SYSTEM, Cast, _person
from tests.guards.test_project import views

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# Addresses with parameters whose object is no patient's. Beginning of the route → why.
NOT_ABOUT_A_PATIENT = {
    "account/sessions/": "one's own sign-ins",
    "alerts/promise/": "what the limits in force do at a level; no alert is looked at",
    "console/": "people and roles; the three administrators",
    "integration/messages/": "interface messages; what they say has a permission of its own",
    "integration/sheets/<uuid": "one's own lists, for nobody else (integration/tests/test_sheets.py)",
    "messages/templates/": "texts for everybody",
    "letters/templates/": "letters for everybody, with invented samples",
    "letters/forms/": "empty forms",
    "plans/versions/": "published plans",
    "plans/drafts/": "plans that are being written",
    "plans/replays/": "numbers of a plan that is being written",
    "questionnaires/<uuid:questionnaire_id>/": "published forms",
    "questionnaires/drafts/": "forms being made; the answers behind a trial are tried in questionnaires/tests",
    "questionnaires/library/": "questions kept for other forms",
    "reports/lists/": "indicator names; the list behind them is tried in reports/tests",
    "alerts/duties/": "duty lists",
    "rosters/": "teams and people's days; the list behind a figure is scoped and tried in rosters/tests/test_views.py",
    "alerts/absences/": "duty lists",
    "today/filters/": "one's own saved filters",
    "supervision/integrity/": "figures about a person; the records behind them are scoped for themselves",
    "hooks/": "gateways; every call is signed",
    "public-health/opinion-tables/": "rules for everybody",
    "public-health/opinion-drafts/": "rules being written; the answers behind a trial are tried in publichealth/tests",
    "public-health/indicators/": "indicator names; the lists behind them are tried in publichealth/tests",
    "follow-up/": "conditions, not persons; members are asked again with the viewer's scope (cohorts/tests/test_scope.py)",
    "batches/": "one's own background work; what it shows of patients is asked again with the viewer's scope",
}
# What a stranger gets besides 404. Emergency access is for strangers, but asks for a reason; the patient who comes next is
# the asker's own, the number only says after whom (nobody: 204).
OPEN_TO_STRANGERS = {"patients/<uuid:patient_id>/emergency-access/": {422}, "call/<uuid:task_id>/upcoming/": {204}}


@dataclass(frozen=True)
class Door:
    """One staff address."""

    route: str
    permission: str
    methods: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return PARAMETER.findall(self.route)

    @property
    def is_about_a_patient(self) -> bool:
        return bool(self.names) and not any(self.route.startswith(begin) for begin in NOT_ABOUT_A_PATIENT)


def doors() -> list[Door]:
    from django.urls import get_resolver

    found = views(get_resolver("careloop.config.urls").url_patterns)
    return [Door(route, view.permission, view.methods) for route, view in found]


DOORS = doors()
PATIENT_DOORS = [door for door in DOORS if door.is_about_a_patient]


@dataclass
class World:
    """Patient Zhang of Cardiology with everything that can have an address."""

    cast: Cast
    ids: dict[str, UUID | str] = field(default_factory=dict)

    def path(self, door: Door) -> str:
        unknown = sorted(set(door.names) - set(self.ids))
        assert not unknown, f"{door.route}: say in tests/guards/test_matrix.py how Zhang's {', '.join(unknown)} is made"
        return "/" + PARAMETER.sub(lambda match: str(self.ids[match[1]]), door.route)

    def tries(self, client: Client, doors: list[Door]) -> Iterator[tuple[Door, str, HttpResponse]]:
        for door in doors:
            for method in door.methods:
                yield door, method, client.generic(method, self.path(door))


@pytest.fixture
def world(cast: Cast) -> Iterator[World]:
    now = timezone.now()
    with site(sms_quiet_hours="", hospital_phone="0571-88880000", hospital_name="H"):
        messaging.load_templates(at=now, by=SYSTEM)
        plans.load_shipped_content(at=now, by=SYSTEM)
        form = forms.publish()
        world = World(cast)
        world.ids |= {"patient_id": cast.zhang.pk, "tab": "family", "link_id": "pain", "change_id": "none"}
        world.ids |= {"severity": "critical", "role": "attending-doctor"}
        world.ids |= called(cast, form)
        world.ids |= planned(cast)
        world.ids |= written_to(cast)
        world.ids |= identified(cast)
        world.ids |= managed(cast)
        world.ids |= supervised(cast)
        world.ids |= on_paper(cast)
        world.ids["alert_id"] = raise_findings(
            origin=Origin(
                patient_id=cast.zhang.pk, department_id=cast.cardiology.pk, encounter_id=cast.stay.pk, response_id=world.ids["response_id"],
            ),
            findings=[Finding(rule_code="chest-pain", severity="critical", sentence_zh="胸闷", sentence_en="Chest pain")],
            at=now, by=SYSTEM,
        )[0].pk  # fmt: skip
        yield world


def called(cast: Cast, form: object) -> dict[str, UUID | str]:
    """A task, a try, answers, a number."""
    now = timezone.now()
    task = make_task(
        cast, questionnaire_url=forms.URL, available_at=now - timedelta(days=1), due_at=now + timedelta(hours=1)
    )
    point = ContactPoint.objects.unscoped("test").get(patient=cast.zhang)
    tasks.record_attempt(task=task, contact_point_id=point.pk, outcome="no-answer", at=now, by=cast.as_wang)
    response = questionnaires.start_response(
        questionnaire=form, patient_id=cast.zhang.pk, task_id=task.pk, mode="phone", at=now, by=cast.as_wang
    )
    attempt = ContactAttempt.objects.unscoped("test").get()
    with seeding():
        picture = Attachment.objects.unscoped("test").create(
            patient=cast.zhang, response=response, link_id="photo", content_type="image/png", size=1, sha256="0" * 64,
            data=b"x", source="phone", added_at=now,
        )  # fmt: skip
    return {
        "task_id": task.pk, "attempt_id": attempt.pk, "contact_id": point.pk, "response_id": response.pk,
        "attachment_id": picture.pk,
    }  # fmt: skip


def planned(cast: Cast) -> dict[str, UUID | str]:
    """A plan that runs."""
    now = timezone.now()
    stay = Scene(cast).discharge(procedures=("36.06",), at=now, operated_at=now)
    plans.enrol_discharges(encounter_ids=[stay.pk], at=now, by=SYSTEM)
    plan = CarePlan.objects.unscoped("test").select_related("definition").get()
    draft = plans.start_version(definition=plan.definition, at=now, by=cast.as_zhao)
    replay = plans.request_replay(draft=draft, months=1, nurses=1, per_day=1, at=now, by=cast.as_zhao)
    review = workbench.confirm_discharge(encounter=stay, definition=None, at=now, by=cast.as_zhao)
    with seeding():
        adoption = VersionAdoption.objects.create(
            patient=cast.zhang, care_plan=plan, to_definition=plan.definition, adopted_at=now, plan_status=plan.status,
            from_definition=PlanDefinition.objects.exclude(pk=plan.definition_id).order_by("pk")[0], tasks=0,
        )  # fmt: skip
        relative = RelatedPerson.objects.create(patient=cast.zhang, name="Zhou Min")
        document = DocumentReference.objects.create(
            patient=cast.zhang, key="d1", title="Summary", content_type="application/pdf", content=b"%PDF-1.4"
        )
    return {
        "care_plan_id": plan.pk, "definition_id": plan.definition_id, "step": plan.definition.plan().steps[0].code,
        "draft_id": draft.pk, "replay_id": replay.pk, "adoption_id": adoption.pk,
        "encounter_id": stay.pk, "review_id": review.pk, "related_id": relative.pk, "document_id": document.pk,
    }  # fmt: skip


def written_to(cast: Cast) -> dict[str, UUID | str]:
    """A message out and one back."""
    now = timezone.now()
    message = queue(cast.zhang, at=now)
    reply = ReplyData(message_id="r1", address="+8613800110347", text="收到", occurred_at=now)
    messaging.store_replies(gateway="sms", replies=[reply], at=now, by=SYSTEM)
    from careloop.messaging.models import InboundMessage

    inbound = InboundMessage.objects.unscoped("test").get(patient=cast.zhang)
    return {"communication_id": message.pk, "inbound_id": inbound.pk}


def on_paper(cast: Cast) -> dict[str, UUID | str]:
    """A letter, its template and a report."""
    now = timezone.now()
    letters.load_letter_templates(at=now, by=SYSTEM)
    template = LetterTemplate.objects.get(code="plan-cover")
    with seeding():
        cast.zhang.address = "浙江省云溪市西山区人民路 128 号"
        cast.zhang.save()
    letter = letters.make_letter(
        key="matrix", patient_id=cast.zhang.pk, template_id=template.pk, at=now, by=cast.as_wang
    )
    day = timezone.localdate(now)
    report = letters.write_report(
        patient=cast.zhang, period_from=day, period_to=day, assessment="稳定", advice="", at=now, by=cast.as_zhao
    )
    return {"letter_id": letter.pk, "report_id": report.pk}


def managed(cast: Cast) -> dict[str, UUID | str]:
    """A programme that runs."""
    publish_programmes()
    episode = publichealth.register_patient(
        patient=cast.zhang, programme="hypertension", department_id=cast.cardiology.pk, started_on=timezone.localdate(),
        noticed_at=None, at=timezone.now(), by=SYSTEM,
    )  # fmt: skip
    return {"episode_id": episode.pk}


def identified(cast: Cast) -> dict[str, UUID | str]:
    """Another record that may be Zhang's, one that was, and an emergency access to it by a colleague."""
    now = timezone.now()
    numbers = (IdentifierData(value="2026110347", authority="HIS"), IdentifierData(value="2026110348", authority="HIS"))
    for number in numbers[1:]:
        twin = patients.upsert_patient(person=PersonData(identifiers=(number,)), source="test", at=now, by=SYSTEM)
    patients.upsert_patient(person=PersonData(identifiers=numbers), source="test", at=now, by=SYSTEM)
    pair = DuplicateCandidate.objects.unscoped("test").get()
    assert twin.pk in (pair.patient_id, pair.other_id)
    merge = patients.merge_patients(
        survivor=cast.zhang, gone=make_patient(cast, phones=0), source="test", at=now, by=SYSTEM
    )
    with seeding():
        colleague = _person("bai", "Bai", cast.orthopaedics, "follow-up-nurse")
    grant = patients.break_glass(
        patient_id=cast.zhang.pk, reason="unconscious in our corridor", at=now, by=cast.viewer(colleague)
    )
    return {"candidate_id": pair.pk, "merge_id": merge.pk, "grant_id": grant.pk}


def supervised(cast: Cast) -> dict[str, UUID | str]:
    """A record that was drawn and is to be asked again blind by supervisor Qian, and something to put right."""
    factories.record_of(cast, patient=cast.zhang)
    sample = factories.draw(cast)
    row = factories.rows(sample)[0]
    raised = supervision.raise_finding(
        key="matrix", response=row.response, department_id=cast.cardiology.pk, code="other", severity="minor",
        note="test", at=timezone.now(), by=cast.viewer(cast.qian),
    )  # fmt: skip
    return {"sample_id": sample.pk, "record_id": row.pk, "finding_id": raised.pk, "practitioner_id": cast.wang.pk}


def give(person: Practitioner, *roles: str) -> Practitioner:
    """More roles where the person works."""
    with seeding():
        for code in roles:
            RoleAssignment.objects.create(
                practitioner=person,
                role=Role.objects.get(code=code),
                organization=person.organization,
                valid_from=LONG_AGO,
            )
    return person


def wrong(world: World, client: Client, doors: list[Door], allowed: set[int]) -> list[str]:
    """Which doors answer something else."""
    return [
        f"{method} /{door.route} → {answer.status_code}"
        for door, method, answer in world.tries(client, doors)
        if answer.status_code not in allowed | OPEN_TO_STRANGERS.get(door.route, set())
    ]


def test_every_reason_still_has_a_route():
    assert not [begin for begin in NOT_ABOUT_A_PATIENT if not any(door.route.startswith(begin) for door in DOORS)]
    assert not set(OPEN_TO_STRANGERS) - {door.route for door in DOORS}
    assert len(PATIENT_DOORS) > 50


def test_a_nurse_of_another_department_finds_nothing(world: World) -> None:
    assert wrong(world, world.cast.client(world.cast.li), PATIENT_DOORS, {403, 404}) == []


def test_nor_does_one_with_every_role_there(world: World) -> None:
    """With all the permissions there are the answer is 404, so not even the existence of the record is told."""
    li = give(world.cast.li, "ward-doctor", "department-supervisor", "hospital-inspector", "sensitive-records")
    assert wrong(world, world.cast.client(li), PATIENT_DOORS, {404}) == []


@pytest.mark.parametrize("who", ["wang", "zhao"])
def test_who_cares_for_the_patient_comes_in(world: World, who: str) -> None:
    person = give(getattr(world.cast, who), "department-supervisor", "hospital-inspector")
    readable = [door for door in PATIENT_DOORS if "GET" in door.methods]
    client = world.cast.client(person)
    answers = {door.route: client.get(world.path(door)).status_code for door in readable}
    assert {route: status for route, status in answers.items() if status not in {200, 204, 302, 409}} == {}


def test_nobody_comes_in_without_signing_in(world: World) -> None:
    closed = [door for door in DOORS if not door.permission.startswith("public:")]
    world.ids |= {name: world.ids["patient_id"] for door in closed for name in door.names if name not in world.ids}
    for door, method, answer in world.tries(Client(), closed):
        assert answer.status_code == 302, (method, door.route)
        assert answer["Location"].startswith("/login/"), (method, door.route)
    for door in closed:
        assert Client().generic(door.methods[0], world.path(door), headers={"HX-Request": "true"}).status_code == 401


@pytest.mark.parametrize("who", ["he", "system_admin", "security_admin", "audit_admin"])
def test_who_sees_numbers_or_machines_has_no_door_to_a_patient(world: World, who: str) -> None:
    assert wrong(world, world.cast.client(getattr(world.cast, who)), PATIENT_DOORS, {403}) == []


@pytest.mark.parametrize("who", ["li", "he", "system_admin", "security_admin", "audit_admin"])
def test_no_list_shows_a_patient_to_who_may_not_see_one(world: World, who: str) -> None:
    client = world.cast.client(getattr(world.cast, who))
    lists = [door for door in DOORS if not door.names and "GET" in door.methods]
    told = {door.route for door in lists if shows(client.get(world.path(door)), world)}
    assert told - ({"console/audit/"} if who == "audit_admin" else set()) == set()
    assert not re.search(r"\bZhang\b", client.get("/console/audit/").content.decode())


def shows(answer: HttpResponse, world: World) -> bool:
    """Zhang's name or the record's number. (The audit log is about record numbers and never says a name.)"""
    if answer.streaming:
        return False
    text = answer.content.decode()
    return bool(re.search(r"\bZhang\b", text)) or str(world.cast.zhang.pk) in text


def test_nothing_is_written_without_the_form_token(world: World) -> None:
    """By somebody with every permission, so that only the missing token can be what refuses."""
    everybody = give(world.cast.wang, *Role.objects.exclude(code="follow-up-nurse").values_list("code", flat=True))
    client = Client(enforce_csrf_checks=True)
    client.cookies = world.cast.client(everybody).cookies
    writing = [door for door in DOORS if "POST" in door.methods and not door.route.startswith("hooks/")]
    world.ids |= {name: world.ids["patient_id"] for door in writing for name in door.names if name not in world.ids}
    assert not [door.route for door in writing if client.post(world.path(door)).status_code != 403]

"""How often a page may ask the database: a table of listed pages, and no page asks more when there are more rows.

Listed are all staff addresses without a parameter that can be read, all addresses about a patient (the call screen, the
patient's page and its fragments), some lists behind a figure, and the patient's own pages. A new one fails until it has
a line. The figures hold who asks, the list itself, its audit row and the bells of the frame; each is what the page asks
today, so a page that needs one more is seen.
"""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from django.utils import timezone

from careloop.accounts.models import Role, RoleAssignment, StaffSession
from careloop.alerts.actions import Finding, Origin, raise_findings
from careloop.cohorts.tests.factories import cohort
from careloop.kernel.actions import seeding
from careloop.messaging import actions as messaging
from careloop.messaging.rules.requests import ReplyData
from careloop.messaging.tests.factories import queue
from careloop.patients.models import (
    Condition,
    ContactPoint,
    DocumentReference,
    Encounter,
    Observation,
    Patient,
    RelatedPerson,
)
from careloop.portal.tests.conftest import portal as portal
from careloop.portal.tests.conftest import visitor
from careloop.portal.tests.forms import make_task as make_portal_task
from careloop.questionnaires.models import Attachment, QuestionnaireResponse
from careloop.supervision.tests import factories as supervised
from careloop.tasks.tests.factories import make_patient, make_task
from careloop.workbench.tests import forms
from tests.cast import LONG_AGO, SYSTEM, Cast
from tests.guards.test_matrix import DOORS, PARAMETER, World
from tests.guards.test_matrix import world as world
from tests.guards.test_project import views

ROWS = 30
# Not listed, with the reason. Beginning of the route → why.
UNLISTED = {
    "live/": "a stream; its own door is tried in config/tests/test_live.py",
    "styleguide/": "invented data, not served in production",
}
LIMITS: dict[str, int] = {
    "login/": 1,
    "account/": 3,
    "integration/": 8,
    "integration/health/": 5,
    "integration/sheets/": 4,
    "integration/sheets/blank/": 2,
    "console/people/": 9,
    "console/audit/": 4,
    "console/health/": 6,
    "": 1,
    "today/": 7,
    "today/list/": 6,
    "today/choose/": 4,
    "patients/choose/": 4,
    "today/why/": 3,
    "today/<uuid:task_id>/preview/": 7,
    "call/<uuid:task_id>/": 17,
    "call/<uuid:task_id>/screen/": 16,
    "call/<uuid:task_id>/upcoming/": 16,
    "call/<uuid:task_id>/plan/": 2,
    "discharges/": 11,
    "discharges/rows/": 10,
    "discharges/<uuid:encounter_id>/": 17,
    "discharges/<uuid:encounter_id>/print/": 18,
    "discharges/<uuid:encounter_id>/numbers/": 4,
    "search/": 1,
    "patients/": 5,
    "patients/access-reviews/": 3,
    "patients/duplicates/": 4,
    "patients/<uuid:patient_id>/": 7,  # with alerts, tags, plan card and bells
    "patients/<uuid:patient_id>/trend/": 6,
    "patients/<uuid:patient_id>/timeline/": 10,
    "patients/<uuid:patient_id>/documents/<uuid:document_id>/": 6,
    "patients/<uuid:patient_id>/documents/<uuid:document_id>/file/": 3,
    "patients/<uuid:patient_id>/<slug:tab>/": 10,
    "alerts/": 4,
    "alerts/rows/": 3,
    "alerts/bell/": 2,
    "alerts/duties/": 6,
    "alerts/patient/<uuid:patient_id>/": 3,
    "alerts/<uuid:alert_id>/": 13,
    "batches/": 3,
    "follow-up/": 4,
    "follow-up/new/": 9,
    "follow-up/exports/": 3,
    "follow-up/tags/words/": 2,
    "tasks/patients/<uuid:patient_id>/": 8,
    "tasks/unreachable/": 9,
    "tasks/ladder/": 6,
    "tasks/api/due/": 3,
    "rosters/workload/": 19,
    "rosters/teams/": 15,
    "plans/versions/": 5,
    "plans/decisions/": 6,
    "plans/drafts/new/": 2,
    "plans/patients/<uuid:patient_id>/": 7,  # three only within a day of an adoption: may it be undone?
    "plans/running/<uuid:care_plan_id>/versions/<uuid:definition_id>/": 4,
    "reports/": 6,
    "reports/department/": 8,
    "reports/lost/": 7,
    "reports/lost/card/": 6,
    "reports/programmes/": 3,
    "reports/reasons/": 2,
    "reports/satisfaction/": 6,
    "questionnaires/": 5,
    "questionnaires/import/": 2,
    "questionnaires/responses/<uuid:response_id>/": 6,
    "questionnaires/responses/<uuid:response_id>/print/": 5,
    "questionnaires/patients/<uuid:patient_id>/responses/": 4,
    "questionnaires/files/<uuid:attachment_id>/": 3,
    "public-health/": 6,
    "public-health/rules/": 5,
    "public-health/indicators/": 7,
    "public-health/episodes/<uuid:episode_id>/": 7,
    "public-health/episodes/<uuid:episode_id>/print/": 7,
    "public-health/patients/<uuid:patient_id>/programmes/": 6,
    "public-health/tasks/<uuid:task_id>/why/": 3,
    "public-health/responses/<uuid:response_id>/opinion/": 3,
    "public-health/opinion-tables/": 7,
    "supervision/": 4,
    "supervision/samples/new/": 5,
    "supervision/samples/population/": 4,
    "supervision/samples/<uuid:sample_id>/": 6,
    "supervision/checks/<uuid:record_id>/": 5,
    "supervision/findings/": 4,
    "supervision/findings/<uuid:finding_id>/": 5,
    "supervision/records/": 8,
    "supervision/records/<uuid:response_id>/": 5,
    "supervision/agreement/": 3,
    "supervision/integrity/": 4,
    "supervision/integrity/mine/": 3,
    "messages/": 6,
    "messages/attention/": 6,
    "messages/replies/": 5,
    "messages/own/": 3,
    "messages/own/bell/": 2,
    "messages/templates/": 4,
    "messages/templates/new/": 3,
    "messages/patients/<uuid:patient_id>/": 5,
    "messages/<uuid:communication_id>/": 8,
    "letters/": 5,
    "letters/due/": 9,
    "letters/due/paper/": 5,
    "letters/scan/": 2,
    "letters/templates/": 3,
    "letters/templates/new/": 2,
    "letters/tasks/<uuid:task_id>/record/": 10,
    "letters/tasks/<uuid:task_id>/blank/": 8,
    "letters/responses/<uuid:response_id>/": 10,
    "letters/patients/<uuid:patient_id>/": 7,
    "letters/adoptions/<uuid:adoption_id>/": 4,
    "letters/patients/<uuid:patient_id>/plan/": 8,
    "letters/patients/<uuid:patient_id>/dates/": 7,
    "letters/patients/<uuid:patient_id>/write/": 2,
    "letters/patients/<uuid:patient_id>/report/": 7,
    "letters/patients/<uuid:patient_id>/report/paper/": 14,
    "letters/reports/<uuid:report_id>/": 13,
    "letters/<uuid:letter_id>/": 4,
    "letters/<uuid:letter_id>/paper/": 3,
}
PORTAL_LIMITS: dict[str, int] = {
    "": 11,  # with the words of reminders
    "again/": 4,
    "measure/<slug:code>/": 4,
    "medicines/": 4,
    "messages/": 5,
    "plan/": 6,
    "q/<str:token>": 3,
    "t/<uuid:task_id>/": 4,
    "t/<uuid:task_id>/answers/": 5,
    "t/<uuid:task_id>/done/": 4,
    "t/<uuid:task_id>/files/<uuid:file_id>/": 6,
    "t/<uuid:task_id>/q/<path:key>/": 5,
    "t/<uuid:task_id>/safety/<path:key>/": 4,
    "t/<uuid:task_id>/whole/": 5,
}
# What the same addresses show when something is asked of them, and lists behind a figure: address → statements.
ASKED: dict[str, int] = {
    "search/?q=Zhang": 4,
    "search/?q=0347": 7,
    "patients/?q=Patient": 5,
    "today/?tab=overdue": 7,
    "patients/{patient_id}/follow-up/": 8,
    "patients/{patient_id}/visits/": 8,
    "patients/{patient_id}/results/": 6,
    "patients/{patient_id}/medicines/": 6,
    "patients/{patient_id}/questionnaires/": 5,
    "patients/{patient_id}/messages/": 6,
    "patients/{patient_id}/dossier/": 11,
    "follow-up/groups/{cohort_id}/": 11,
    "rosters/workload/{practitioner_id}/{day}/": 6,
    "reports/lists/follow-up-rate/denominator/": 5,
    "public-health/indicators/hypertension/control/denominator/": 9,
}

LISTED = [
    door
    for door in DOORS
    if "GET" in door.methods
    and (not door.names or door.is_about_a_patient)
    and not any(door.route.startswith(begin) for begin in UNLISTED)
]
_number = itertools.count(1)


def all_round(cast: Cast) -> Client:
    """Nurse Wang with every right there is, in her own department."""
    with seeding():
        for role in Role.objects.exclude(code="follow-up-nurse").order_by("code"):
            RoleAssignment.objects.create(
                practitioner=cast.wang, role=role, organization=cast.cardiology, valid_from=LONG_AGO
            )
    return cast.client(cast.wang)


def asked(client: Client, path: str) -> tuple[int, int]:
    """Status, and statements of the second time, bells of the frame included: what is found out once per process does
    not count, nor what a session notes once a minute.
    """
    client.get(path)
    with seeding():
        StaffSession.objects.update(last_seen_at=timezone.now())
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(path)
        if answer.streaming:
            b"".join(answer.streaming_content)
    statements = sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)
    return answer.status_code, statements


def more_of_everything(world: World, rows: int) -> None:
    """So many more patients of the department with everything that lists show, and as much more of patient Zhang."""
    for _ in range(rows):
        number = next(_number)
        other = make_patient(world.cast)
        for patient in (other, world.cast.zhang):
            _more_of(world, patient, f"{number}:{patient.pk}")


def _more_of(world: World, patient: Patient, key: str) -> None:
    cast, now = world.cast, timezone.now()
    make_task(
        cast,
        patient,
        questionnaire_url=forms.URL,
        available_at=now - timedelta(days=1),
        due_at=now + timedelta(hours=2),
    )
    supervised.record_of(cast, patient=patient, at=now - timedelta(days=2))
    queue(patient, f"more:{key}", at=now)
    raise_findings(
        origin=Origin(patient_id=patient.pk, department_id=cast.cardiology.pk),
        findings=[Finding(rule_code=f"r{key}", severity="high", sentence_zh="疼痛", sentence_en="Pain")], at=now, by=SYSTEM,
    )  # fmt: skip
    with seeding():
        stay = Encounter.objects.create(
            patient=patient, system="HIS", visit_number=f"M{key}"[:60], class_code="IMP", status="finished",
            department=cast.cardiology, attending=cast.zhao, admitted_at=now - timedelta(days=9),
            discharged_at=now - timedelta(minutes=1), discharge_cycle=1,
        )  # fmt: skip
        Condition.objects.create(
            patient=patient, encounter=stay, system="ICD-10", code="I21.0", code_key="I21.0", text="Infarction",
            use="final", rank=1,
        )  # fmt: skip
        Observation.objects.create(patient=patient, key=f"o{key}", code="8480-6", value_number=128, effective_at=now)
        DocumentReference.objects.create(
            patient=patient, key=f"d{key}", title="Summary", content_type="text/plain", content=b"x"
        )
        RelatedPerson.objects.create(patient=patient, name="Zhou Min")
    point = ContactPoint.objects.unscoped("test").filter(patient=patient).first()
    reply = ReplyData(message_id=f"m{key}", address=point.value, text="收到", occurred_at=now)
    messaging.store_replies(gateway="sms", replies=[reply], at=now, by=SYSTEM)


def cohort_and_day(world: World) -> None:
    """What addresses of ASKED name besides the world of the matrix."""
    world.ids |= {"cohort_id": cohort(world.cast.wang).pk, "day": timezone.localdate().isoformat()}


def measured(world: World, client: Client) -> dict[str, int]:
    """Statements by route. A page that cannot be shown is no page that asks little."""
    counts, unusable = {}, {}
    cohort_and_day(world)
    for door in LISTED:
        status, statements = asked(client, world.path(door))
        counts[door.route] = statements
        if status not in {200, 204, 302, 409}:
            unusable[door.route] = status
    for address in ASKED:
        status, counts[address] = asked(client, "/" + address.format(**world.ids))
        if status != 200:
            unusable[address] = status
    assert unusable == {}
    return counts


def above(counts: dict[str, int], limits: dict[str, int]) -> dict[str, str]:
    return {
        route: f"{count} statements, allowed are {limits.get(route, 0)}"
        for route, count in counts.items()
        if count > limits.get(route, 0)
    }


def test_every_listed_page_has_a_line_and_no_line_is_stale() -> None:
    listed = {door.route for door in LISTED}
    assert sorted(listed - set(LIMITS)) == []
    assert sorted(set(LIMITS) - listed) == []
    assert [begin for begin in UNLISTED if not any(door.route.startswith(begin) for door in DOORS)] == []
    assert len(listed) > 60


def test_no_staff_page_asks_more_than_its_line_with_one_row_or_with_thirty(world: World) -> None:
    client = all_round(world.cast)
    few = measured(world, client)
    assert above(few, LIMITS | ASKED) == {}
    more_of_everything(world, ROWS)
    assert above(measured(world, client), LIMITS | ASKED) == {}


def portal_routes() -> set[str]:
    found = views(get_resolver("careloop.config.urls_portal").url_patterns)
    return {route for route, view in found if "GET" in view.methods}


def test_every_page_of_the_patient_has_a_line_and_no_line_is_stale() -> None:
    assert sorted(portal_routes() - set(PORTAL_LIMITS)) == []
    assert sorted(set(PORTAL_LIMITS) - portal_routes()) == []


@pytest.fixture
def at_home(portal, cast: Cast) -> dict[str, object]:
    """Patient Zhang on her telephone, a questionnaire begun: what stands in the addresses, and her browser."""
    now = timezone.now()
    task = make_portal_task(cast)
    came = visitor(cast.zhang)
    came.enter()
    came.client.post(f"/t/{task.pk}/q/breath/", {"breath": "good"})
    response = QuestionnaireResponse.objects.unscoped("test").get(task_id=task.pk)
    with seeding():
        picture = Attachment.objects.unscoped("test").create(
            patient=cast.zhang, response=response, link_id="photo", content_type="image/png", size=1, sha256="0" * 64,
            data=b"x", source="phone", added_at=now,
        )  # fmt: skip
    return {
        "client": came.client, "token": came.token, "task_id": task.pk, "key": "pain", "file_id": picture.pk,
        "code": "weight",
    }  # fmt: skip


def measured_at_home(at_home: dict[str, object]) -> dict[str, int]:
    counts, unusable = {}, {}
    for route in sorted(portal_routes()):
        status, statements = asked(
            at_home["client"],
            "/" + PARAMETER.sub(lambda match: str(at_home[match[1]]), route),
        )
        counts[route] = statements
        if status not in {200, 302, 303, 404}:
            unusable[route] = status
    assert unusable == {}
    return counts


def test_no_page_of_the_patient_asks_more_than_its_line_with_one_row_or_with_thirty(
    at_home: dict[str, object], cast: Cast
) -> None:
    assert above(measured_at_home(at_home), PORTAL_LIMITS) == {}
    now = timezone.now()
    for number in range(ROWS):
        make_task(cast, cast.zhang, available_at=now - timedelta(days=1), due_at=now + timedelta(days=number))
        with seeding():
            Observation.objects.create(
                patient=cast.zhang,
                key=f"w{number}",
                code="29463-7",
                concept="weight",
                value_number=60,
                effective_at=now,
            )
    assert above(measured_at_home(at_home), PORTAL_LIMITS) == {}

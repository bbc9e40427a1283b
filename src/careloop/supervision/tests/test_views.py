"""Pages and doors: who comes in, that no address tells a blind checker anything, and what each form does."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.supervision import actions
from careloop.supervision.models import AnswerPair, Finding, RecordReview, Sample, SampledRecord
from careloop.supervision.tests.factories import GOOD, ask_again, draw, number, record_of, rows, wanted
from careloop.tasks.models import Task
from careloop.workbench.urls import urlpatterns as workbench_addresses
from tests.cast import NOW, Cast, _person
from tests.guards.test_matrix import give

SECRET = 187  # the first systolic pressure: nothing else on any page is 187
TOLD = r"(?<![0-9a-f-])187(?![0-9a-f-])"  # the number itself, not a part of an identifier


@pytest.fixture
def row(cast: Cast) -> SampledRecord:
    """One record of Wang with a telling pressure, to be asked again blind by Qian."""
    record_of(cast, answers={**GOOD, "sbp": SECRET, "words": "unmistakable words"})
    return rows(draw(cast))[0]


def at(name: str, *args: object) -> str:
    return reverse(f"supervision:{name}", args=args)


# ---- blindness at the doors -----------------------------------------------------------------------------------------


def patient_addresses(row: SampledRecord) -> list[str]:
    """Every address where something of this patient or this record could be read."""
    told = [
        reverse("questionnaires:response", args=[row.response_id]),
        reverse("questionnaires:print", args=[row.response_id]),
        reverse("questionnaires:patient_responses", args=[row.patient_id]),
        reverse("tasks:patient_followups", args=[row.patient_id]),
        at("record", row.response_id),
    ]
    for address in workbench_addresses:
        route = str(address.pattern)
        if route == "patients/<uuid:patient_id>/" or route == "patients/<uuid:patient_id>/timeline/":
            told.append("/" + route.replace("<uuid:patient_id>", str(row.patient_id)))
        if route == "patients/<uuid:patient_id>/trend/":
            told.append("/" + route.replace("<uuid:patient_id>", str(row.patient_id)) + "?code=8480-6")
        if route == "patients/<uuid:patient_id>/<slug:tab>/":
            told += [
                "/" + route.replace("<uuid:patient_id>", str(row.patient_id)).replace("<slug:tab>", tab)
                for tab in ("follow-up", "questionnaires", "results", "messages", "visits")
            ]
        if route in ("today/<uuid:task_id>/preview/", "call/<uuid:task_id>/", "call/<uuid:task_id>/screen/"):
            told.append("/" + route.replace("<uuid:task_id>", str(row.first_task_id)))
    return told


def everywhere(cast: Cast) -> list[str]:
    """Lists that a supervisor opens anyway."""
    return [
        "/patients/", "/alerts/", "/supervision/", at("findings"), at("records"), at("agreement"), at("integrity"),
        at("mine"), reverse("reports:department"),
    ]  # fmt: skip


def test_no_direct_address_tells_a_blind_checker_anything(cast: Cast, row: SampledRecord) -> None:
    give(cast.qian, "follow-up-nurse")  # also with the permissions of somebody who calls
    client = cast.client(cast.qian)
    addresses = patient_addresses(row)
    assert len(addresses) >= 12
    for begun in (False, True):
        if begun:
            client.post(at("begin", row.pk))
        for address in addresses:
            assert client.get(address).status_code == 404, address
        for address in [*everywhere(cast), at("check", row.pk), at("sample", row.sample_id)]:
            answer = client.get(address, follow=True)
            assert answer.status_code == 200, address
            assert not re.search(TOLD, answer.content.decode()), address
            assert "unmistakable" not in answer.content.decode(), address


def test_the_same_addresses_are_open_to_the_nurse_and_to_the_checker_afterwards(cast: Cast, row: SampledRecord) -> None:
    give(cast.qian, "follow-up-nurse")
    nurse = cast.client(cast.wang)
    assert nurse.get(reverse("questionnaires:response", args=[row.response_id])).status_code == 200
    ask_again(cast, row)
    client = cast.client(cast.qian)
    shut = [address for address in patient_addresses(row) if client.get(address).status_code != 200]
    assert shut == []


@pytest.mark.parametrize("name", ["differences", "verdict", "raise-finding"])
def test_nothing_is_revealed_by_a_form_sent_before_submitting(cast: Cast, row: SampledRecord, name: str) -> None:
    client = cast.client(cast.qian)
    fields = {"verdict": "agrees", "why-sbp": "not-asked", "code": "differs", "severity": "minor", "key": "k"}
    answer = client.post(at(name, row.pk), fields)
    assert answer.status_code == 409
    assert not re.search(TOLD, answer.content.decode())
    assert not Finding.objects.unscoped("test").exists()


def test_search_does_not_find_a_sealed_patient(cast: Cast, row: SampledRecord) -> None:
    found = cast.client(cast.qian).get("/search/", {"q": row.patient.name})
    assert row.patient.name not in found.content.decode().replace(f'value="{row.patient.name}"', "")


# ---- the re-check in the browser without scripts ----------------------------------------------------------------------


def test_a_whole_re_check(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    assert 'data-blind="waiting"' in client.get(at("check", row.pk)).content.decode()
    assert client.post(at("begin", row.pk)).status_code == 302
    page = client.get(at("check", row.pk)).content.decode()
    assert 'data-blind="begun"' in page
    assert 'data-answered="0"' in page
    shown = client.post(at("number", row.pk, number(row.patient)))
    assert row.patient.contact_points.get().value in shown.content.decode()
    assert AuditEvent.objects.filter(name="patients.PhoneRevealed", patient_id=row.patient_id).count() == 1
    fields = {**GOOD, "contact_point": str(number(row.patient))}
    assert client.post(at("submit", row.pk), fields).status_code == 302
    page = client.get(at("check", row.pk)).content.decode()
    assert 'data-open="comparing"' in page
    assert re.search(TOLD, page)
    assert 'data-link="sbp" data-agrees="no"' in page
    assert client.post(at("differences", row.pk), {}).status_code == 422
    assert (
        client.post(at("differences", row.pk), {"why-sbp": "recorded-wrong", "note": "at home 128"}).status_code == 302
    )
    row.refresh_from_db()
    assert (row.status, row.verdict) == ("settled", "serious")


def test_an_answer_is_kept_at_once_and_says_how_far_one_is(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    answer = client.post(at("answer", row.pk, "drugs"), {"drugs": "always"})
    assert answer.status_code == 200
    assert "HX-Retarget" not in answer.headers
    assert 'data-answered="1"' in answer.content.decode()
    assert AnswerPair.objects.unscoped("test").count() == 0


def test_the_form_is_drawn_again_when_other_questions_are_asked_now(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    answer = client.post(at("answer", row.pk, "pain"), {"pain": "yes"})
    assert answer.headers["HX-Retarget"] == "#recheck-form"
    assert 'data-link-id="where"' in answer.content.decode()
    again = client.post(at("answer", row.pk, "pain"), {"pain": "no"})
    assert 'data-link-id="where"' not in again.content.decode()


def test_an_impossible_value_is_shown_at_its_question(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    answer = client.post(at("answer", row.pk, "dbp"), {"dbp": "999"})
    assert 'data-fault="dbp"' in answer.content.decode()
    refused = client.post(at("submit", row.pk), {**GOOD, "dbp": "999"})
    assert refused.status_code == 422
    assert 'data-fault="dbp"' in refused.content.decode()
    assert not re.search(TOLD, refused.content.decode())


def test_what_is_missing_is_named_and_what_was_typed_is_kept(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    refused = client.post(at("submit", row.pk), {"pain": "no", "sbp": "131"})
    assert refused.status_code == 422
    assert 'data-fault="drugs"' in refused.content.decode()
    assert 'value="131"' in refused.content.decode()


def test_an_unknown_question_is_refused(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    assert client.post(at("answer", row.pk, "nonsense"), {"nonsense": "1"}).status_code == 409


def test_submitting_twice(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    assert client.post(at("submit", row.pk), GOOD).status_code == 302
    assert client.post(at("submit", row.pk), GOOD).status_code == 409
    assert QuestionnaireResponse.objects.unscoped("test").filter(author=cast.qian).count() == 1


def test_a_late_saving_of_what_was_submitted_is_no_fault_but_a_change_is_refused(
    cast: Cast, row: SampledRecord
) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    client.post(at("submit", row.pk), GOOD)
    assert client.post(at("answer", row.pk, "sbp"), {"sbp": str(GOOD["sbp"])}).status_code == 204
    assert client.post(at("answer", row.pk, "sbp"), {"sbp": "150"}).status_code == 409


def test_not_reached_and_stop(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    assert client.post(at("stop", row.pk)).status_code == 409
    for _ in range(3):
        assert client.post(at("not-reached", row.pk), {"outcome": "no-answer"}).status_code == 302
    assert client.post(at("not-reached", row.pk), {"outcome": "what"}).status_code == 409
    assert client.post(at("stop", row.pk)).status_code == 302
    row.refresh_from_db()
    assert row.status == "not-reached"
    assert client.get(at("check", row.pk)).status_code == 200


def test_giving_up_blindness_shows_the_record(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    assert client.post(at("unblind", row.pk), {"reason": "x"}).status_code == 422
    assert client.post(at("unblind", row.pk), {"reason": "an alert came in"}).status_code == 302
    page = client.get(at("check", row.pk)).content.decode()
    assert "data-record-read" in page
    assert re.search(TOLD, page)
    assert client.post(at("verdict", row.pk), {"verdict": "agrees"}).status_code == 302


def test_handing_over(cast: Cast, row: SampledRecord) -> None:
    with seeding():
        shen = _person("shen", "Shen", cast.cardiology, "department-supervisor")
    client = cast.client(cast.qian)
    assert shen.name in client.get(at("check", row.pk)).content.decode()
    assert client.post(at("hand-over", row.pk), {"to": str(cast.wang.pk)}).status_code == 409
    assert client.post(at("hand-over", row.pk), {"to": "nobody"}).status_code == 404
    assert client.post(at("hand-over", row.pk), {"to": str(shen.pk)}).status_code == 302
    assert 'data-code="blind"' in cast.client(shen).get(at("check", row.pk)).content.decode()


def test_a_number_of_another_patient_is_not_shown(cast: Cast, row: SampledRecord) -> None:
    client = cast.client(cast.qian)
    client.post(at("begin", row.pk))
    assert client.post(at("number", row.pk, number(cast.zhang))).status_code == 409
    assert client.post(at("number", row.pk, uuid4())).status_code == 409


# ---- samples ----------------------------------------------------------------------------------------------------------


def form_of(cast: Cast, **changed: object) -> dict[str, object]:
    return {
        "department": str(cast.cardiology.pk), "period_from": "2026-10-25", "period_to": "2026-11-25", "strata": ["author"],
        "size": "2", "percent": "", "blind_percent": "100", "seed": "", "key": "form-1", **changed,
    }  # fmt: skip


def test_a_sample_is_drawn_from_the_form_and_shows_how(cast: Cast) -> None:
    for _ in range(4):
        record_of(cast)
    client = cast.client(cast.qian)
    assert client.get(at("new-sample")).status_code == 200
    drawn = client.post(at("new-sample"), form_of(cast, seed="my-seed"))
    sample = Sample.objects.unscoped("test").get()
    assert drawn["Location"] == at("sample", sample.pk)
    assert (sample.size, sample.seed, sample.population_size) == (2, "my-seed", 4)
    page = client.get(drawn["Location"]).content.decode()
    assert 'data-redrawn="same"' in page
    assert "my-seed" in page
    assert page.count("data-record=") == 2
    again = client.post(at("new-sample"), form_of(cast, seed="my-seed"))
    assert again["Location"] == drawn["Location"]
    assert 'data-sample="open"' in client.get(at("home")).content.decode()


@pytest.mark.parametrize(
    "changed",
    [
        {"size": "5"},
        {"size": "0"},
        {"size": "-1"},
        {"size": "", "percent": "0"},
        {"size": "", "percent": "101"},
        {"size": "", "percent": "nan"},
        {"size": "", "percent": ""},
        {"size": "2", "percent": "50"},
        {"blind_percent": "101"},
        {"blind_percent": ""},
        {"seed": "no spaces"},
        {"seed": "x" * 41},
        {"period_to": "2026-10-01"},
        {"period_from": "2020-01-01"},
        {"period_from": "yesterday"},
        {"key": ""},
        {"author": str(uuid4())},
        {"strata": ["star-sign"]},
        {"form": "https://nowhere"},
        {"period_from": "2026-01-01", "period_to": "2026-01-31"},
    ],
)
def test_what_cannot_be_drawn_is_said_on_the_form(cast: Cast, changed: dict[str, object]) -> None:
    for _ in range(4):
        record_of(cast)
    answer = cast.client(cast.qian).post(at("new-sample"), form_of(cast, **changed))
    assert answer.status_code in (409, 422)
    assert "data-error-summary" in answer.content.decode()
    assert not Sample.objects.unscoped("test").exists()


def test_a_foreign_department_is_not_on_the_form(cast: Cast) -> None:
    record_of(cast, cast.li, department=cast.orthopaedics)
    client = cast.client(cast.qian)
    assert str(cast.orthopaedics.pk) not in client.get(at("new-sample")).content.decode()
    assert client.post(at("new-sample"), form_of(cast, department=str(cast.orthopaedics.pk))).status_code == 422
    assert client.post(at("new-sample"), form_of(cast, department="")).status_code in (409, 422)


def test_own_records_are_refused_on_the_form(cast: Cast) -> None:
    give(cast.qian, "follow-up-nurse")
    record_of(cast, cast.qian)
    answer = cast.client(cast.qian).post(at("new-sample"), form_of(cast, author=str(cast.qian.pk)))
    assert answer.status_code == 409
    assert "data-error-summary" in answer.content.decode()


def test_the_number_of_records_is_counted_while_choosing(cast: Cast) -> None:
    give(cast.qian, "follow-up-nurse")
    record_of(cast, cast.qian)
    for _ in range(3):
        record_of(cast)
    client = cast.client(cast.qian)
    page = client.get(at("population"), form_of(cast)).content.decode()
    assert 'data-population="3"' in page
    assert "data-left-out" in page
    for bad in ({"department": str(cast.orthopaedics.pk)}, {"period_from": "x"}, {"department": ""}):
        assert "data-population" not in client.get(at("population"), form_of(cast, **bad)).content.decode()


def test_a_widened_sample_shows_why_and_leads_on(cast: Cast) -> None:
    for _ in range(6):
        record_of(cast)
    sample = draw(cast, percent=None, size=1)
    ask_again(cast, rows(sample)[0], pain="yes", where="chest")
    actions.explain_differences(
        row=rows(sample)[0], reasons={"pain": "not-asked"}, note="", at=NOW, by=cast.viewer(cast.qian)
    )
    client = cast.client(cast.qian)
    assert 'data-code="widened"' in client.get(at("sample", sample.pk)).content.decode()
    wider = client.post(at("widen", sample.pk))
    assert wider.status_code == 302
    assert client.post(at("widen", sample.pk))["Location"] == wider["Location"]
    assert wider["Location"] in client.get(at("sample", sample.pk)).content.decode()


def test_the_pages_ask_no_more_questions_for_more_rows(cast: Cast) -> None:
    def asked(address: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(address).status_code == 200
        return len(queries)

    client = cast.client(cast.qian)
    for _ in range(2):
        record_of(cast, at=timezone.now() - timedelta(hours=2))
    first = draw(cast, percent=None, size=1, wanted=wanted_now(cast))
    for name in ("home", "findings", "records", "agreement", "integrity"):
        client.get(at(name))
    few = [asked(at(name)) for name in ("home", "findings", "records", "agreement")] + [asked(at("sample", first.pk))]
    for _ in range(6):
        record_of(cast, at=timezone.now() - timedelta(hours=1))
    second = draw(cast, percent=None, size=6, wanted=wanted_now(cast))
    many = [asked(at(name)) for name in ("home", "findings", "records", "agreement")] + [asked(at("sample", second.pk))]
    assert [more - less for less, more in zip(few, many, strict=True)] == [0, 0, 0, 0, 0]


def wanted_now(cast: Cast):
    from careloop.supervision.reads.records import month_of

    return wanted(cast, period=month_of(timezone.localdate()))


# ---- findings, records of colleagues, doors -----------------------------------------------------------------------------


def test_a_finding_from_raising_to_closing(cast: Cast, row: SampledRecord) -> None:
    ask_again(cast, row)
    supervisor, nurse = cast.client(cast.qian), cast.client(cast.wang)
    raised = supervisor.post(
        at("raise-finding", row.pk),
        {"code": "no-call", "severity": "serious", "note": "said nobody called", "key": "r1"},
    )
    finding = Finding.objects.unscoped("test").get()
    assert raised["Location"] == at("finding", finding.pk)
    assert 'data-finding="open"' in nurse.get(at("findings")).content.decode()
    assert nurse.post(at("answer-finding", finding.pk), {"text": "short"}).status_code == 422
    assert supervisor.post(at("close-finding", finding.pk), {"text": "nothing answered yet"}).status_code == 409
    assert (
        nurse.post(at("answer-finding", finding.pk), {"text": "called again on Monday, log 14:02"}).status_code == 302
    )
    assert nurse.post(at("close-finding", finding.pk), {"text": "I say it is right now"}).status_code == 409
    assert supervisor.post(at("return-finding", finding.pk), {"text": "the log shows no such call"}).status_code == 302
    assert nurse.post(at("answer-finding", finding.pk), {"text": "called on Tuesday, log 09:11"}).status_code == 302
    assert supervisor.post(at("close-finding", finding.pk), {"text": "listened to the call"}).status_code == 302
    page = supervisor.get(at("finding", finding.pk)).content.decode()
    steps = [kind for kind in ("raised", "answered", "returned", "closed") if f'data-step="{kind}"' in page]
    assert steps == ["raised", "answered", "returned", "closed"]
    assert 'data-finding="closed"' in nurse.get(at("findings") + "?closed=1").content.decode()
    assert cast.client(cast.li).get(at("finding", finding.pk)).status_code == 404


def test_an_unknown_finding_is_refused_on_the_form(cast: Cast, row: SampledRecord) -> None:
    ask_again(cast, row)
    answer = cast.client(cast.qian).post(
        at("raise-finding", row.pk), {"code": "bad-mood", "severity": "minor", "key": "k"}
    )
    assert answer.status_code == 422
    assert not Finding.objects.unscoped("test").exists()


def test_a_colleague_reads_a_record_through(cast: Cast) -> None:
    record = record_of(cast, at=timezone.now() - timedelta(hours=3))
    colleague, author = cast.client(cast.zhao), cast.client(cast.wang)
    assert str(record.pk) in colleague.get(at("records")).content.decode()
    assert str(record.pk) not in author.get(at("records")).content.decode()
    assert 'data-code="own"' in author.get(at("record", record.pk)).content.decode()
    assert author.post(at("review", record.pk), {"verdict": "fine"}).status_code == 409
    assert colleague.post(at("review", record.pk), {"verdict": "finding", "note": ""}).status_code == 422
    assert colleague.post(at("review", record.pk), {"verdict": "fine"}).status_code == 302
    assert RecordReview.objects.unscoped("test").get().reviewer_id == cast.zhao.pk
    assert 'data-review="fine"' in colleague.get(at("record", record.pk)).content.decode()


@pytest.mark.parametrize("who", ["li", "sun"])
def test_a_stranger_finds_nothing(cast: Cast, row: SampledRecord, who: str) -> None:
    person = give(getattr(cast, who), "department-supervisor") if who == "li" else cast.li
    client = cast.client(person)
    give(person, "department-supervisor")
    for name in ("check",):
        assert client.get(at(name, row.pk)).status_code == 404
    assert client.get(at("sample", row.sample_id)).status_code == 404
    for name in (
        "begin",
        "submit",
        "not-reached",
        "stop",
        "differences",
        "verdict",
        "unblind",
        "hand-over",
        "raise-finding",
    ):
        assert client.post(at(name, row.pk)).status_code == 404, name
    assert client.post(at("answer", row.pk, "pain"), {"pain": "no"}).status_code == 404


@pytest.mark.parametrize("who", ["wang", "zhao", "he", "system_admin", "security_admin", "audit_admin"])
def test_without_the_role_the_doors_are_shut(cast: Cast, row: SampledRecord, who: str) -> None:
    client = cast.client(getattr(cast, who))
    for name in ("home", "new-sample", "population", "agreement", "integrity"):
        assert client.get(at(name)).status_code == 403, name
    assert client.get(at("check", row.pk)).status_code == 403
    assert client.post(at("begin", row.pk)).status_code == 403


def test_the_re_check_task_stands_on_nobodys_call_list(cast: Cast, row: SampledRecord) -> None:
    cast.client(cast.qian).post(at("begin", row.pk))
    task = Task.objects.unscoped("test").get(kind="re-check")
    assert str(task.pk) not in cast.client(cast.wang).get("/today/list/").content.decode()

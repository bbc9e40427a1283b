"""Pages: what they show, who may not, that figures and lists agree, and that files hold no formula."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.kernel.actions import seeding
from careloop.patients.models import Condition
from careloop.publichealth import actions, rules
from careloop.publichealth.models import EpisodeOfCare, Opinion, OpinionTable, ProgrammeClock
from careloop.publichealth.reads import exporting, indicators, pages
from careloop.publichealth.tests.factories import (
    BP,
    CLOSING,
    HTN,
    ONCOLOGY,
    TB,
    TB_CLOSING,
    TB_FIRST,
    answered,
    day,
    get,
    give,
    pack,
    post,
    publish_all,
    table_content,
    visited,
)
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import NOW, SYSTEM

pytestmark = pytest.mark.django_db
HIGH = {"sbp": 152}
NOW_REAL = timezone.now()
TODAY = timezone.localdate(NOW_REAL)


@pytest.fixture
def world(cast):
    publish_all()
    return cast


def episode(**given):
    return EpisodeOfCare.objects.unscoped("test").get(**given)


def ago(days):
    return NOW_REAL - timedelta(days=days)


# --- the list --------------------------------------------------------------------------------------------------


def test_the_list_counts_every_state_and_shows_who_is_due_first(world):
    visited(world, values=HIGH, at=ago(20))
    fine, lost = make_patient(world), make_patient(world)
    visited(world, at=ago(5), patient=fine)
    response = answered(
        world, HTN, {"mode": "phone", "symptoms": ["none"], "adr": "no", "complication": "no"}, at=ago(3), patient=lost
    )
    actions.take_up_response(response_id=response.pk, at=ago(3), by=SYSTEM)
    answer = get(world.client(world.wang), "list")
    text = answer.content.decode()
    for state, count in {"all": 3, "overdue": 1, "due": 0, "out": 1, "unknown": 1, "urgent": 0, "ended": 0}.items():
        assert f'data-state-chip="{state}" data-count="{count}"' in text
    first = text.index(str(episode(patient=world.zhang).pk))
    assert first < text.index(str(episode(patient=fine).pk)) < text.index(str(episode(patient=lost).pk))


@pytest.mark.parametrize("state", [*pages.STATES, "nonsense"])
def test_every_state_and_programme_opens(world, state):
    visited(world, values={"sbp": 185}, at=ago(20))
    client = world.client(world.wang)
    for programme in ("hypertension", "tuberculosis", "elderly", "x"):
        assert get(client, "list", programme=programme, state=state, **{"from": "9999999"}).status_code == 200


def test_the_list_pages_and_never_asks_more_for_more_rows(world, django_assert_max_num_queries):
    def fill(count):
        with seeding():
            for _ in range(count):
                EpisodeOfCare.objects.create(
                    patient=make_patient(world),
                    programme="hypertension",
                    department=world.cardiology,
                    started_on=TODAY,
                    started_how="registered",
                )

    client = world.client(world.wang)
    fill(2)
    with django_assert_max_num_queries(40) as few:
        get(client, "list")
    fill(55)
    with django_assert_max_num_queries(len(few)):
        answer = get(client, "list")
    text = answer.content.decode()
    assert text.count("data-episode=") == 50
    assert "from=50" in text
    assert get(client, "list", **{"from": "50"}).content.decode().count("data-episode=") == 7


def test_without_any_pack_there_is_no_such_page(cast):
    assert get(cast.client(cast.wang), "list").status_code == 404


# --- one patient -----------------------------------------------------------------------------------------------

FULL = {
    "weight": "80", "weight-target": "76", "height": 170, "cigarettes": 10, "cigarettes-target": 5, "salt": "heavy",
    "salt-target": "light",
}  # fmt: skip


def test_the_patients_page_shows_pairs_trend_history_and_the_reason(world):
    visited(world, values={**FULL, "sbp": 150}, at=ago(40))
    visited(world, values={**FULL, "sbp": 152, "weight": "75"}, at=ago(10))
    text = get(world.client(world.wang), "episode", episode().pk).content.decode()
    assert text.count("data-visit=") == 2
    assert text.count("data-pair") == 4
    assert "152" in text
    assert 'data-last-class="2"' in text
    assert 'data-clock="referral-check"' in text
    assert "linechart" in text
    assert AuditEvent.objects.filter(name="audit.RecordSeen", patient_id=world.zhang.pk).exists()


def test_pairs_compare_with_the_target_of_the_time_before(world):
    visited(world, values=FULL, at=ago(40))
    visited(world, values={**FULL, "weight": "75", "weight-target": "74"}, at=ago(10))
    lines = pages.visit_lines(episode(), SYSTEM)
    weight, bmi, *_rest = pages.pair_lines(pack().programme("hypertension"), lines)
    assert (weight.before.split()[0], weight.now.split()[0], weight.target.split()[0], weight.met) == (
        "76",
        "75",
        "74",
        True,
    )
    assert (bmi.now, bmi.target, bmi.before) == ("26", "25.6", "26.3")


def test_what_is_missing_is_said_instead_of_a_class(world):
    response = answered(world, HTN, {name: value for name, value in BP.items() if name != "sbp"}, at=ago(1))
    actions.take_up_response(response_id=response.pk, at=ago(1), by=SYSTEM)
    assert "data-missing" in get(world.client(world.wang), "episode", episode().pk).content.decode()


@pytest.mark.parametrize("name", ["episode", "print"])
def test_an_empty_episode_opens_too(world, name):
    with seeding():
        made = EpisodeOfCare.objects.create(
            patient=world.zhang,
            programme="hypertension",
            department=world.cardiology,
            started_on=TODAY,
            started_how="registered",
        )
    assert get(world.client(world.wang), name, made.pk).status_code == 200


def test_the_national_form_has_four_columns_oldest_first_with_numbered_options_and_slashes(world):
    for days in (200, 150, 100, 50, 5):
        visited(world, values={**FULL, "sbp": 100 + days // 10}, at=ago(days))
    lines = pages.visit_lines(episode(), SYSTEM)
    columns, rows = pages.paper(lines, pack().programme("hypertension"))
    assert [line.visit.visited_on for line in columns] == [TODAY - timedelta(days=d) for d in (150, 100, 50, 5)]
    by_title = {row.title: row for row in rows}
    assert by_title["体重"].cells[0] == "80 kg / 76 kg"
    assert by_title["体质指数"].cells[0] == "27.7 / 26.3"
    assert by_title["摄盐情况"].cells[0] == "□3 / □1"
    assert by_title["症状"].options.startswith("1 无症状 2 ")
    assert by_title["症状"].cells[0] == "□1"
    assert "下次目标体重" not in by_title, "the target stands behind the slash"
    assert "药物 1：每日次数" not in by_title, "what nobody was asked takes no line"
    text = get(world.client(world.wang), "print", episode().pk).content.decode()
    assert text.count("data-column") == 4


def test_a_nurse_of_another_department_gets_404_everywhere(world):
    visited(world, at=ago(5))
    client = world.client(give(world.li, "ward-doctor", "department-supervisor"))
    for name in ("episode", "print"):
        assert get(client, name, episode().pk).status_code == 404
    assert post(client, "end", episode().pk, reason="moved").status_code == 404
    assert get(client, "patient_programmes", world.zhang.pk).status_code == 404
    assert (
        post(client, "register", world.zhang.pk, programme="diabetes", started_on=TODAY.isoformat()).status_code == 404
    )
    assert str(episode().pk) not in get(client, "list").content.decode()


@pytest.mark.parametrize("who", ["he", "system_admin", "security_admin", "audit_admin"])
def test_who_treats_nobody_sees_no_patient(world, who):
    visited(world, at=ago(5))
    client = world.client(getattr(world, who))
    assert get(client, "list").status_code == 403
    assert get(client, "episode", episode().pk).status_code == 403


def test_management_ends_by_the_page_with_a_reason(world):
    visited(world, at=ago(5))
    client = world.client(world.wang)
    assert post(client, "end", episode().pk, reason="because").status_code == 422
    assert post(client, "end", episode().pk, reason="moved").status_code == 302
    assert episode().end_reason == "moved"
    assert post(client, "end", episode().pk, reason="moved").status_code == 409
    assert get(client, "list", state="ended").content.decode().count("data-episode=") == 1


def test_the_card_of_the_record_registers_once(world):
    client = world.client(world.wang)
    assert get(client, "patient_programmes", world.zhang.pk).status_code == 200
    data = {"programme": "hypertension", "started_on": TODAY.isoformat()}
    assert post(client, "register", world.zhang.pk, programme="hypertension", started_on="soon").status_code == 422
    assert post(client, "register", world.zhang.pk, **data).status_code == 200
    assert episode().started_how == "registered"
    assert post(client, "register", world.zhang.pk, **data).status_code == 409
    assert (
        post(client, "register", world.zhang.pk, programme="tuberculosis", started_on=TODAY.isoformat()).status_code
        == 422
    )
    text = get(client, "patient_programmes", world.zhang.pk).content.decode()
    assert f'data-episode="{episode().pk}"' in text


def test_the_task_says_why_it_is_there(world):
    visited(world, values=HIGH, at=ago(5))
    task = Task.objects.unscoped("test").get(key__startswith="publichealth:")
    client = world.client(world.wang)
    answer = get(client, "why", task.pk)
    assert 'data-why-clock="recheck"' in answer.content.decode()
    assert "3-2017.2" in answer.content.decode()
    assert get(client, "why", make_task(world).pk).status_code == 204
    assert get(world.client(world.li), "why", task.pk).status_code == 404


# --- indicators ------------------------------------------------------------------------------------------------


def year():
    return rules.Period(TODAY.replace(month=1, day=1), TODAY)


def figures(code="hypertension", viewer=SYSTEM):
    programme = pack().programme(code)
    sheet = indicators.sheet(programme, indicators.facts(viewer, programme, year()))
    return {
        one.code: (figure.numerator, figure.denominator)
        for one, figure in zip(sheet.indicators, sheet.whole, strict=True)
    }


def diagnosed(world, code, **given):
    patient = make_patient(world, **given)
    with seeding():
        Condition.objects.create(
            patient=patient, system="ICD-10", code=code, code_key=code, text=code, use="final", rank=1
        )
    return patient


def test_each_figure_counts_what_its_definition_says(world):
    diagnosed(world, "I10")
    diagnosed(world, "I11.9")
    diagnosed(world, "J18")
    visited(world, at=ago(3))
    high = make_patient(world)
    visited(world, values=HIGH, at=ago(3), patient=high)
    found = figures()
    assert found["management"] == (2, 4), "managed, and two with the diagnosis but no record"
    assert found["control"] == (1, 2)
    assert found["standard"] == (2, 2), "no full quarter has passed since they began"


def test_a_dead_patient_is_no_gap_and_a_mistake_was_never_managed(world):
    gone = diagnosed(world, "I10")
    with seeding():
        gone.deceased = True
        gone.save()
    visited(world, at=ago(3))
    assert figures()["management"] == (1, 1)
    actions.end_episode(episode=episode(), reason="wrong-diagnosis", at=NOW_REAL, by=world.as_wang)
    assert figures()["management"] == (0, 0)


def test_phone_calls_do_not_make_a_standardised_management(world):
    begin = TODAY.replace(month=1, day=1)
    with seeding():
        made = EpisodeOfCare.objects.create(
            patient=world.zhang,
            programme="hypertension",
            department=world.cardiology,
            started_on=begin,
            started_how="registered",
        )
    needed = rules.required_visits(4, started_on=begin, ended_on=None, period=year())
    assert needed >= 1, "this test needs the second quarter of a year"
    for number in range(needed):
        visited(world, values={"mode": "phone"}, at=ago(10 + number))
    assert figures()["standard"] == (0, 1)
    for number in range(needed):
        visited(world, values={"mode": "home"}, at=ago(30 + number))
    assert figures()["standard"] == (1, 1)
    assert made.pk == episode().pk


def test_clocks_are_kept_when_done_by_their_day_and_forgiven_when_death_stopped_them(world):
    for days, again in ((30, 20), (40, 5)):
        patient = make_patient(world)
        visited(world, values=HIGH, at=ago(days), patient=patient)
        visited(world, at=ago(again), patient=patient)
        with seeding():
            ProgrammeClock.objects.unscoped("test").filter(patient=patient, kind="recheck").update(ended_at=ago(again))
    died = make_patient(world)
    visited(world, values=HIGH, at=ago(30), patient=died)
    actions.stop_for_death(patient_id=died.pk, at=NOW_REAL, by=SYSTEM)
    visited(world, values=HIGH, at=ago(30))
    assert figures()["clocks"] == (1, 3), "one in time, one late, one still open, the dead left out"


def test_tuberculosis_counts_notices_first_visits_and_doses(world):
    on_time, late, waiting = make_patient(world), make_patient(world), make_patient(world)
    for patient in (on_time, late, waiting):
        actions.register_patient(
            patient=patient,
            programme="tuberculosis",
            department_id=world.cardiology.pk,
            started_on=ago(20).date(),
            noticed_at=ago(20),
            at=NOW_REAL,
            by=SYSTEM,
        )
    visited(world, TB_FIRST, TB, at=ago(18), patient=on_time)
    visited(world, TB_FIRST, TB, at=ago(10), patient=late)
    visited(world, TB_CLOSING, {**CLOSING, "doses-taken": 100}, at=ago(1), patient=late)
    found = figures("tuberculosis")
    assert found["management"] == (2, 3)
    assert found["first-visit"] == (1, 3)
    assert found["regular"] == (0, 1)


def test_departments_add_up_to_the_whole_and_lists_are_the_figures(world):
    visited(world, at=ago(3))
    visited(
        world, values=HIGH, at=ago(3), patient=make_patient(world, department=world.orthopaedics), by=SYSTEM_AS(world)
    )
    diagnosed(world, "I10")
    programme = pack().programme("hypertension")
    rows = indicators.facts(SYSTEM, programme, year())
    sheet = indicators.sheet(programme, rows)
    assert sheet.holds
    for one, figure in zip(sheet.indicators, sheet.whole, strict=True):
        assert len(indicators.part(one, rows, "numerator")) == figure.numerator
        assert len(indicators.part(one, rows, "denominator")) == figure.denominator
        assert len(indicators.part(one, rows, "gap")) == figure.denominator - figure.numerator
        assert figure.numerator <= figure.denominator


def SYSTEM_AS(world):
    return world.as_sun


def test_the_figures_of_a_department_are_its_own(world):
    visited(world, at=ago(3))
    assert figures(viewer=world.as_wang)["control"] == (1, 1)
    assert figures(viewer=world.as_li)["control"] == (0, 0)


def test_nobody_to_count_is_no_zero_percent(world):
    assert indicators.Figure(0, 0).percent is None
    assert indicators.Figure(1, 3).percent == 33.3
    text = get(world.client(world.wang), "indicators").content.decode()
    assert 'data-indicator="control" data-numerator="0" data-denominator="0"' in text


def test_the_indicator_page_states_definitions_and_links_its_lists(world):
    visited(world, at=ago(3))
    client = world.client(world.wang)
    text = get(client, "indicators").content.decode()
    assert 'data-identity="holds"' in text
    assert "data-indicator" in text
    for part, total in {"numerator": 1, "denominator": 1, "gap": 0}.items():
        answer = get(client, "indicator-list", "hypertension", "control", part, year=str(TODAY.year))
        assert f'data-total="{total}"' in answer.content.decode()
    elsewhere = get(
        client, "indicator-list", "hypertension", "control", "numerator", department=str(world.orthopaedics.pk)
    )
    assert 'data-total="0"' in elsewhere.content.decode()
    for wrong in (("gout", "control", "gap"), ("hypertension", "joy", "gap"), ("hypertension", "control", "rest")):
        assert get(client, "indicator-list", *wrong).status_code == 404


def test_a_manager_sees_figures_but_no_list(world):
    visited(world, at=ago(3))
    client = world.client(world.he)
    text = get(client, "indicators").content.decode()
    assert 'data-indicator="control" data-numerator="1"' in text
    assert "indicators/hypertension/control" not in text
    assert get(client, "indicator-list", "hypertension", "control", "numerator").status_code == 403
    assert get(client, "pack").status_code == 200


@pytest.mark.parametrize("programme", ["hypertension", "diabetes", "severe-mental-disorder", "tuberculosis", "elderly"])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_rules_and_indicators_open_for_every_programme_in_both_languages(world, programme, language):
    with seeding():
        world.wang.language = language
        world.wang.save()
    client = world.client(world.wang)
    for name in ("pack", "indicators", "list"):
        answer = client.get(reverse(f"publichealth:{name}"), {"programme": programme})
        assert answer.status_code == 200
        assert f'<html lang="{language[:2]}' in answer.content.decode()
    assert 'data-pack="3-2017.2"' in get(client, "pack", programme=programme).content.decode()


# --- the file --------------------------------------------------------------------------------------------------


def cells(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_file_has_a_data_element_line_and_no_formula_and_leaves_a_fact(world):
    evil = '=HYPERLINK("http://x")'
    visited(world, values={"drug-1": evil, "signs-other": "+1-2", "symptoms-other": "@SUM(A1)"}, at=ago(3))
    client = world.client(give(world.wang, "department-supervisor"))
    answer = post(client, "export", programme="hypertension", form="follow-up", kind="xlsx", year=str(TODAY.year))
    assert answer.status_code == 200
    parts = cells(answer.content)
    assert all("<f>" not in text for name, text in parts.items() if name.startswith("xl/worksheets"))
    strings = parts["xl/sharedStrings.xml"]
    assert "DE04.10.174.00" in strings
    assert "HYPERLINK" in strings
    fact = AuditEvent.objects.get(name="publichealth.ProgrammeExported")
    assert fact.payload == {"programme": "hypertension", "rows": 1, "form": "xlsx"}
    assert fact.actor == f"staff:{world.wang.pk}"
    assert "Zhang" not in answer["Content-Disposition"]


def test_the_json_says_each_value_with_its_element(world):
    visited(world, at=ago(3))
    client = world.client(give(world.wang, "department-supervisor"))
    answer = post(client, "export", programme="hypertension", form="follow-up", kind="json", year=str(TODAY.year))
    told = json.loads(answer.content)
    values = {one["name"]: one for one in told["records"][0]}
    assert values["sbp"] == {"name": "sbp", "title": "收缩压", "element": "DE04.10.174.00", "value": "128"}
    assert values["class"]["element"] == "DE05.10.066.00"
    assert {"name", "title", "element", "verified"} == set(told["columns"][0])


def test_who_may_not_export_gets_no_file_and_an_empty_one_is_refused(world):
    assert post(world.client(world.wang), "export", programme="hypertension").status_code == 403
    client = world.client(give(world.wang, "department-supervisor"))
    assert post(client, "export", programme="hypertension").status_code == 409
    assert post(client, "export", programme="hypertension", form="closing").status_code == 404
    assert not AuditEvent.objects.filter(name="publichealth.ProgrammeExported").exists()


def test_a_file_holds_only_the_viewers_patients(world):
    visited(world, at=ago(3))
    programme = pack().programme("hypertension")
    assert len(exporting.visits_to_export(world.as_wang, programme=programme, form_url=HTN, period=year())) == 1
    assert exporting.visits_to_export(world.as_li, programme=programme, form_url=HTN, period=year()) == []


# --- opinions --------------------------------------------------------------------------------------------------


@pytest.fixture
def oncology(cast):
    publish_all()
    publish_all("oncology-post-op")
    actions.load_shipped_tables(at=NOW, by=SYSTEM)
    return cast


def suggested(world, values, *, at=None, url=ONCOLOGY):
    response = answered(world, url, values, at=at or ago(2))
    return actions.suggest_opinion(response_id=response.pk, at=at or ago(2), by=SYSTEM)


def test_a_suggestion_keeps_rule_version_and_evidence(oncology):
    found = suggested(oncology, {"condition": "normal", "pain": 2, "lump": "no"})
    assert (found.suggested, found.row) == ("normal", 5)
    assert found.evidence == {"condition": "normal", "pain": 2}
    assert found.table is not None
    assert str(found.table.version) in found.rule_version
    assert actions.suggest_opinion(response_id=found.response_id, at=NOW, by=SYSTEM) is None
    assert Opinion.objects.unscoped("test").count() == 1


def test_what_cannot_be_derived_is_kept_as_such(oncology):
    found = suggested(oncology, {"pain": 2})
    assert (found.suggested, found.missing) == ("", ["condition"])
    text = get(oncology.client(oncology.zhao), "opinion", found.response_id).content.decode()
    assert "data-missing" in text


def test_the_doctor_decides_both_are_kept_and_counted(oncology):
    found = suggested(oncology, {"condition": "normal", "pain": 2, "lump": "no"})
    client = oncology.client(oncology.zhao)
    assert (
        f'data-suggested="{found.suggested}" data-chosen=""'
        in get(client, "opinion", found.response_id).content.decode()
    )
    assert post(client, "choose", found.response_id, code="relapse", note="CT 提示").status_code == 200
    assert post(client, "choose", found.response_id, code="relapse", note="CT 提示").status_code == 200
    assert post(client, "choose", found.response_id, code="normal").status_code == 200
    found.refresh_from_db()
    assert (found.suggested, found.chosen) == ("normal", "normal")
    assert list(found.choices.order_by("chosen_at").values_list("code", "agrees")) == [
        ("relapse", False),
        ("normal", True),
    ]
    text = get(client, "tables").content.decode()
    assert 'data-decided="1" data-agreed="1"' in text


@pytest.mark.parametrize(("code", "status"), [("bliss", 409), ("", 422), ("x" * 41, 422)])
def test_an_opinion_that_is_not_listed_is_refused(oncology, code, status):
    found = suggested(oncology, {"condition": "normal", "pain": 2})
    assert post(oncology.client(oncology.zhao), "choose", found.response_id, code=code).status_code == status
    assert not found.choices.exists()


def test_only_doctors_of_the_patient_decide(oncology):
    found = suggested(oncology, {"condition": "normal", "pain": 2})
    assert post(oncology.client(oncology.wang), "choose", found.response_id, code="normal").status_code == 403
    stranger = oncology.client(give(oncology.li, "ward-doctor"))
    assert post(stranger, "choose", found.response_id, code="normal").status_code == 404
    assert get(stranger, "opinion", found.response_id).status_code == 404


def test_corrected_answers_are_decided_anew(oncology):
    from careloop.questionnaires import actions as questionnaires

    found = suggested(oncology, {"condition": "normal", "pain": 2})
    new = questionnaires.amend_response(
        response=found.response, answers={"lump": "yes"}, at=NOW_REAL, by=oncology.as_wang
    )
    again = actions.suggest_opinion(response_id=new.pk, at=NOW_REAL, by=SYSTEM)
    assert again.suggested == "relapse"
    assert post(oncology.client(oncology.zhao), "choose", found.response_id, code="normal").status_code == 409


def test_a_form_brings_its_own_table_until_a_department_has_one(oncology):
    publish_all("pci-follow-up")
    pci = "https://careloop.org/Questionnaire/pci-follow-up"
    own = suggested(oncology, {"chest-pain": "no", "antiplatelet": "regular"}, url=pci)
    assert (own.suggested, own.table, own.rule_version) == (
        "stable",
        None,
        f"{pci}|{own.response.questionnaire.version}",
    )
    word = {"zh": "字", "en": "word"}
    content = table_content(
        questionnaire=pci,
        outcomes=[{"code": "ours", "title": word, "reason": word, "when": "otherwise"}],
        vectors=[{"answers": {}, "opinion": "ours"}],
    )
    actions.publish_table(content=content, department_id=oncology.cardiology.pk, at=NOW, by=SYSTEM)
    assert suggested(oncology, {"chest-pain": "no", "antiplatelet": "regular"}, url=pci, at=ago(1)).suggested == "ours"
    own.refresh_from_db()
    assert own.suggested == "stable"


def test_forms_without_a_table_get_no_opinion_and_the_fragment_stays_away(world):
    response = answered(world, HTN, BP, at=ago(1))
    assert actions.suggest_opinion(response_id=response.pk, at=NOW, by=SYSTEM) is None
    assert get(world.client(world.wang), "opinion", response.pk).status_code == 204


def test_a_published_table_and_a_decision_cannot_be_changed_in_the_database(oncology):
    from django.db import IntegrityError, transaction

    found = suggested(oncology, {"condition": "normal", "pain": 2})
    choice = actions.choose_opinion(opinion=found, code="normal", note="", at=NOW, by=oncology.as_zhao)
    attempts = [
        lambda: OpinionTable.objects.update(content={}),
        lambda: OpinionTable.objects.all().delete(),
        lambda: Opinion.objects.unscoped("test").update(suggested="worse"),
        lambda: type(choice).objects.unscoped("test").update(code="worse"),
        lambda: type(choice).objects.unscoped("test").all().delete(),
    ]
    for attempt in attempts:
        with pytest.raises(IntegrityError), transaction.atomic(), seeding():
            attempt()


def test_a_form_shows_the_table_it_brings_and_a_draft_to_begin_from(oncology):
    from careloop.questionnaires.models import Questionnaire

    publish_all("pci-follow-up")
    client = oncology.client(oncology.qian)
    form = Questionnaire.objects.get(name="pci-follow-up")
    assert get(client, "form-table", form.pk).content.decode().count("data-table-row") == 4
    assert get(client, "form-table", Questionnaire.objects.get(url=HTN).pk).status_code == 404


def test_the_response_page_and_the_record_load_our_parts(oncology):
    found = suggested(oncology, {"condition": "normal", "pain": 2})
    client = oncology.client(oncology.zhao)
    page = client.get(reverse("questionnaires:response", args=[found.response_id])).content.decode()
    assert reverse("publichealth:opinion", args=[found.response_id]) in page
    record = client.get(reverse("workbench:patient-tab", args=[oncology.zhang.pk, "questionnaires"])).content.decode()
    assert reverse("publichealth:patient_programmes", args=[oncology.zhang.pk]) in record


def test_days_are_days_of_the_hospital():
    assert timezone.localdate(day("2026-01-01", hour=17)).isoformat() == "2026-01-02"

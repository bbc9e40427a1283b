"""The paper itself, read back from the PDF: fonts, rare names, what the window shows, and what each sheet says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone, translation

from careloop.alerts.actions import Finding, Origin, raise_findings
from careloop.kernel.actions import seeding
from careloop.letters import actions
from careloop.letters.models import Letter
from careloop.letters.reads import due, letters, pdf, plan, record, report, site
from careloop.letters.rules.codes import shown
from careloop.letters.tests.factories import a_letter, a_task, at_home, change, fonts_of, reader, shipped, text_of
from careloop.letters.tests.factories import site as settings_of
from careloop.patients.models import MedicationStatement, Observation
from careloop.plans import actions as plans
from careloop.plans.tests.factories import Scene
from careloop.questionnaires import actions as forms_actions
from careloop.questionnaires.models import QuestionnaireResponse
from careloop.tasks import actions as tasks
from careloop.tasks.tests.factories import make_patient
from careloop.workbench.tests import forms
from tests.cast import NOW, SYSTEM, Cast

POINTS = 72 / 25.4  # in a millimetre
RARE = "䶮𠮷㛃"


@pytest.fixture
def home(cast: Cast) -> Cast:
    at_home(cast)
    return cast


def sheet(*blocks: dict[str, object], **more: object) -> dict[str, object]:
    plain = {
        "title": "随访记录单", "lang": "zh", "hospital": "医院", "heading": "随访记录单", "note": "", "footer": "foot",
        "page_words": ["第", "页共", "页"], "blocks": list(blocks),
    }  # fmt: skip
    return {**plain, **more}


def said(text: str) -> bytes:
    return pdf.pdf("sheet", sheet({"kind": "paragraph", "text": text}))


# ---- the file -----------------------------------------------------------------------------------------------------


def test_every_font_lies_in_the_file_as_a_subset():
    fonts = fonts_of(said("中文 English 123 " + RARE))
    assert fonts
    assert all(fonts.values())
    assert all(re.match(r"/[A-Z]{6}\+", name) for name in fonts)
    assert {name.split("+")[1].split("-")[0] for name in fonts} <= {
        "NotoSerifSC",
        "NotoSansSC",
        "NotoSerifJP",
        "NotoSansJP",
    }


def test_rare_names_are_drawn_and_can_be_copied_out():
    assert pdf.lacking(RARE + "中文Äß–“”") == ""
    assert RARE in text_of(said(RARE))


def test_what_no_font_draws_is_named_instead_of_an_empty_box():
    text = text_of(said("周\U0002a6d6强"))
    assert "周〓(U+2A6D6)强" in text
    assert pdf.lacking("a\U0002a6d6") == "\U0002a6d6"


def test_a_site_may_add_its_own_fonts(tmp_path: Path):
    """The folder is read; a folder without fonts changes nothing."""
    pdf._fonts.cache_clear()
    pdf._more_families.cache_clear()
    try:
        with settings_of(letter_fonts=str(tmp_path)):
            assert pdf._more_families() == []
    finally:
        pdf._fonts.cache_clear()
        pdf._more_families.cache_clear()


@pytest.mark.parametrize(
    "evil",
    [
        "#eval(\"1\")", "#import \"@preview/x:1.0.0\"", "*bold* _it_ = head", "$x^2$", "<label> @ref", "\\ \" ' `raw`",
        "#read(\"/etc/passwd\")", "]#panic()[", "{{x}} {% y %}", "\u202eabc", "a\x00b", "//comment /* */",
    ],
)  # fmt: skip
def test_what_a_person_typed_is_never_read_as_source(evil: str):
    text = text_of(said(f"前{evil}后"))
    assert text.startswith("医院随访记录单前")
    assert "后" in text
    visible = "".join(evil.replace("\x00", "").replace("\u202e", "").split())
    assert "\x00" not in text
    assert "\u202e" not in text
    plain = str.maketrans("“”‘’", "\"\"''")
    assert visible[:4].translate(plain) in text.translate(plain)


def test_the_properties_of_a_file_name_nobody(home: Cast):
    letter = a_letter(home)
    for data in (
        pdf.pdf("letter", letters.letter_data([letter])),
        pdf.pdf("plan", plan.plan_paper(home.zhang, viewer=home.as_wang, at=NOW)),
        pdf.pdf("sheet", report.report_sheet(home.zhang, None, viewer=home.as_wang, at=NOW)),
    ):
        properties = str(reader(data).metadata) + str(reader(data).xmp_metadata)
        assert "周" not in properties
        assert "2026110347" not in properties
        assert "人民路" not in properties


def test_pages_are_a4_with_margins_that_printers_keep():
    data = said("字" * 4000)
    assert [round(float(side) / POINTS) for side in reader(data).pages[0].mediabox[2:]] == [210, 297]
    places = [(x, y) for x, y, text in seen_texts(data) if text.strip()]
    assert min(x for x, _y in places) >= 12
    assert max(x for x, _y in places) <= 210 - 8
    assert min(y for _x, y in places) >= 12
    assert max(y for _x, y in places) <= 297 - 8


def test_text_can_be_copied_in_reading_order():
    text = text_of(said("第一段，接着读。\n第二行。"))
    assert "第一段，接着读。第二行。" in text


def test_a_long_list_repeats_its_head_and_counts_its_pages(home: Cast):
    people = [make_patient(home, f"长名单{n}") for n in range(60)]
    for patient in people:
        patient.refresh_from_db()
    tasks_ = [a_task(home, patient=patient, due_at=NOW + timedelta(hours=4)) for patient in people]
    query = due.default_query(at=timezone.now())
    rows = due.rows_of(tasks_, at=timezone.now())
    data = pdf.pdf("sheet", due.due_sheet(rows, query, viewer=home.as_wang, at=timezone.now()))
    pages = reader(data).pages
    assert len(pages) > 1
    with translation.override("zh-hans"):
        head = due.heads()[4]
    for number, page in enumerate(pages, start=1):
        text = "".join(page.extract_text().split())
        assert head in text
        assert f"第{number}页，共{len(pages)}页" in text


def test_an_unknown_block_is_a_mistake_of_ours_and_is_not_swallowed():
    with pytest.raises(RuntimeError):
        pdf.pdf("sheet", sheet({"kind": "no-such"}))


# ---- the window ---------------------------------------------------------------------------------------------------


def seen_texts(data: bytes, number: int = 0) -> list[tuple[float, float, str]]:
    """Every piece of text with its place on the sheet, in millimetres from the upper left."""
    page = reader(data).pages[number]
    high = float(page.mediabox[3])
    found: list[tuple[float, float, str]] = []

    def visit(text: str, cm: list[float], tm: list[float], _font: object, _size: float) -> None:
        if text.strip():
            x = tm[4] * cm[0] + tm[5] * cm[2] + cm[4]
            y = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
            found.append((x / POINTS, (high - y) / POINTS, text.strip()))

    page.extract_text(visitor_text=visit)
    return found


@pytest.mark.parametrize("code", ["dl-window", "c65-window", "zl-window"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_window_shows_the_address_and_the_code_and_nothing_else(home: Cast, code: str, language: str):
    if language == "en":
        change(home.zhang, language="en", name="John Smith", address="Flat 5, 128 Renmin Road, Yunxi, Zhejiang")
    with settings_of(letter_envelope=code):
        letter = a_letter(home, template=shipped("coming-due"), task=a_task(home))
        seen = site.envelope().possibly_seen()
        sure = site.envelope().certainly_seen()
        texts = seen_texts(pdf.pdf("letter", letters.letter_data([letter])))
    assert seen is not None
    assert sure is not None
    in_window = "".join("".join(text.split()) for x, y, text in texts if seen.holds(x, y))
    expected = "".join("".join(line.split()) for line in letter.recipient["lines"]) + shown(letter.reply_code)
    assert in_window == expected
    for x, y, text in texts:
        if seen.holds(x, y):
            assert sure.holds(x, y), text


def test_the_window_tells_no_illness_and_no_department(home: Cast):
    letter = a_letter(home)
    shown_words = "".join(letter.recipient["lines"])
    for word in ("Cardiology", "infarction", "I21", "2026110347", "医院", "随访"):
        assert word not in shown_words


def test_the_printers_offset_moves_the_address(home: Cast):
    letter = a_letter(home)

    def place() -> tuple[float, float]:
        texts = seen_texts(pdf.pdf("letter", letters.letter_data([letter])))
        return next((x, y) for x, y, text in texts if shown(letter.reply_code) in text and y < 100)

    plain = place()
    with settings_of(letter_shift_mm="3,-2"):
        moved = place()
    assert moved[0] - plain[0] == pytest.approx(3, abs=0.1)
    assert moved[1] - plain[1] == pytest.approx(-2, abs=0.1)


@pytest.mark.parametrize(("given", "shift"), [("2,1", (2, 1)), ("x", (0, 0)), ("", (0, 0)), ("99,-99", (10, -10))])
def test_offsets_stay_within_reason(given: str, shift: tuple[float, float]):
    with settings_of(letter_shift_mm=given):
        assert site.shift_mm() == shift


def test_a_hospitals_own_envelope_is_a_file(home: Cast, tmp_path: Path):
    own = {
        "code": "own", "title": {"zh": "本院信封"}, "width": 230, "height": 120, "folds": [105, 210],
        "window": {"left": 30, "bottom": 20, "width": 100, "height": 50},
    }  # fmt: skip
    path = tmp_path / "envelope.json"
    path.write_text(json.dumps(own), encoding="utf-8")
    with settings_of(letter_envelope=str(path)):
        assert site.envelope().code == "own"
        assert a_letter(home).envelope == "own"
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    for setting in (str(broken), str(tmp_path / "missing.json"), "unknown"):
        with settings_of(letter_envelope=setting), pytest.raises(site.EnvelopeUnusable):
            site.envelope()


def test_the_pictures_hold_the_link_and_the_code(home: Cast):
    letter = a_letter(home)
    (page,) = letters.letter_data([letter])["letters"]
    assert page["qr"].startswith("<svg")
    assert page["slip_qr"].startswith("<svg")
    assert page["qr"] != page["slip_qr"]
    change(letter, link=None)
    fresh = Letter.objects.unscoped("test").select_related("template", "link").get(pk=letter.pk)
    assert letters.letter_data([fresh])["letters"][0]["qr"] == ""


def test_a_letter_of_the_longest_allowed_text_stays_readable(home: Cast):
    """Two sheets at most; the address is on the first."""
    with translation.override("zh-hans"):
        template = actions.draft_template(
            code="long",
            title={"zh": "长"},
            texts={"zh": {"subject": "随访", "body": "长" * 1490}},
            has_slip=True,
            by=home.as_wang,
        )
    data = pdf.pdf("letter", letters.sample_data(template, "zh", at=NOW))
    assert len(reader(data).pages) <= 2


# ---- the record sheet ---------------------------------------------------------------------------------------------


def answered(cast: Cast) -> QuestionnaireResponse:
    """A call with an abnormal answer, its alert, and an earlier try."""
    forms.publish()
    task = a_task(cast, questionnaire_url=forms.URL, step_title="第 7 天")
    start = datetime(2026, 11, 20, 2, 26, tzinfo=UTC)
    tasks.record_attempt(
        task=task, contact_point_id=None, outcome="no-answer", at=start - timedelta(hours=20), by=cast.as_wang
    )
    form = forms_actions.start_response(
        questionnaire=forms.publish(),
        patient_id=cast.zhang.pk,
        task_id=task.pk,
        mode="phone",
        at=start,
        by=cast.as_wang,
    )
    for link, value in (("who", "who-1"), ("pain", "pain-2"), ("when", "when-2"), ("sbp", "148"), ("dbp", "92")):
        forms_actions.save_answer(response=form, link_id=link, value=value, source="phone", at=start, by=cast.as_wang)
        form.refresh_from_db()
    done = forms_actions.complete_response(
        response=form, partial=True, at=start + timedelta(minutes=4), by=cast.as_wang
    )
    tasks.record_attempt(
        task=task, contact_point_id=None, outcome="reached-patient", started_at=start, note="恢复服用替格瑞洛",
        at=start + timedelta(minutes=4, seconds=8), by=cast.as_wang,
    )  # fmt: skip
    raise_findings(
        origin=Origin(patient_id=cast.zhang.pk, department_id=cast.cardiology.pk, encounter_id=cast.stay.pk, response_id=done.pk),
        findings=[Finding(rule_code="angina-again", severity="critical", sentence_zh="术后再发心绞痛", sentence_en="Angina again")],
        at=start, by=SYSTEM,
    )  # fmt: skip
    return (
        QuestionnaireResponse.objects.unscoped("test")
        .select_related("patient", "questionnaire", "author")
        .get(pk=done.pk)
    )


def test_the_record_says_what_the_picture_says(home: Cast):
    response = answered(home)
    a_task(home, step_title="症状复核", due_at=NOW + timedelta(days=3))
    subject = record.of_response(response, viewer=home.as_wang)
    with translation.override("zh-hans"):
        data = pdf.pdf("sheet", record.record_sheet(subject, viewer=home.as_wang, at=NOW))
    text = text_of(data)
    for words in (
        "云溪市第一人民医院", "出院患者随访记录单", "周国强", "67岁", "2026110347", "2026-11-13", "第7天",
        "Acuteanteriormyocardialinfarction", "2026-11-2010:26，时长4分08秒", "PCI术后7天随访v1.0.0", "接听人身份",
        "日常活动即有（异常）", "恢复服用替格瑞洛", "术后再发心绞痛", "症状复核", "随访人签名", "审核人签名", "第1页，共1页",
    ):  # fmt: skip
        assert words in text, words
    assert record.record_number(subject) in text
    assert len(reader(data).pages) == 1


def test_a_sheet_of_a_repeating_contact_says_which_time_it_is(home: Cast):
    subject = record.of_response(answered(home), viewer=home.as_wang)
    assert subject.task is not None
    subject.task.occurrence = 2
    for language, words in (("zh-hans", "第 3 次"), ("en", "time 3")):
        with translation.override(language):
            assert words in json.dumps(record.record_sheet(subject, viewer=home.as_wang, at=NOW), ensure_ascii=False)


def test_the_other_tries_stand_on_the_sheet_too(home: Cast):
    subject = record.of_response(answered(home), viewer=home.as_wang)
    with translation.override("en"):
        blocks = record.record_sheet(subject, viewer=home.as_wang, at=NOW)["blocks"]
    others = next(b for b in blocks if b["kind"] == "pairs" and b["rows"] and b["rows"][0][0] == "Other tries")
    assert "No answer" in others["rows"][0][1]


def test_who_may_not_see_alerts_prints_none(home: Cast):
    from dataclasses import replace

    subject = record.of_response(answered(home), viewer=home.as_wang)
    viewer = replace(home.as_wang, permissions=home.as_wang.permissions - {"alerts.view"})
    assert "Angina" not in json.dumps(record.record_sheet(subject, viewer=viewer, at=NOW))
    with translation.override("en"):
        assert "Angina again" in json.dumps(record.record_sheet(subject, viewer=home.as_wang, at=NOW))


def test_the_number_of_a_record_is_the_same_at_every_print(home: Cast):
    response = answered(home)
    numbers = {
        record.record_number(record.of_response(response, viewer=home.as_wang)),
        record.record_number(
            record.of_task(record.of_response(response, viewer=home.as_wang).task, viewer=home.as_wang)
        ),
    }
    assert len(numbers) == 1
    assert re.fullmatch(r"FU-\d{8}-[0-9A-F]{6}", numbers.pop())


def test_an_unanswered_follow_up_keeps_room_to_write(home: Cast):
    forms.publish()
    subject = record.of_task(a_task(home, questionnaire_url=forms.URL), viewer=home.as_wang)
    data = record.record_sheet(subject, viewer=home.as_wang, at=NOW)
    assert "□" in json.dumps(data, ensure_ascii=False)
    assert pdf.pdf("sheet", data).startswith(b"%PDF")


def test_the_blank_form_has_every_question_with_its_condition(home: Cast):
    form = forms.publish()
    with translation.override("zh-hans"):
        data = record.blank_sheet(form, subject=None, viewer=home.as_wang, at=NOW)
    text = text_of(pdf.pdf("sheet", data))
    for words in ("接听人身份", "□本人", "胸闷一般在什么时候出现", "仅当", "______________", "随访人签名"):
        assert words in text, words
    assert "周国强" not in text


# ---- plan and report ----------------------------------------------------------------------------------------------


@pytest.fixture
def planned(home: Cast) -> Cast:
    """Zhang in the shipped PCI plan, with medicines and readings."""
    from careloop.questionnaires.actions import load_shipped_content

    at = timezone.now()
    load_shipped_content(at=at, by=SYSTEM)
    plans.load_shipped_content(at=at, by=SYSTEM)
    stay = Scene(home).discharge(procedures=("36.06",), at=at, operated_at=at)
    plans.enrol_discharges(encounter_ids=[stay.pk], at=at, by=SYSTEM)
    with seeding():
        MedicationStatement.objects.create(
            patient=home.zhang, key="m1", text="替格瑞洛片", dose="90 mg", frequency="每日 2 次", started_at=at
        )
        for n in range(6):
            for concept, value in (("systolic", 150 - 4 * n), ("diastolic", 95 - 2 * n)):
                Observation.objects.create(
                    patient=home.zhang, key=f"{concept}{n}", code=concept, concept=concept, value_number=Decimal(value),
                    unit="mm[Hg]", effective_at=at - timedelta(days=60 - 10 * n),
                )  # fmt: skip
    return home


def test_the_patients_plan_says_what_when_whom_to_call_and_the_warning_signs(planned: Cast):
    with translation.override("zh-hans"):
        data = plan.plan_paper(planned.zhang, viewer=planned.as_wang, at=timezone.now())
    text = text_of(pdf.pdf("plan", data))
    for words in ("我的随访计划", "周国强", "0571-88880000", "请到心内科门诊复查", "<130/80mmHg", "替格瑞洛片", "120"):
        assert words in text, words
    assert data["warnings"]
    assert all("".join(sign.split()) in text for sign in data["warnings"])
    days = [step["day"] for step in data["steps"]]
    assert len(days) >= 3
    assert all(step["how"] for step in data["steps"])


def test_letters_of_the_plan_are_large(planned: Cast):
    sizes: list[float] = []
    data = pdf.pdf("plan", plan.plan_paper(planned.zhang, viewer=planned.as_wang, at=timezone.now()))
    reader(data).pages[0].extract_text(
        visitor_text=lambda text, _cm, tm, _font, size: (
            sizes.append(abs(tm[3]) * size) if "药" in text or "题" in text else None
        )
    )
    body = [round(size) for size in sizes if size > 11]
    assert body or not sizes
    assert all(size >= 12 for size in body)


def test_what_lies_about_at_home_names_no_scale_of_the_mind(planned: Cast):
    from careloop.questionnaires.models import Questionnaire

    assert Questionnaire.objects.filter(url__endswith="phq-9").exists()
    data = plan.plan_paper(planned.zhang, viewer=planned.as_wang, at=timezone.now())
    assert not [sign for sign in data["warnings"] if "伤害自己" in sign]


def test_a_patient_without_a_plan_gets_a_plan_that_says_so(home: Cast):
    data = plan.plan_paper(home.zhang, viewer=home.as_wang, at=NOW)
    assert data["steps"] == []
    assert pdf.pdf("plan", data).startswith(b"%PDF")


def test_all_dates_of_a_patient_with_their_states(planned: Cast):
    with translation.override("zh-hans"):
        text = text_of(pdf.pdf("sheet", plan.dates_sheet(planned.zhang, viewer=planned.as_wang, at=timezone.now())))
    assert "PCI术后12个月随访" in text
    assert text.count("待到期") >= 3


def test_the_report_shows_state_trend_and_what_comes_next(planned: Cast):
    with translation.override("zh-hans"):
        data = report.report_sheet(planned.zhang, None, viewer=planned.as_wang, at=timezone.now())
    charts = next(block for block in data["blocks"] if block["kind"] == "charts")["charts"]
    assert [one["title"] for one in charts] == ["血压"]
    assert charts[0]["svg"].count("<polyline") == 2
    assert charts[0]["svg"].count('stroke-dasharray="8 3 2 3"') == 2  # 130 and 80, of the patient's own plan
    text = text_of(pdf.pdf("sheet", data))
    for words in ("随访报告", "130/85mmHg", "<130/80mmHg", "替格瑞洛片", "医生评估", "下一步"):
        assert words in text, words


def test_mistakes_and_old_values_do_not_reach_the_report(planned: Cast):
    at = timezone.now()
    with seeding():
        for key, when, status in (("wrong", at, "entered-in-error"), ("old", at - timedelta(days=800), "final")):
            Observation.objects.create(
                patient=planned.zhang, key=key, code="w", concept="weight", value_number=Decimal("999"), unit="kg",
                effective_at=when, status=status,
            )  # fmt: skip
    first, last = report.default_period(at=at)
    measured = report.measurements(planned.zhang, first=first, last=last, viewer=planned.as_wang)
    assert [one.code for one in measured] == ["blood-pressure"]
    assert measured[0].newest == "130/85"


def test_a_report_without_an_assessment_leaves_lines_for_the_hand(planned: Cast):
    data = report.report_sheet(planned.zhang, None, viewer=planned.as_wang, at=timezone.now())
    assert {"kind": "lines", "count": 4} in data["blocks"]


def test_english_reports_are_english(planned: Cast):
    with translation.override("en"):
        text = text_of(
            pdf.pdf("sheet", report.report_sheet(planned.zhang, None, viewer=planned.as_wang, at=timezone.now()))
        )
    assert "Follow-upreport" in text
    assert "随访报告" not in text
    assert "Bloodpressure" in text

"""The pages: who comes in, what they show, what they keep; and that no list grows in queries."""

from __future__ import annotations

import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from careloop.audit.models import AuditEvent
from careloop.batches.models import Batch, BatchItem
from careloop.kernel.actions import seeding
from careloop.letters.models import FollowUpReport, Letter, LetterTemplate
from careloop.letters.rules.codes import shown
from careloop.letters.tests.factories import a_letter, a_task, at_home, change, content, reader, shipped, text_of
from careloop.messaging.reads.texts import link_address
from careloop.tasks.tests.factories import make_patient, make_task
from tests.cast import Cast


@pytest.fixture
def home(cast: Cast) -> Cast:
    at_home(cast)
    return cast


def due_now(cast: Cast, **values: object):
    now = timezone.now()
    return a_task(cast, **{"available_at": now - timedelta(days=1), "due_at": now + timedelta(days=1), **values})


def printed(document: str) -> int:
    return AuditEvent.objects.filter(name="letters.PaperPrinted", payload__document=document).count()


# ---- paper about one patient --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "document"), [("plan", "plan"), ("dates", "dates"), ("report-now", "report")])
def test_paper_of_a_patient_is_handed_out_and_kept_in_the_audit(home: Cast, name: str, document: str):
    answer = home.client(home.wang).get(reverse(f"letters:{name}", args=[home.zhang.pk]))
    data = content(answer)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Cache-Control"] == "no-store"
    assert data.startswith(b"%PDF")
    assert "周国强" in text_of(data)
    assert printed(document) == 1
    assert AuditEvent.objects.filter(name="audit.RecordSeen", payload__what=f"letters.{document}").count() == 1


@pytest.mark.parametrize("name", ["plan", "dates", "report-now", "report", "patient"])
def test_paper_of_another_departments_patient_is_not_there(home: Cast, name: str):
    answer = home.client(home.li).get(reverse(f"letters:{name}", args=[home.zhang.pk]))
    assert answer.status_code == 404
    assert not AuditEvent.objects.filter(name="letters.PaperPrinted").exists()


@pytest.mark.parametrize("name", ["task-record", "task-blank"])
def test_record_sheets_follow_the_tasks_scope(home: Cast, name: str):
    address = reverse(f"letters:{name}", args=[a_task(home).pk])
    assert home.client(home.wang).get(address).status_code == 200
    assert home.client(home.li).get(address).status_code == 404
    assert home.client(home.he).get(address).status_code == 403


def test_file_names_tell_nobody_whose_it_is(home: Cast):
    for name in ("plan", "dates", "report-now"):
        answer = home.client(home.wang).get(reverse(f"letters:{name}", args=[home.zhang.pk]))
        header = answer["Content-Disposition"]
        assert "周" not in header
        assert "2026110347" not in header
        assert str(home.zhang.pk) not in header


# ---- the due list -------------------------------------------------------------------------------------------------


def test_the_due_list_shows_what_is_due_and_nothing_of_strangers(home: Cast):
    mine, later = due_now(home), due_now(home, due_at=timezone.now() + timedelta(days=60))
    theirs = due_now(home, patient=home.ma, department=home.orthopaedics)
    page = home.client(home.wang).get(reverse("letters:due")).content.decode()
    assert f'data-task="{mine.pk}"' in page
    assert str(later.pk) not in page
    assert str(theirs.pk) not in page
    assert "2026110347" in page


def test_the_due_list_can_be_narrowed(home: Cast):
    late = due_now(home, available_at=timezone.now() - timedelta(days=9), due_at=timezone.now() - timedelta(days=5))
    own = due_now(home, owner=home.wang)
    client, address = home.client(home.wang), reverse("letters:due")
    assert str(late.pk) in client.get(address).content.decode()
    assert str(late.pk) not in client.get(address, {"late": "0"}).content.decode()
    mine = client.get(address, {"mine": "1"}).content.decode()
    assert str(own.pk) in mine
    assert str(late.pk) not in mine
    assert str(own.pk) not in client.get(address, {"department": str(home.orthopaedics.pk)}).content.decode()


@pytest.mark.parametrize(
    "given", [{"first": "tomorrow"}, {"first": "2026-13-01", "offset": "-4"}, {"department": "x", "last": "1999-01-01"}]
)
def test_unreadable_filters_show_the_next_days(home: Cast, given: dict[str, str]):
    assert home.client(home.wang).get(reverse("letters:due"), given).status_code == 200


def test_the_due_list_asks_the_same_number_of_questions_for_many_rows(home: Cast):
    client, address = home.client(home.wang), reverse("letters:due")
    due_now(home)
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    for _n in range(12):
        due_now(home, patient=make_patient(home))
    with CaptureQueriesContext(connection) as many:
        client.get(address)
    assert len(many) == len(few)


def test_the_list_on_paper_and_who_took_it(home: Cast):
    task = due_now(home)
    data = content(home.client(home.wang).get(reverse("letters:due-paper")))
    assert "周国强" in text_of(data)
    assert reader(data).pages[0].mediabox.width > reader(data).pages[0].mediabox.height
    (fact,) = AuditEvent.objects.filter(name="letters.ListTaken")
    assert (fact.payload["form"], fact.payload["ids"]) == ("pdf", [str(task.pk)])


def test_the_list_as_a_spreadsheet_holds_text_as_text(home: Cast):
    change(home.zhang, name='=HYPERLINK("http://x")')
    due_now(home, plan_title="@SUM(1)", step_title="+49")
    answer = home.client(home.wang).get(reverse("letters:due-paper"), {"form": "xlsx"})
    data = content(answer)
    assert data.startswith(b"PK")
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        everything = "".join(book.read(name).decode(errors="replace") for name in book.namelist())
    assert "<f>" not in sheet
    assert "<hyperlink" not in sheet
    assert "HYPERLINK" in everything
    assert "quotePrefix" in everything
    assert AuditEvent.objects.get(name="letters.ListTaken").payload["form"] == "xlsx"


# ---- making letters -----------------------------------------------------------------------------------------------


def choose(cast: Cast, *tasks: object, **given: object):
    values = {
        "template": str(shipped().pk), "key": str(uuid4()),
        "chosen": [str(task.pk) for task in tasks], **given,
    }  # fmt: skip
    return cast.client(cast.wang).post(reverse("letters:make"), values)


def test_letters_for_ticked_rows_become_one_job(home: Cast):
    first, second = due_now(home), due_now(home)
    other = due_now(home, patient=make_patient(home))
    answer = choose(home, first, second, other)
    batch = Batch.objects.get()
    assert answer.status_code == 303
    assert answer["Location"] == reverse("batches:detail", args=[batch.pk])
    assert (batch.kind, batch.total) == ("letters.letters", 2)  # one letter a patient
    assert str(home.zhang.pk) not in str(batch.parameters)


def test_a_second_click_starts_nothing(home: Cast):
    task, key = due_now(home), str(uuid4())
    choose(home, task, key=key)
    choose(home, task, key=key)
    assert Batch.objects.count() == 1
    assert BatchItem.objects.count() == 1


def test_without_a_tick_the_whole_list_is_meant(home: Cast):
    for _n in range(3):
        due_now(home, patient=make_patient(home))
    values = {"template": str(shipped().pk), "key": str(uuid4())}
    home.client(home.wang).post(reverse("letters:make"), values)
    assert Batch.objects.get().total == 3


def test_rows_of_strangers_are_left_out(home: Cast):
    theirs = make_task(home, patient=home.ma, department=home.orthopaedics)
    answer = choose(home, theirs)
    assert answer.status_code == 409
    assert not Batch.objects.exists()


@pytest.mark.parametrize("given", [{"template": "x"}, {"key": ""}, {"chosen": ["1", "2"]}])
def test_a_selection_that_cannot_be_read_is_refused(home: Cast, given: dict[str, object]):
    answer = choose(home, due_now(home), **given)
    assert answer.status_code == 422
    assert not Batch.objects.exists()


def test_one_letter_from_the_patients_page(home: Cast):
    template, client = shipped(), home.client(home.wang)
    page = client.get(reverse("letters:patient", args=[home.zhang.pk])).content.decode()
    assert reverse("letters:plan", args=[home.zhang.pk]) in page
    values = {"template": str(template.pk), "key": str(uuid4()), "task": ""}
    answer = client.post(reverse("letters:write", args=[home.zhang.pk]), values)
    letter = Letter.objects.unscoped("test").get()
    assert answer["Location"] == reverse("letters:letter", args=[letter.pk])
    again = client.post(reverse("letters:write", args=[home.zhang.pk]), values)
    assert again.status_code == 303
    assert Letter.objects.unscoped("test").count() == 1


def test_an_old_follow_up_that_is_still_open_is_offered_however_many_came_after_it(home: Cast):
    shipped()
    long_ago, now = timezone.now() - timedelta(days=400), timezone.now()
    old = make_task(home, available_at=long_ago, due_at=long_ago)
    for day in range(31):
        make_task(
            home,
            available_at=long_ago,
            due_at=now - timedelta(days=day),
            status="completed",
            outcome="reached-patient",
            ended_at=now,
        )
    page = home.client(home.wang).get(reverse("letters:patient", args=[home.zhang.pk])).content.decode()
    assert f'<option value="{old.pk}">' in page
    assert reverse("letters:task-record", args=[old.pk]) in page


def test_a_refusal_says_why_on_the_page(home: Cast):
    change(home.zhang, address="")
    values = {"template": str(shipped().pk), "key": str(uuid4()), "task": ""}
    answer = home.client(home.wang).post(reverse("letters:write", args=[home.zhang.pk]), values)
    assert answer.status_code == 409
    assert "letter-no-address" in answer.content.decode()


# ---- letters ------------------------------------------------------------------------------------------------------


def test_the_life_of_a_letter_by_its_buttons(home: Cast):
    letter, client = a_letter(home), home.client(home.wang)
    assert client.post(reverse("letters:posted", args=[letter.pk])).status_code == 303
    assert client.post(reverse("letters:posted", args=[letter.pk])).status_code == 409
    bad = client.post(reverse("letters:returned", args=[letter.pk]), {"reason": "eaten by a dog"})
    assert bad.status_code == 422
    client.post(reverse("letters:returned", args=[letter.pk]), {"reason": "moved"})
    page = client.get(reverse("letters:letter", args=[letter.pk])).content.decode()
    assert 'data-state="returned"' in page
    assert 'data-reason="moved"' in page
    assert 'data-code="address-wrong"' in page


def test_the_slip_leads_to_the_call_of_its_task(home: Cast):
    task = due_now(home)
    letter = a_letter(home, task=task)
    answer = home.client(home.wang).post(reverse("letters:answered", args=[letter.pk]))
    assert answer["Location"] == reverse("workbench:call", args=[task.pk])
    letter.refresh_from_db()
    assert letter.state == "answered"


def test_withdrawing_by_button(home: Cast):
    letter, client = a_letter(home), home.client(home.wang)
    assert client.post(reverse("letters:withdraw", args=[letter.pk])).status_code == 303
    assert client.post(reverse("letters:withdraw", args=[letter.pk])).status_code == 409


def test_the_letter_itself_can_be_printed_again(home: Cast):
    letter, client = a_letter(home), home.client(home.wang)
    one, two = (text_of(content(client.get(reverse("letters:letter-paper", args=[letter.pk])))) for _n in range(2))
    assert one == two
    assert shown(letter.reply_code) in one
    assert printed("letter") == 2


def test_the_list_of_letters_by_state(home: Cast):
    letter, client = a_letter(home), home.client(home.wang)
    address = reverse("letters:list")
    assert f'data-letter="{letter.pk}"' in client.get(address).content.decode()
    assert f'data-letter="{letter.pk}"' not in client.get(address, {"state": "posted"}).content.decode()
    assert client.get(address, {"state": "nonsense", "batch": "x", "before": "y"}).status_code == 200
    assert str(letter.pk) not in home.client(home.li).get(address).content.decode()


# ---- scanning -----------------------------------------------------------------------------------------------------


def test_a_code_in_any_writing_leads_to_its_letter(home: Cast):
    letter, client = a_letter(home), home.client(home.wang)
    code = letter.reply_code
    full_width = "".join(chr(ord(c) + 0xFEE0) for c in code)
    for typed in (code, shown(code), code.lower(), f" {code[:3]} {code[3:]} ", full_width):
        answer = client.get(reverse("letters:scan"), {"scan": typed})
        assert answer.status_code == 302, typed
        assert answer["Location"] == reverse("letters:letter", args=[letter.pk])


def test_scanning_the_patients_own_picture_works_too(home: Cast):
    letter = a_letter(home)
    answer = home.client(home.wang).get(reverse("letters:scan"), {"scan": link_address(letter.link_id) + "\r\n"})
    assert answer["Location"] == reverse("letters:letter", args=[letter.pk])


@pytest.mark.parametrize("typed", ["7K3M9", "UUUUUUUUUU", "ABCDEFGHJK", "x" * 300, "https://elsewhere/q/short"])
def test_what_is_no_code_is_said_to_be_none(home: Cast, typed: str):
    answer = home.client(home.wang).get(reverse("letters:scan"), {"scan": typed})
    assert answer.status_code == 422
    assert 'data-code="scan"' in answer.content.decode()


def test_a_strangers_code_and_an_unknown_one_look_the_same(home: Cast):
    letter, client = a_letter(home), home.client(home.li)
    theirs = client.get(reverse("letters:scan"), {"scan": letter.reply_code})
    with seeding():
        Letter.objects.unscoped("test").filter(pk=letter.pk).update(reply_code="0000000000")
    unknown = client.get(reverse("letters:scan"), {"scan": letter.reply_code})
    assert (theirs.status_code, unknown.status_code) == (404, 404)
    assert AuditEvent.objects.filter(name="audit.AccessDenied", payload__what="letters.scan").count() == 2


# ---- reports ------------------------------------------------------------------------------------------------------


def assess(cast: Cast, **given: str):
    values = {
        "period_from": "2026-01-01",
        "period_to": "2026-11-20",
        "assessment": "恢复稳定。",
        "advice": "三个月后复查血脂。",
        **given,
    }
    return cast.client(cast.zhao).post(reverse("letters:report", args=[cast.zhang.pk]), values)


def test_an_assessment_is_kept_signed_and_printed(home: Cast):
    answer = assess(home)
    row = FollowUpReport.objects.unscoped("test").get()
    assert answer.status_code == 302
    assert row.author_id == home.zhao.pk
    data = content(home.client(home.wang).get(reverse("letters:report-paper", args=[row.pk])))
    text = text_of(data)
    assert "恢复稳定。" in text
    assert "三个月后复查血脂。" in text
    assert "Zhao" in text
    assert home.client(home.li).get(reverse("letters:report-paper", args=[row.pk])).status_code == 404


def test_a_second_version_replaces_the_first_and_both_stay(home: Cast):
    assess(home)
    assess(home)  # the same words again: nothing new
    assess(home, assessment="明显好转。")
    rows = list(FollowUpReport.objects.unscoped("test").order_by("pk"))
    assert len(rows) == 2
    assert rows[1].replaces_id == rows[0].pk
    now = text_of(content(home.client(home.wang).get(reverse("letters:report-now", args=[home.zhang.pk]))))
    assert "明显好转。" in now
    assert "恢复稳定。" not in now


@pytest.mark.parametrize(
    "given",
    [{"assessment": " "}, {"period_to": "2025-01-01"}, {"period_from": "1990-01-01"}, {"assessment": "长" * 2001}],
)
def test_a_report_that_cannot_be_is_refused_with_its_place(home: Cast, given: dict[str, str]):
    answer = assess(home, **given)
    assert answer.status_code == 422
    assert "data-error-summary" in answer.content.decode()
    assert not FollowUpReport.objects.unscoped("test").exists()


def test_a_strangers_report_is_not_written(home: Cast):
    address = reverse("letters:report", args=[home.zhang.pk])
    values = {"period_from": "2026-01-01", "period_to": "2026-11-20", "assessment": "x"}
    assert home.client(home.li).post(address, values).status_code == 404


# ---- templates ----------------------------------------------------------------------------------------------------


def words(**given: str) -> dict[str, str]:
    return {
        "code": "visit", "title_zh": "家访", "title_en": "Visit", "zh_subject": "关于您的随访",
        "zh_body": "{salutation}：\n\n请打 {phone}。", "has_slip": "1", **given,
    }  # fmt: skip


def test_a_letter_is_written_by_one_and_approved_by_another(home: Cast):
    writer, approver = home.client(home.wang), home.client(home.qian)
    writer.post(reverse("letters:template-draft"), words())
    draft = LetterTemplate.objects.get(code="visit")
    step = reverse("letters:template-step", args=[draft.pk])
    assert writer.post(step, {"step": "submit"}).status_code == 303
    assert writer.post(step, {"step": "approve"}).status_code == 403
    assert approver.post(step, {"step": "reject"}).status_code == 422  # without a reason
    assert approver.post(step, {"step": "approve"}).status_code == 303
    draft.refresh_from_db()
    assert (draft.state, draft.author_id, draft.approver_id) == ("approved", home.wang.pk, home.qian.pk)


def test_who_may_do_both_still_cannot_approve_own_words(home: Cast):
    client = home.client(home.qian)
    client.post(reverse("letters:template-draft"), words())
    draft = LetterTemplate.objects.get(code="visit")
    step = reverse("letters:template-step", args=[draft.pk])
    client.post(step, {"step": "submit"})
    answer = client.post(step, {"step": "approve"})
    assert answer.status_code == 409
    assert "letter-template-own" in answer.content.decode()
    assert 'data-note="own"' in client.get(reverse("letters:template", args=[draft.pk])).content.decode()


@pytest.mark.parametrize(
    ("given", "field", "place"),
    [
        ({"zh_body": "您好\n\n请看 {diagnosis}"}, "zh_body", "3"),
        ({"zh_body": "一个 { 括号"}, "zh_body", "1"),
        ({"zh_subject": "您的肿瘤随访"}, "zh_subject", "1"),
        ({"en_subject": "Hello", "en_body": "Dear {name!r}"}, "en_body", "1"),
        ({"en_subject": "Hello"}, "en_body", "1"),
        ({"zh_body": "看\u202e这里"}, "zh_body", "1"),
    ],
)
def test_a_bad_text_is_refused_where_it_stands(home: Cast, given: dict[str, str], field: str, place: str):
    answer = home.client(home.wang).post(reverse("letters:template-draft"), words(**given))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert f'data-field="{field}" data-invalid' in page
    assert not LetterTemplate.objects.filter(code="visit").exists()


def test_faults_show_while_typing(home: Cast):
    client, address = home.client(home.wang), reverse("letters:template-check")
    assert 'data-code="letter-refused"' in client.post(address, words(zh_body="{nobody}")).content.decode()
    good = client.post(address, words()).content.decode()
    assert "data-code" not in good
    assert "0571-88880000" in good


def test_a_sample_is_a_picture_and_a_pdf_of_an_invented_person(home: Cast):
    template, client = shipped(), home.client(home.wang)
    for language in ("zh", "en"):
        address = reverse("letters:template-sample", args=[template.pk, language])
        assert client.get(address).content.startswith(b"\x89PNG")
        text = text_of(content(client.get(address, {"form": "pdf"})))
        assert "7K3M9-QX2TZ" in text
    assert client.get(reverse("letters:template-sample", args=[template.pk, "fr"])).status_code == 404


def test_a_new_version_starts_with_the_words_of_the_old_one(home: Cast):
    template = shipped()
    page = home.client(home.wang).get(reverse("letters:template-draft"), {"from": str(template.pk)}).content.decode()
    assert template.texts["zh"]["subject"] in page
    assert home.client(home.wang).get(reverse("letters:template-draft"), {"from": "x"}).status_code == 200


def test_only_writers_come_to_the_editor(home: Cast):
    assert home.client(home.zhao).get(reverse("letters:template-draft")).status_code == 403
    assert home.client(home.zhao).get(reverse("letters:templates")).status_code == 200


# ---- all posted ---------------------------------------------------------------------------------------------------


def test_all_of_a_job_were_posted(home: Cast):
    letter = a_letter(home, batch_id=None)
    choose(home, due_now(home))
    batch = Batch.objects.get()
    with seeding():
        Letter.objects.unscoped("test").filter(pk=letter.pk).update(batch_id=batch.pk)
    client, values = home.client(home.wang), {"batch": str(batch.pk), "key": str(batch.pk)}
    client.post(reverse("letters:post-all"), values)
    client.post(reverse("letters:post-all"), values)
    posting = Batch.objects.get(kind="letters.post")
    assert posting.total == 1
    assert client.post(reverse("letters:post-all"), {"batch": "x"}).status_code == 422
    assert home.client(home.li).post(reverse("letters:post-all"), values).status_code == 404


def test_english_staff_get_english_paper(home: Cast):
    with seeding():
        home.wang.language = "en"
        home.wang.save()
    data = content(home.client(home.wang).get(reverse("letters:plan", args=[home.zhang.pk])))
    text = text_of(data)
    assert "Myfollow-upplan" in text
    assert "我的随访计划" not in text

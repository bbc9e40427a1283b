"""The administrators' pages with what people really type: taken names, ended periods, other duties, odd filters."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from careloop.accounts import actions
from careloop.accounts.models import Organization, Practitioner, Role, RoleAssignment, StaffSession
from careloop.audit.models import AuditEvent
from careloop.audit.record import denied, seen
from careloop.console import reads
from careloop.kernel.actions import seeding
from tests.cast import SYSTEM

pytestmark = pytest.mark.django_db
ADMINS = ("system_admin", "security_admin", "audit_admin")
EVERYBODY = (*ADMINS, "wang", "zhao", "qian", "he", "sun")
# Address → who may send it. Three people, none of whom can do another's work (GB/T 22239 8.1.5).
WRITES = {
    "add-person": "system_admin",
    "add-organization": "system_admin",
    "issue-password": "system_admin",
    "change-person": "system_admin",
    "set-active": "system_admin",
    "grant": "security_admin",
    "end-sessions": "security_admin",
    "revoke": "security_admin",
}


def address(cast, name):
    if name == "revoke":
        return reverse("console:revoke", args=[cast.li.assignments.get().pk])
    return reverse(f"console:{name}", args=[] if name.startswith("add-") else [cast.li.pk])


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("who", EVERYBODY)
def test_each_act_belongs_to_one_duty(cast, name, who):
    status = cast.client(getattr(cast, who)).post(address(cast, name), {}).status_code
    assert (status == 403) is (who != WRITES[name])


@pytest.mark.parametrize("name", WRITES)
def test_no_act_by_a_link(cast, name):
    """A picture in a mail must not disable anybody: GET changes nothing."""
    assert cast.client(getattr(cast, WRITES[name])).get(address(cast, name)).status_code == 405
    assert Practitioner.objects.get(pk=cast.li.pk).is_active


@pytest.mark.parametrize("taken", [{"username": "wang"}, {"staff_number": "WANG"}])
def test_a_taken_name_is_refused_with_words(cast, taken):
    data = {"name": "Other", "organization": cast.cardiology.pk, **taken}
    answer = cast.client(cast.system_admin).post(reverse("console:add-person"), data)
    assert answer.status_code == 409
    assert b"practitioner-exists" in answer.content
    assert not Practitioner.objects.filter(name="Other").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""}, {"name": "x" * 81}, {"username": "a b"}, {"username": "王"}, {"organization": ""},
        {"organization": "not-an-id"}, {"staff_number": "9" * 41}, {"name": "a\x00b"},
    ],
)  # fmt: skip
def test_what_cannot_be_a_person_comes_back_with_the_form(cast, given):
    data = {"name": "New", "username": "new", "organization": cast.cardiology.pk, **given}
    answer = cast.client(cast.system_admin).post(reverse("console:add-person"), data)
    assert answer.status_code == 422
    assert Practitioner.objects.filter(username="new").count() == 0


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"kind": "hospital"}, 409), ({"code": "CARD"}, 409), ({"code": ""}, 422), ({"code": "a/b"}, 422), ({"kind": "planet"}, 422),
        ({"parent": ""}, 422), ({"code": "x" * 41}, 422), ({}, 302),
    ],
)  # fmt: skip
def test_new_places(cast, given, status):
    data = {"code": "NEUR", "name": "神经内科", "kind": "ward", "parent": cast.cardiology.pk, **given}
    before = Organization.objects.count()
    assert cast.client(cast.system_admin).post(reverse("console:add-organization"), data).status_code == status
    assert Organization.objects.count() == before + (status == 302)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"valid_to": "2020-01-01 00:00"}, 409), ({"valid_to": "0001-01-01 00:00"}, 409), ({"valid_to": "never"}, 422),
        ({"reason": ""}, 422), ({"role": ""}, 422), ({"reason": "x" * 201}, 422), ({}, 302), ({"valid_to": "2099-01-01 00:00"}, 302),
    ],
)  # fmt: skip
def test_granting_for_a_time(cast, given, status):
    nurse = Role.objects.get(code="ward-nurse")
    data = {"role": nurse.pk, "organization": cast.orthopaedics.pk, "reason": "stands in", **given}
    answer = cast.client(cast.security_admin).post(reverse("console:grant", args=[cast.wang.pk]), data)
    assert answer.status_code == status
    assert RoleAssignment.objects.filter(practitioner=cast.wang, role=nurse).exists() is (status == 302)


def test_the_security_administrator_gives_and_takes_nothing_for_the_own_account(cast):
    client = cast.client(cast.security_admin)
    nurse = Role.objects.get(code="ward-nurse")
    data = {"role": nurse.pk, "organization": cast.cardiology.pk, "reason": "me"}
    assert client.post(reverse("console:grant", args=[cast.security_admin.pk]), data).status_code == 409
    mine = cast.security_admin.assignments.get()
    assert client.post(reverse("console:revoke", args=[mine.pk])).status_code == 409


def change(cast, person, **given):
    data = {
        "name": person.name, "username": person.username or "", "staff_number": person.staff_number or "",
        "title": person.title, "organization": person.organization_id, **given,
    }  # fmt: skip
    return cast.client(cast.system_admin).post(reverse("console:change-person", args=[person.pk]), data)


def test_a_person_moves_and_gets_another_title(cast):
    answer = change(
        cast, cast.wang, name="王芳", title="主管护师", organization=cast.orthopaedics.pk, staff_number="N7"
    )
    cast.wang.refresh_from_db()
    assert (answer.status_code, cast.wang.name, cast.wang.title, cast.wang.organization, cast.wang.staff_number) == (
        302, "王芳", "主管护师", cast.orthopaedics, "N7",
    )  # fmt: skip
    assert cast.wang.username == "wang"
    facts = AuditEvent.objects.filter(name="accounts.PractitionerChanged")
    assert facts.count() == 1
    assert "王芳" not in str(facts.get().__dict__)
    change(cast, cast.wang)
    assert facts.count() == 1


def test_a_doctor_known_from_messages_gets_an_account_and_keeps_the_patients(cast):
    with seeding():
        doctor = Practitioner.objects.create(name="Zhu", staff_number="D9", organization=cast.cardiology)
    assert change(cast, doctor, username="zhu").status_code == 302
    client = cast.client(cast.system_admin)
    client.post(reverse("console:issue-password", args=[doctor.pk]))
    doctor.refresh_from_db()
    assert (doctor.username, doctor.staff_number, doctor.must_change_password) == ("zhu", "D9", True)


@pytest.mark.parametrize(
    ("given", "status"),
    [({"staff_number": "LI"}, 409), ({"name": ""}, 422), ({"organization": ""}, 422), ({"name": "a\0b"}, 422)],
)
def test_what_cannot_be_changed_so_comes_back(cast, given, status):
    with seeding():
        Practitioner.objects.filter(pk=cast.li.pk).update(staff_number="LI")
    assert change(cast, cast.wang, **given).status_code == status
    assert Practitioner.objects.get(pk=cast.wang.pk).name == cast.wang.name


def test_a_user_name_is_given_once_and_by_nobody_twice(cast):
    change(cast, cast.wang, username="other")  # the field of the page is shut: what is sent for it does not count
    assert Practitioner.objects.get(pk=cast.wang.pk).username == "wang"
    given = {"name": "x", "title": "", "organization": cast.cardiology, "staff_number": None, "by": SYSTEM}
    with pytest.raises(actions.UserNameStays):
        actions.change_practitioner(practitioner=cast.wang, username="other", **given)
    with seeding():
        doctor = Practitioner.objects.create(name="Zhu", organization=cast.cardiology)
    with pytest.raises(actions.PractitionerExists):
        actions.change_practitioner(practitioner=doctor, username="wang", **given)
    assert Practitioner.objects.get(pk=doctor.pk).username is None


@pytest.mark.parametrize(
    "name", ["person", "grant", "issue-password", "change-person", "set-active", "end-sessions", "revoke"]
)
def test_somebody_who_does_not_exist_is_404(cast, name):
    who = "system_admin" if name == "person" else WRITES[name]
    data = {"role": Role.objects.first().pk, "organization": cast.hospital.pk, "reason": "x"} if name == "grant" else {}
    url = reverse(f"console:{name}", args=[cast.zhang.pk])
    client = cast.client(getattr(cast, who))
    assert (client.get(url) if name == "person" else client.post(url, data)).status_code == 404


def test_a_person_page_tells_roles_sessions_and_periods(cast):
    cast.client(cast.wang)
    page = cast.client(cast.security_admin).get(reverse("console:person", args=[cast.wang.pk])).content.decode()
    assert "Wang" in page
    assert "Cardiology" in page
    assert StaffSession.objects.get(practitioner=cast.wang).key_hash not in page


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", ["people", "health"])
def test_pages_in_both_languages(cast, name, language):
    cast.system_admin.language = language
    from careloop.kernel.actions import seeding

    with seeding():
        cast.system_admin.save()
    page = cast.client(cast.system_admin).get(reverse(f"console:{name}")).content.decode()
    assert f'lang="{"zh-CN" if language == "zh-hans" else "en"}"' in page
    assert any("\u4e00" <= c <= "\u9fff" for c in page.split("<main")[1]) is (language == "zh-hans")


def spoken(cast, person, language):
    with seeding():
        Practitioner.objects.filter(pk=person.pk).update(language=language)
        Organization.objects.filter(pk=cast.cardiology.pk).update(name="心内科", name_en="Cardiology")
        Organization.objects.filter(pk=cast.orthopaedics.pk).update(name="骨科", name_en="")
    return cast.client(person)


@pytest.mark.parametrize(
    ("language", "named", "role"), [("en", "Cardiology", "Ward nurse"), ("zh-hans", "心内科", "病区护士")]
)
def test_departments_and_roles_are_named_in_the_language_of_the_page(cast, language, named, role):
    other = "心内科" if language == "en" else "Cardiology"
    for person, address in (
        (cast.system_admin, reverse("console:people")),
        (cast.security_admin, reverse("console:person", args=[cast.wang.pk])),
        (cast.system_admin, reverse("console:person", args=[cast.wang.pk])),
    ):
        shown = spoken(cast, person, language).get(address).content.decode()
        assert named in shown, address
        assert other not in shown, address
        assert "骨科" in shown, address  # nobody gave it an English name: better than nothing
    grant = spoken(cast, cast.security_admin, language).get(reverse("console:person", args=[cast.wang.pk]))
    assert f">{role}</option>" in grant.content.decode()


@pytest.mark.parametrize("why", reads.SESSION_ENDINGS)
def test_why_a_session_ended_is_said_in_words(cast, why):
    cast.client(cast.wang)
    actions.end_session(session=StaffSession.objects.get(practitioner=cast.wang), why=why, at=timezone.now(), by=SYSTEM)
    shown = cast.client(cast.security_admin).get(reverse("console:person", args=[cast.wang.pk])).content.decode()
    assert str(reads.SESSION_ENDINGS[why]) in shown
    assert f" {why}</td>" not in shown


def test_the_end_of_a_role_is_chosen_and_comes_back_as_it_was_chosen(cast):
    """The field of the page is a calendar: what it sends is read, and after a refusal it still stands there."""
    nurse, client = Role.objects.get(code="ward-nurse"), cast.client(cast.security_admin)
    address = reverse("console:grant", args=[cast.wang.pk])
    data = {"role": nurse.pk, "organization": cast.orthopaedics.pk, "reason": "", "valid_to": "2099-02-28T17:30"}
    answer = client.post(address, data)
    assert answer.status_code == 422
    assert 'type="datetime-local"' in answer.content.decode()
    assert 'value="2099-02-28T17:30"' in answer.content.decode()
    assert client.post(address, {**data, "reason": "stands in"}).status_code == 302
    given = RoleAssignment.objects.get(practitioner=cast.wang, role=nurse)
    assert timezone.localtime(given.valid_to).isoformat() == "2099-02-28T17:30:00+08:00"


# ---- the tree


def test_the_tree_is_in_order_with_depth_and_running_roles_only(cast):
    given = RoleAssignment.objects.get(practitioner=cast.wang)
    branches = reads.tree(at=timezone.now())
    assert [(b.organization.code, b.depth) for b in branches][:2] == [("H", 0), ("CARD", 1)]
    assert [a.pk for p in branches[1].people if p.pk == cast.wang.pk for a in p.running] == [given.pk]


def test_a_role_for_a_time_stands_there_as_long_as_it_runs(cast):
    at = timezone.now()
    given = RoleAssignment(practitioner=cast.wang, role=Role.objects.get(code="ward-nurse"), organization=cast.hospital)
    given.valid_from, given.valid_to = at, at + timedelta(days=1)
    with seeding():
        given.save()
    page = cast.client(cast.security_admin).get(reverse("console:people")).content.decode()
    assert page.count('data-role="ward-nurse"') == 1
    for moment, runs in ((at - timedelta(seconds=1), False), (at, True), (given.valid_to, False)):
        shown = [a.pk for branch in reads.tree(at=moment) for p in branch.people for a in p.running]
        assert (given.pk in shown) is runs


def test_people_of_no_department_are_found_at_the_end(cast):
    with seeding():
        doctor = Practitioner.objects.create(name="Zhu", staff_number="D9")
    last = reads.tree(at=timezone.now())[-1]
    assert (last.organization, [person.pk for person in last.people]) == (None, [doctor.pk])
    page = cast.client(cast.system_admin).get(reverse("console:people"))
    assert f'data-person="{doctor.pk}"' in page.content.decode()
    assert change(cast, doctor, organization=cast.cardiology.pk, username="zhu").status_code == 302
    assert reads.tree(at=timezone.now())[-1].organization is not None


# ---- the audit log


def events(cast, **query):
    page = cast.client(cast.audit_admin).get(reverse("console:audit"), query)
    assert page.status_code == 200
    return page.content.decode().count("data-event=")


def test_filters_narrow_together(cast):
    seen(patient_id=cast.zhang.pk, what="a", by=cast.as_wang)
    seen(patient_id=cast.ma.pk, what="a", by=cast.as_li)
    denied(what="b", by=cast.as_li)
    assert events(cast, name="audit.") == 3
    assert events(cast, name="audit.", actor="li") == 2
    assert events(cast, actor="Li", outcome="denied") == 1
    assert events(cast, actor=f"staff:{cast.li.pk}", patient_id=str(cast.ma.pk)) == 1
    assert events(cast, actor="nobody-of-this-name") == 0
    assert events(cast, name="audit.", since=timezone.localdate().isoformat()) == 3
    assert events(cast, name="audit.", since=(timezone.localdate() + timedelta(days=1)).isoformat()) == 0


@pytest.mark.parametrize(
    ("language", "typed", "shown"), [("zh-hans", "查看病历", "查看病历"), ("en", "record SEEN", "Record seen")]
)
def test_a_fact_is_shown_and_found_by_what_it_is_called(cast, language, typed, shown):
    seen(patient_id=cast.zhang.pk, what="a", by=cast.as_wang)
    denied(what="b", by=cast.as_li)
    with override(language):
        assert [row.name for row in reads.audit_events({"name": typed})] == ["audit.RecordSeen"]
        assert reads.trail_words()["audit.RecordSeen"] == shown
    page = cast.client(cast.audit_admin).get(reverse("console:audit"), {"name": "audit.RecordSeen"}).content.decode()
    assert '<td title="audit.RecordSeen">查看病历</td>' in page


def test_a_fact_of_an_older_version_keeps_its_code(cast):
    with seeding():
        AuditEvent.objects.create(actor="job:t", name="gone.FactOfOld", payload={})
    page = cast.client(cast.audit_admin).get(reverse("console:audit"), {"name": "gone."}).content.decode()
    assert '<td title="gone.FactOfOld">gone.FactOfOld</td>' in page


@pytest.mark.parametrize(
    "query",
    [
        {"before_id": "9" * 40}, {"before_id": "-1"}, {"actor": "'; DROP TABLE audit_auditevent;--"}, {"name": "%_\\"},
        {"since": "0001-01-01"}, {"since": "9999-12-31"},
    ],
)  # fmt: skip
def test_odd_filters_break_nothing(cast, query):
    seen(patient_id=cast.zhang.pk, what="a", by=cast.as_wang)
    page = cast.client(cast.audit_admin).get(reverse("console:audit"), query)
    assert page.status_code == 200
    assert "Zhang" not in page.content.decode()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("patient_id", "x"), ("since", "yesterday"), ("since", "2026-02-30"), ("outcome", "odd"), ("actor", "a\x00"),
        ("name", "x" * 500),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_shows_what_is_wrong_and_no_row(cast, field, value):
    """A slip of the pen in the patient's number must not look like the log of everybody."""
    seen(patient_id=cast.zhang.pk, what="a", by=cast.as_wang)
    page = cast.client(cast.audit_admin).get(reverse("console:audit"), {"name": "audit.", field: value})
    assert page.status_code == 422
    shown = page.content.decode()
    assert "data-error-summary" in shown
    assert f'href="#id_{field}"' in shown
    assert "data-event=" not in shown


def test_pages_of_the_log_join_without_gap_or_overlap(cast):
    AuditEvent.objects.bulk_create(
        AuditEvent(actor="job:t", name="audit.RecordSeen", payload={"what": str(n)}) for n in range(reads.PAGE * 2 + 5)
    )
    found, before = [], None
    while rows := reads.audit_events({"actor": "job:t", "before_id": before}):
        found += [row.pk for row in rows]
        before = rows[-1].pk
    assert len(found) == reads.PAGE * 2 + 5
    assert found == sorted(set(found), reverse=True)


def test_names_are_given_to_people_and_machines_keep_their_own(cast):
    names = reads.names_of({f"staff:{cast.wang.pk}", "job:plans.enrol", "anonymous"})
    assert names == {f"staff:{cast.wang.pk}": "Wang"}


def test_health_counts_jobs_and_sizes(cast):
    told = reads.health()
    assert told.database_bytes > 1_000_000
    assert 0 < len(told.tables) <= 12
    assert all(count >= 0 for _, count in told.tables)
    assert told.oldest_job_at is None or told.oldest_job_at.tzinfo


def test_a_disabled_person_can_be_enabled_and_signed_out_people_come_back(cast):
    client = cast.client(cast.system_admin)
    for active in ("0", "1"):
        assert client.post(reverse("console:set-active", args=[cast.wang.pk]), {"active": active}).status_code == 302
    assert cast.client(cast.wang).get("/account/").status_code == 200
    assert AuditEvent.objects.filter(name="accounts.PractitionerChanged", payload__what="enabled").count() == 1
    assert SYSTEM.everything


@pytest.mark.parametrize("sent", [{}, {"active": ""}, {"active": "yes"}, {"active": "2"}])
def test_half_a_form_shuts_nobody_out(cast, sent):
    assert (
        cast.client(cast.system_admin).post(reverse("console:set-active", args=[cast.li.pk]), sent).status_code == 302
    )
    assert Practitioner.objects.get(pk=cast.li.pk).is_active
    assert not AuditEvent.objects.filter(name="accounts.PractitionerChanged").exists()


def test_nobody_shuts_the_own_account(cast):
    answer = cast.client(cast.system_admin).post(
        reverse("console:set-active", args=[cast.system_admin.pk]), {"active": "0"}
    )
    assert answer.status_code == 409
    assert b"own-account" in answer.content
    assert Practitioner.objects.get(pk=cast.system_admin.pk).is_active
    actions.disable_practitioner(
        practitioner=cast.system_admin, at=timezone.now(), by=SYSTEM
    )  # the server's command may
    assert not Practitioner.objects.get(pk=cast.system_admin.pk).is_active

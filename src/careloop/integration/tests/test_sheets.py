"""A list on its whole way: brought, looked at, imported, and what became of its rows."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from careloop.accounts.models import Practitioner, Role, RoleAssignment
from careloop.accounts.reads import viewer_for
from careloop.audit.models import AuditEvent
from careloop.integration import actions
from careloop.integration.jobs import import_sheet, process_inbox
from careloop.integration.jobs.process import drop_old_drafts
from careloop.integration.models import InboxMessage, PatientSheet
from careloop.integration.reads import sheets as reads
from careloop.integration.sheets import rows
from careloop.integration.sheets.opening import grid_of
from careloop.integration.tests.factories import adt, receive
from careloop.integration.tests.sheets import HEADINGS, csv_of, person, xlsx_of
from careloop.integration.views.sheets import PROBLEMS
from careloop.kernel.actions import seeding
from careloop.kernel.viewer import Viewer
from careloop.patients.models import Condition, ContactPoint, Encounter, Patient, PatientIdentifier
from tests.cast import LONG_AGO, SYSTEM, Cast

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def importer(cast: Cast, *, at: Any = None, role: str = "nursing-department") -> Practitioner:
    """Somebody of the nursing department; `at` narrows the role to one place."""
    with seeding():
        who = Practitioner(username=f"imp-{role}", name="Imp", organization=cast.hospital, must_change_password=False)
        who.password_changed_at = datetime.now(UTC)
        who.set_unusable_password()
        who.save()
        RoleAssignment.objects.create(
            practitioner=who, role=Role.objects.get(code=role), organization=at or cast.hospital, valid_from=LONG_AGO,
        )  # fmt: skip
    return who


@pytest.fixture
def by(cast: Cast) -> Viewer:
    return viewer_for(importer(cast), at=AT)


@pytest.fixture
def card(cast: Cast) -> str:
    """A department's own name, as a list writes it."""
    return cast.cardiology.name


def brought(by: Viewer, data: bytes, *, name: str = "出院患者.csv") -> PatientSheet:
    return actions.bring_sheet(name=name, data=data, at=AT, by=by)


def imported(sheet: PatientSheet, by: Viewer) -> PatientSheet:
    actions.start_sheet(sheet_id=sheet.pk, at=AT, by=by)
    actions.store_sheet(sheet_id=sheet.pk, at=AT, by=SYSTEM)
    process_inbox(at=AT)
    sheet.refresh_from_db()
    return sheet


def patient(number: str = "7001") -> Patient:
    held = PatientIdentifier.objects.unscoped("test").select_related("patient")
    return held.get(type="MR", value=number).patient


class TestImport:
    def test_rows_become_patients_stays_and_diagnoses(self, by: Viewer, cast: Cast, card: str) -> None:
        sheet = imported(
            brought(by, csv_of(person(**{"出院科室": card}), person("7002", "陆远", **{"出院科室": card}))), by
        )
        assert (sheet.taken, sheet.known, sheet.kept_out, sheet.other_person) == (2, 0, 0, 0)
        assert reads.fate_of(sheet) == reads.Fate(applied=2)
        found = patient()
        assert (found.name, found.sex) == ("沈若溪", "female")
        (stay,) = Encounter.objects.unscoped("test").filter(patient=found)
        assert (stay.status, stay.department_id, stay.class_code) == ("finished", cast.cardiology.pk, "IMP")
        assert stay.discharged_at.astimezone().date().isoformat() == "2026-11-18"
        assert Condition.objects.unscoped("test").get(patient=found).code == "I50.9"
        assert ContactPoint.objects.unscoped("test").get(patient=found).value == "+8613800000007"

    def test_excel_is_read_like_text(self, by: Viewer, card: str) -> None:
        rows = ((7001, "沈若溪", datetime(2026, 11, 18), card),)
        sheet = imported(brought(by, xlsx_of(("住院号", "姓名", "出院时间", "科室"), *rows)), by)
        assert sheet.taken == 1
        assert patient().name == "沈若溪"

    def test_the_same_list_again_changes_nothing(self, by: Viewer, card: str) -> None:
        data = csv_of(person(**{"出院科室": card}))
        imported(brought(by, data), by)
        again = imported(brought(by, data), by)
        assert (again.taken, again.known) == (0, 1)
        assert Encounter.objects.unscoped("test").filter(patient=patient()).count() == 1

    def test_a_stay_the_hospital_has_told_of_is_found_by_its_day(self, by: Viewer, cast: Cast) -> None:
        receive(
            adt(
                "A03",
                number="9001",
                visit="V9001",
                name="周国强",
                unit=cast.cardiology.code,
                service=cast.cardiology.code,
            ),
            at=AT,
        )
        process_inbox(at=AT)
        row = person(
            "9001", "周国强", **{"出院科室": cast.cardiology.name, "入院日期": "2026-11-12", "出院日期": "2026-11-20"}
        )
        sheet = brought(by, csv_of(row))
        assert sheet.facility == "YX"
        assert reads.examined(sheet, at=AT).known_patients == 1
        imported(sheet, by)
        (stay,) = Encounter.objects.unscoped("test").filter(patient=patient("9001"))
        assert (stay.system, stay.visit_number) == ("YX", "V9001")

    def test_a_department_nobody_mapped_waits_until_somebody_says_which(self, by: Viewer, cast: Cast) -> None:
        sheet = brought(by, csv_of(person(**{"出院科室": "新心内"})))
        assert reads.examined(sheet, at=AT).unknown_departments == {"新心内": 1}
        imported(sheet, by)
        assert reads.fate_of(sheet) == reads.Fate(dead=1)
        actions.map_department(facility=sheet.facility, value="新心内", organization=cast.cardiology, at=AT, by=SYSTEM)
        process_inbox(at=AT)
        assert reads.fate_of(sheet) == reads.Fate(applied=1)

    def test_no_list_renames_a_patient(self, by: Viewer, card: str) -> None:
        imported(brought(by, csv_of(person(**{"出院科室": card}))), by)
        sheet = imported(
            brought(by, csv_of(person(name="别人", **{"出院科室": card}), person("7002", **{"出院科室": card}))), by
        )
        assert (sheet.taken, sheet.other_person) == (1, 1)
        assert patient().name == "沈若溪"

    def test_a_number_typed_in_full_width_is_the_same_number(self, by: Viewer, card: str) -> None:
        imported(brought(by, csv_of(person(**{"出院科室": card}))), by)
        seen = reads.examined(brought(by, csv_of(person("７００１", "别人", **{"出院科室": card}))), at=AT)
        assert (len(seen.good), len(seen.other_person)) == (0, 1)
        again = imported(brought(by, csv_of(person(" ７００１ ", **{"出院科室": card}))), by)
        assert (again.taken, again.known) == (0, 1)

    def test_two_names_beside_one_number_keep_the_second_out(self, by: Viewer, card: str) -> None:
        seen = reads.examined(brought(by, csv_of(person(), person(name="别人"))), at=AT)
        assert (len(seen.good), seen.kept_out) == (1, 1)
        assert seen.errors[0].problem.code == "two-names"
        assert seen.errors[0].line.number == 3

    def test_a_wrong_row_keeps_nobody_else_out(self, by: Viewer, card: str) -> None:
        sheet = imported(brought(by, csv_of(person(**{"出院日期": "??"}), person("7002", **{"出院科室": card}))), by)
        assert (sheet.taken, sheet.kept_out) == (1, 1)
        assert not PatientIdentifier.objects.unscoped("test").filter(value="7001").exists()

    def test_every_row_is_accounted_for(self, by: Viewer, card: str) -> None:
        data = csv_of(
            person(**{"出院科室": card}),
            person(**{"出院科室": card}),
            person("", "无号"),
            person("7003", **{"出院科室": "?"}),
        )
        sheet = imported(brought(by, data), by)
        assert sheet.taken + sheet.known + sheet.kept_out + sheet.other_person == 4
        fate = reads.fate_of(sheet)
        assert fate.applied + fate.dead + fate.waiting + fate.ignored == sheet.taken

    def test_the_original_is_kept(self, by: Viewer, card: str) -> None:
        data = csv_of(person(**{"出院科室": card}))
        sheet = imported(brought(by, data), by)
        assert bytes(PatientSheet.objects.unscoped("test").get(pk=sheet.pk).data) == data

    def test_an_import_that_breaks_stores_nothing_and_can_be_done_again(
        self, by: Viewer, card: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sheet = brought(by, csv_of(*(person(str(7000 + n), **{"出院科室": card}) for n in range(5))))
        actions.start_sheet(sheet_id=sheet.pk, at=AT, by=by)
        monkeypatch.setattr("careloop.integration.actions.sheets._PORTION", 2)
        kept, calls = actions.receive_messages, []

        def breaks(**told: Any) -> Any:
            calls.append(told)
            if len(calls) == 2:
                raise RuntimeError("in the middle")
            return kept(**told)

        with monkeypatch.context() as broken:
            broken.setattr("careloop.integration.actions.sheets.receive_messages", breaks)
            with pytest.raises(RuntimeError):
                actions.store_sheet(sheet_id=sheet.pk, at=AT, by=SYSTEM)
        assert not InboxMessage.objects.unscoped("test").exists()
        import_sheet(event={"sheet_id": str(sheet.pk)})
        assert reads.fate_of(PatientSheet.objects.unscoped("test").get(pk=sheet.pk)).applied == 5


class TestColumns:
    def test_a_person_says_what_a_heading_means(self, by: Viewer, card: str) -> None:
        sheet = brought(by, csv_of(("7001", "沈若溪", "2026-11-18", card), headings=("甲", "姓名", "出院日期", "科室")))
        assert reads.examined(sheet, at=AT).missing == ["number"]
        with pytest.raises(actions.NothingToImport):
            actions.start_sheet(sheet_id=sheet.pk, at=AT, by=by)
        chosen = {"number": 0, "name": 1, "discharged": 2, "department": 3, "nonsense": 1, "phone": 99}
        sheet = actions.read_columns(sheet_id=sheet.pk, chosen=chosen, facility="YX", at=AT, by=by)
        assert sheet.meaning == {"number": 0, "name": 1, "discharged": 2, "department": 3}
        assert imported(sheet, by).taken == 1

    def test_what_is_on_its_way_is_read_no_other_way(self, by: Viewer, card: str) -> None:
        sheet = imported(brought(by, csv_of(person(**{"出院科室": card}))), by)
        with pytest.raises(actions.SheetIsOnItsWay):
            actions.read_columns(sheet_id=sheet.pk, chosen={}, facility="", at=AT, by=by)
        with pytest.raises(actions.SheetIsOnItsWay):
            actions.drop_sheet(sheet_id=sheet.pk, by=by)

    def test_starting_twice_stores_once(self, by: Viewer, card: str) -> None:
        sheet = imported(brought(by, csv_of(person(**{"出院科室": card}))), by)
        assert actions.start_sheet(sheet_id=sheet.pk, at=AT + timedelta(days=1), by=by).started_at == AT
        assert actions.store_sheet(sheet_id=sheet.pk, at=AT, by=SYSTEM) == 0


class TestWho:
    def test_a_role_for_one_department_is_not_enough(self, cast: Cast) -> None:
        narrow = viewer_for(importer(cast, at=cast.cardiology), at=AT)
        with pytest.raises(actions.NotForTheWholeHospital):
            brought(narrow, csv_of(person()))
        assert not PatientSheet.objects.unscoped("test").exists()

    def test_nurses_do_not_come_in(self, cast: Cast) -> None:
        assert cast.client(cast.wang).get(reverse("integration:sheets")).status_code == 403

    def test_a_list_is_its_owners_own(self, cast: Cast, by: Viewer) -> None:
        sheet = brought(by, csv_of(person()))
        other = importer(cast, role="medical-affairs")
        for name in ("sheet", "sheet-progress", "sheet-wrong-rows"):
            assert cast.client(other).get(reverse(f"integration:{name}", args=[sheet.pk])).status_code == 404
        for name in ("start-sheet", "drop-sheet", "sheet-columns"):
            assert cast.client(other).post(reverse(f"integration:{name}", args=[sheet.pk])).status_code == 404
        assert PatientSheet.objects.unscoped("test").get().state == "draft"

    def test_events_name_no_patient_and_no_file(self, by: Viewer, card: str) -> None:
        imported(brought(by, csv_of(person(**{"出院科室": card})), name="沈若溪.csv"), by)
        trail = [str(row) for row in AuditEvent.objects.filter(name__startswith="integration.Sheet").values()]
        assert len(trail) == 3
        assert not any("沈若溪" in row or "7001" in row for row in trail)

    def test_drafts_go_after_a_week(self, by: Viewer, card: str) -> None:
        old, kept = brought(by, csv_of(person())), imported(brought(by, csv_of(person(**{"出院科室": card}))), by)
        moment = old.updated_at + timedelta(days=7, seconds=1)
        drop_old_drafts(timestamp=int(moment.timestamp()) + 1)
        assert [one.pk for one in PatientSheet.objects.unscoped("test")] == [kept.pk]


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_start_one_import(by: Viewer, card: str) -> None:
    sheet = brought(by, csv_of(person(**{"出院科室": card})))
    gate, told = threading.Barrier(2), []

    def click() -> None:
        gate.wait()
        try:
            actions.start_sheet(sheet_id=sheet.pk, at=AT, by=by)
            told.append(actions.store_sheet(sheet_id=sheet.pk, at=AT, by=SYSTEM))
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(told) == [0, 1]
    assert InboxMessage.objects.unscoped("test").count() == 1


class TestPages:
    @pytest.fixture
    def client(self, cast: Cast) -> Client:
        return cast.client(importer(cast))

    def upload(self, client: Client, data: bytes, name: str = "list.csv") -> Any:
        return client.post(reverse("integration:sheets"), {"file": SimpleUploadedFile(name, data)})

    def test_from_the_file_to_the_patients(self, client: Client, card: str) -> None:
        answer = self.upload(client, csv_of(person(**{"出院科室": card}), person("", "无号")))
        assert answer.status_code == 303
        page = client.get(answer["Location"]).content.decode()
        assert page.count("data-trouble") == 1
        assert "data-start" in page
        sheet = PatientSheet.objects.unscoped("test").get()
        client.post(reverse("integration:start-sheet", args=[sheet.pk]))
        import_sheet(event={"sheet_id": str(sheet.pk)})
        page = client.get(answer["Location"]).content.decode()
        assert 'data-under-way="0"' in page
        assert 'role="status">' in page
        assert str(sheet.pk) in client.get(reverse("integration:sheets")).content.decode()

    def test_while_rows_wait_the_page_refreshes_itself(self, client: Client, card: str) -> None:
        where = self.upload(client, csv_of(person(**{"出院科室": card})))["Location"]
        client.post(f"{where}start/")
        part = client.get(f"{where}progress/").content.decode()
        assert 'data-under-way="1"' in part
        assert f'hx-get="{where}progress/"' in part

    @pytest.mark.parametrize(("data", "word"), [(b"\x00", "Excel"), (b"", "表头"), (b"a,b\n" * 10_200, "10,000")])
    def test_a_file_that_is_no_list_says_what_to_do(self, client: Client, data: bytes, word: str) -> None:
        answer = self.upload(client, data)
        assert answer.status_code == 422
        assert word in answer.content.decode()
        assert not PatientSheet.objects.unscoped("test").exists()

    def test_no_file_is_said(self, client: Client) -> None:
        assert client.post(reverse("integration:sheets")).status_code == 422

    def test_columns_are_chosen_on_the_page(self, client: Client) -> None:
        where = self.upload(client, csv_of(("7001", "沈若溪"), headings=("甲", "姓名")))["Location"]
        assert client.post(f"{where}start/").status_code == 422
        client.post(
            f"{where}columns/", {"column-0": "number", "column-1": "name", "column-x": "phone", "facility": "YX"}
        )
        sheet = PatientSheet.objects.unscoped("test").get()
        assert (sheet.meaning, sheet.facility) == ({"number": 0, "name": 1}, "YX")

    def test_rows_to_mend_come_as_a_list_that_can_be_brought_again(self, client: Client) -> None:
        where = self.upload(client, csv_of(person(**{"出院日期": "=1+1"}), person("7002")))["Location"]
        answer = client.get(f"{where}wrong/")
        grid = grid_of(answer.content)
        assert [row[0] for row in grid] == ["病案号", "7001"]
        assert grid[0][: len(HEADINGS)] == list(HEADINGS)
        assert grid[1][HEADINGS.index("出院日期")] == "=1+1"
        assert grid[1][-1]
        assert b"<f>" not in answer.content
        assert AuditEvent.objects.filter(name="integration.SheetRowsTaken").count() == 1

    def test_the_empty_list_can_be_filled_and_brought(self, client: Client) -> None:
        (headings,) = grid_of(client.get(reverse("integration:blank-sheet")).content)
        row = ["7001" if h == "病案号" else "沈若溪" if h == "姓名" else "" for h in headings]
        where = self.upload(client, xlsx_of(headings, row), "careloop-list.xlsx")["Location"]
        sheet = PatientSheet.objects.unscoped("test").get()
        assert len(sheet.meaning) == len(headings)
        assert client.get(where).status_code == 200

    def test_a_draft_is_thrown_away(self, client: Client) -> None:
        where = self.upload(client, csv_of(person()))["Location"]
        assert client.post(f"{where}drop/").status_code == 303
        assert client.get(where).status_code == 404

    def test_the_message_of_a_row_shows_its_cells_to_those_who_may_read(self, cast: Cast, card: str) -> None:
        client = cast.client(importer(cast, role="interface-specialist"))
        where = self.upload(client, csv_of(person(**{"出院科室": card})))["Location"]
        client.post(f"{where}start/")
        import_sheet(event={"sheet_id": where.strip("/").split("/")[-1]})
        row = InboxMessage.objects.unscoped("test").get()
        page = client.get(reverse("integration:message", args=[row.pk])).content.decode()
        assert "沈若溪" in page
        assert "出院诊断" in page
        assert (
            "沈若溪"
            not in cast.client(cast.system_admin).get(reverse("integration:message", args=[row.pk])).content.decode()
        )


def test_every_problem_a_row_can_have_has_words() -> None:
    source = Path(rows.__file__).read_text() + Path(reads.__file__).read_text()
    codes = set(re.findall(r'Problem\([\w"]+, "([a-z-]+)"\)', source))
    assert codes ^ set(PROBLEMS) == set()

"""Lists taken away: who may take which columns, what stands in the cells, and the record of it."""

from __future__ import annotations

import io
import zipfile
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from careloop.accounts.models import Role, RoleAssignment
from careloop.audit.models import AuditEvent
from careloop.batches import jobs as batches_jobs
from careloop.batches.models import Batch
from careloop.batches.reads import content, file_of
from careloop.cohorts import actions
from careloop.cohorts.models import ListExport
from careloop.cohorts.reads import listing
from careloop.cohorts.rules.columns import COLUMNS, chosen
from careloop.cohorts.tests import factories as make
from careloop.kernel.actions import seeding
from tests.cast import LONG_AGO, NOW, Cast

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def cells(data: bytes) -> tuple[list[list[str]], str]:
    """The rows as text, and the raw XML of the sheet."""
    book = zipfile.ZipFile(io.BytesIO(data))
    raw = book.read("xl/worksheets/sheet1.xml").decode()
    rows = []
    for row in ElementTree.fromstring(raw).iter(f"{SHEET}row"):
        rows.append(["".join(cell.itertext()) for cell in row.iter(f"{SHEET}c")])
    return rows, raw


def ask(cast: Cast, *, who: str = "qian", columns: tuple[str, ...] = ("case", "age"), **given: str) -> ListExport:
    cohort = make.cohort(getattr(cast, who))
    viewer = cast.viewer(getattr(cast, who))
    values = {"purpose": "department meeting", "key": str(uuid4()), **given}
    return actions.request_export(cohort_id=cohort.pk, columns=columns, at=NOW, by=viewer, **values)


def made(export: ListExport) -> bytes:
    assert export.batch is not None
    assert batches_jobs.work_through(export.batch.pk, seconds=60)
    export.refresh_from_db()
    file = file_of(export.batch, at=NOW)
    assert file is not None
    return b"".join(content(file))


def test_a_list_has_a_row_for_each_patient_in_scope(cast: Cast):
    for __ in range(3):
        make.person(cast.cardiology)
    make.person(cast.orthopaedics)
    export = ask(cast, columns=("case", "sex", "age"))
    rows, __ = cells(made(export))
    assert len(rows) == 1 + 4  # a head, three and Zhang
    assert export.rows == 4
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    "name", ['=HYPERLINK("http://x")', "+1", "-2", "@SUM(1)", "\t=1+1", "\r=1", "=cmd|' /C calc'!A0"]
)
def test_a_name_that_looks_like_a_formula_stays_a_text(cast: Cast, name: str):
    patient = make.person(cast.cardiology, name)
    rows, raw = cells(made(ask(cast, columns=("name",))))
    assert "<f>" not in raw
    assert "hyperlink" not in raw.lower().replace("hyperlink(", "")
    assert name.strip() in [row[0] for row in rows]
    assert patient.pk


def test_numbers_are_numbers_and_days_are_iso(cast: Cast):
    make.stay(cast.zhang, cast.cardiology, days_ago=10)
    rows, raw = cells(made(ask(cast, columns=("age", "birth-date", "discharged"))))
    assert rows[1] == ["67", "1959-03-08", "2026-11-10"]
    assert 't="inlineStr"' in raw
    assert "<v>67</v>" in raw


def test_every_column_can_be_taken(cast: Cast):
    make.diagnosis(cast.zhang, "I21.0")
    make.operation(cast.zhang, "36.06")
    make.tag(cast.zhang, "study")
    encounter = make.stay(cast.zhang, cast.cardiology)
    make.care_plan(cast.zhang, encounter, definition=make.plan_definition())
    rows, __ = cells(made(ask(cast, columns=tuple(c.code for c in COLUMNS))))
    assert len(rows[0]) == len(COLUMNS)
    told = "|".join(rows[1])
    for part in ("Zhang", "2026110347", "+8613800110347", "36.06", "study"):
        assert part in told


def test_names_need_a_permission_of_their_own(cast: Cast):
    with pytest.raises(actions.ExportRefused):
        ask(cast, who="zhao", columns=("case", "name"))
    assert not ListExport.objects.exists()
    assert "Zhang" not in "".join(sum(cells(made(ask(cast, who="zhao", columns=("case", "age"))))[0], []))


def test_a_nurse_takes_no_list(cast: Cast):
    with pytest.raises(actions.ExportRefused):
        ask(cast, who="wang")


@pytest.mark.parametrize(
    "given", [{"purpose": "  "}, {"columns": ()}, {"columns": ("case", "password")}, {"columns": ("case' OR 1=1",)}]
)
def test_no_purpose_or_no_such_column_is_refused(cast: Cast, given: dict):
    with pytest.raises(actions.ExportRefused):
        ask(cast, **given)


def test_the_permission_counts_at_the_moment_of_making(cast: Cast):
    export = ask(cast, columns=("name",))
    with seeding():
        RoleAssignment.objects.filter(practitioner=cast.qian).update(role=Role.objects.get(code="ward-doctor"))
    assert export.batch is not None
    batches_jobs.work_through(export.batch.pk, seconds=60)
    assert file_of(export.batch, at=NOW) is None
    assert Batch.objects.get(pk=export.batch.pk).skipped == 1


def test_it_is_written_down_who_took_what(cast: Cast):
    export = ask(cast, columns=("case", "name"))
    made(export)
    facts = list(AuditEvent.objects.filter(name="cohorts.ListExported").order_by("pk"))
    assert [fact.payload["rows"] for fact in facts] == [0, 1]
    assert facts[1].payload["columns"] == ["case", "name"]
    assert facts[1].payload["identifies"] is True
    assert facts[1].actor == f"staff:{cast.qian.pk}"
    assert "Zhang" not in str(facts[1].payload)


def test_the_same_press_twice_is_one_list(cast: Cast):
    cohort, key = make.cohort(cast.qian), str(uuid4())
    one, two = (
        actions.request_export(cohort_id=cohort.pk, columns=["case"], purpose="x", key=key, at=NOW, by=cast.viewer(cast.qian))
        for __ in range(2)
    )  # fmt: skip
    assert one.pk == two.pk
    assert Batch.objects.count() == 1


def test_a_list_of_nobody_is_refused(cast: Cast):
    cohort = make.cohort(cast.qian, {"kind": "tag", "tags": ["nowhere"]})
    with pytest.raises(actions.CohortEmpty):
        actions.request_export(
            cohort_id=cohort.pk, columns=["case"], purpose="x", key="k", at=NOW, by=cast.viewer(cast.qian)
        )


def test_lines_are_scoped_even_when_ids_are_not(cast: Cast):
    found = listing.lines([cast.zhang.pk, cast.ma.pk], viewer=cast.as_wang)
    assert [line.id for line in found] == [cast.zhang.pk]


def test_a_large_list_is_read_in_parts(cast: Cast, django_assert_max_num_queries):
    from unittest import mock

    ids, viewer = [make.person(cast.cardiology).pk for __ in range(7)], cast.as_wang
    with mock.patch.object(listing, "CHUNK", 3), django_assert_max_num_queries(3):
        data = listing.spreadsheet(chosen(["case"]), ids, viewer=viewer, at=NOW)
    assert len(cells(data)[0]) == 8


def test_a_role_of_long_ago_is_no_role(cast: Cast):
    assert cast.viewer(cast.qian).can("cohorts.export-identifiers")
    with seeding():
        RoleAssignment.objects.filter(practitioner=cast.qian).update(valid_from=LONG_AGO, valid_to=NOW)
    assert not cast.viewer(cast.qian).can("cohorts.export")

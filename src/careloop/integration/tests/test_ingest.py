"""Every sample message through the whole way, and the command people type."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings

from careloop.integration.hl7v2.framing import fingerprint, split_file
from careloop.integration.jobs.commands import hl7
from careloop.integration.jobs.ingest import ingest
from careloop.integration.models import InboxMessage
from careloop.integration.tests.factories import adt
from careloop.patients.models import Encounter, Observation, Patient, PatientIdentifier
from tests.cast import Cast

CORPUS = Path(os.environ["CARELOOP_SHARED_DATA"]) / "hl7v2"


def site(monkeypatch: Any, **values: object) -> None:
    here = {name: getattr(settings.ENV, name) for name in settings.ENV.__dataclass_fields__}
    monkeypatch.setattr(settings, "ENV", SimpleNamespace(**{**here, **values}))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the sample messages are not beside the project")
def test_the_whole_corpus(cast: Cast, monkeypatch: Any) -> None:
    site(monkeypatch, hl7_unknown_department="keep")
    report = ingest([CORPUS])
    assert report.received == 1_158
    assert report.stored + report.duplicates == report.received
    assert report.applied + sum(report.ignored.values()) + sum(report.dead.values()) == report.stored
    assert report.waiting == 0
    assert report.dead == {"no-patient-number": 1}
    assert report.ignored["ORM^O01"] == 8
    assert_no_byte_is_lost()
    assert_facts_arrived()

    again = ingest([CORPUS])
    assert (again.received, again.stored, again.duplicates) == (1_158, 0, 1_158)


def assert_no_byte_is_lost() -> None:
    """Every message is kept as it came. (A batch's envelope stays with a message that is new.)"""
    kept = {
        fingerprint(bytes(raw)): bytes(raw) for raw in InboxMessage.objects.unscoped("t").values_list("raw", flat=True)
    }
    for path in CORPUS.rglob("*.hl7"):
        for piece in split_file(path.read_bytes()):
            assert kept[fingerprint(piece)].strip() in piece or piece.strip() in kept[fingerprint(piece)]


def assert_facts_arrived() -> None:
    holder = PatientIdentifier.objects.unscoped("test").select_related("patient").get(
        system="SIMULATOR MRN", type="MR", value="2590157853"
    )  # fmt: skip
    assert holder.patient.name == "AKI Scenario 6 Esterkin"
    creatinine = Observation.objects.unscoped("test").filter(patient=holder.patient, code="tt-0003-01")
    values = list(creatinine.order_by("effective_at").values_list("value_text", flat=True))
    assert values[:4] == ["98.00", "83.00", "95.00", "85.00"]
    stay = Encounter.objects.unscoped("test").get(visit_number="6145914547062969032")
    assert (stay.patient, stay.status, stay.department_text) == (
        holder.patient,
        "in-progress",
        "RenalWard Simulated Hospital",
    )
    everyman = PatientIdentifier.objects.unscoped("test").get(system="test1", type="MR", value="PATID1234").patient
    assert everyman.deceased
    gone = Patient.objects.unscoped("test").filter(merged_into__isnull=False)
    assert gone.count() >= 1


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the sample messages are not beside the project")
def test_a_batch_file_is_kept_with_its_envelope(cast: Cast) -> None:
    batch = CORPUS / "fhir-converter" / "0144.hl7"
    ingest([batch])
    rows = InboxMessage.objects.unscoped("test").order_by("seq").values_list("raw", flat=True)
    assert b"".join(bytes(raw) for raw in rows) == batch.read_bytes()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the sample messages are not beside the project")
def test_unknown_places_wait_for_a_person_by_default(cast: Cast) -> None:
    report = ingest([CORPUS / "simhospital" / f"{n:04d}.hl7" for n in range(1, 13)])
    assert set(report.dead) == {"unknown-department"}
    subjects = InboxMessage.objects.unscoped("t").dead().values_list("error_subject", flat=True)
    assert set(subjects) <= {"MED", "URO", "SUR", "CAR", "PUL"}


def test_command_prints_counts(cast: Cast, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.hl7").write_bytes((adt("A01") + "\n" + adt("A03")).encode("gb18030"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("MSH|^~\\&|HIS|YX|||1||DFT^P03|9|P|2.4\r", encoding="utf-8")
    (tmp_path / "sub" / "c.pdf").write_bytes(b"no message")
    (tmp_path / "z.hl7").write_bytes(b"not a message at all")
    assert hl7(["ingest", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "received": 4, "stored": 4, "duplicates": 0, "applied": 2, "ignored": {"DFT^P03": 1}, "waiting": 0,
        "dead": {"no-header": 1},
    }  # fmt: skip
    assert Patient.objects.unscoped("test").filter(name="周国强").exists()


def test_command_in_words_and_without_processing(cast: Cast, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.hl7").write_text(adt("A01"), encoding="utf-8")
    assert hl7(["ingest", str(tmp_path / "a.hl7"), "--no-process"]) == 0
    assert "waiting 1" in capsys.readouterr().out


def test_a_missing_path_stores_nothing(cast: Cast, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "a.hl7").write_text(adt("A01"), encoding="utf-8")
    assert hl7(["ingest", str(tmp_path / "a.hl7"), str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not InboxMessage.objects.unscoped("test").exists()

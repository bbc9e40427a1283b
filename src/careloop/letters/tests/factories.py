"""A patient who can be written to, the shipped letters, and a file read back."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.test import override_settings
from django.utils.module_loading import import_string
from pypdf import PdfReader

from careloop.kernel.actions import seeding
from careloop.letters import actions
from careloop.letters.models import Letter, LetterTemplate
from careloop.patients.models import Patient
from careloop.tasks.models import Task
from careloop.tasks.tests.factories import make_task
from tests.cast import NOW, SYSTEM, Cast
from tests.queue import queued

ADDRESS = "浙江省云溪市西山区人民路 128 号 3 幢 2 单元 501 室"


def site(**values: Any) -> AbstractContextManager[None]:
    """Other settings of the site for a while."""
    return override_settings(ENV=replace(settings.ENV, **values))


def change(row: Any, **values: Any) -> Any:
    """What other rooms' actions would have written."""
    with seeding():
        type(row).objects.unscoped("test").filter(pk=row.pk).update(**values)
    row.refresh_from_db()
    return row


def shipped(code: str = "not-reached") -> LetterTemplate:
    actions.load_letter_templates(at=NOW, by=SYSTEM)
    return LetterTemplate.objects.get(code=code, state="approved")


def at_home(cast: Cast, **values: Any) -> Patient:
    """Zhang, discharged a week ago, with an address."""
    change(cast.stay, status="finished", discharged_at=NOW - timedelta(days=7), discharge_cycle=1)
    return change(cast.zhang, **{"address": ADDRESS, "name": "周国强", **values})


def a_task(cast: Cast, **values: Any) -> Task:
    return make_task(cast, encounter_id=cast.stay.pk, **values)


def a_letter(cast: Cast, *, template: LetterTemplate | None = None, task: Task | None = None, **values: Any) -> Letter:
    """A letter of nurse Wang to Zhang."""
    given = {"key": f"test:{uuid4()}", "patient_id": cast.zhang.pk, "at": NOW, "by": cast.as_wang} | values
    return actions.make_letter(template_id=(template or shipped()).pk, task_id=task.pk if task else None, **given)


def content(answer: Any) -> bytes:
    """The bytes of an answer, streamed or not."""
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def reader(data: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(data))


def text_of(data: bytes) -> str:
    """The words of a PDF without the spaces and breaks that setting adds."""
    return "".join("".join(page.extract_text().split()) for page in reader(data).pages)


def fonts_of(data: bytes) -> dict[str, bool]:
    """Each font of a PDF, and whether its outlines lie in the file."""
    found: dict[str, bool] = {}
    for page in reader(data).pages:
        fonts = page["/Resources"].get("/Font", {})
        for one in fonts.values():
            font = one.get_object()
            inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
            descriptor = inner.get("/FontDescriptor")
            keys = descriptor.get_object().keys() if descriptor else ()
            found[str(font["/BaseFont"])] = any(str(key).startswith("/FontFile") for key in keys)
    return found


def run_queued(task_name: str) -> int:
    """Runs what the facts so far have queued for one job, with the payload the worker would get; says how often."""
    told = queued(task_name)
    # Jobs of tests that commit for real outlive their patients.
    alive = Patient.objects.unscoped("test").filter(pk__in=[event["patient_id"] for event in told])
    here = {str(pk) for pk in alive.values_list("pk", flat=True)}
    events = [event for event in told if event["patient_id"] in here]
    for event in events:
        import_string(task_name).func(event=event)
    return len(events)

"""Input of the supervision pages."""

from __future__ import annotations

import secrets
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from careloop.accounts.models import Organization, Practitioner
from careloop.kernel.choices import offer
from careloop.kernel.viewer import Viewer
from careloop.questionnaires.models import Questionnaire, QuestionnaireResponse
from careloop.supervision.actions.findings import CODES
from careloop.supervision.models import Finding
from careloop.supervision.reads.figures import finding_label
from careloop.supervision.reads.records import Period
from careloop.supervision.reads.samples import Wanted

DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class SampleForm(forms.Form):
    """What to draw from and how much. Who may and whether it can be drawn is the action's to say."""

    department = forms.ChoiceField(label=_("Department"), required=False)
    period_from = forms.DateField(label=_("Completed from"), widget=DAY)
    period_to = forms.DateField(label=_("Completed until"), widget=DAY)
    author = forms.ChoiceField(label=_("Records of"), required=False)
    form = forms.ChoiceField(label=_("Questionnaire"), required=False)
    mode = forms.ChoiceField(label=_("How it was asked"), required=False)
    strata = forms.MultipleChoiceField(
        label=_("Each group gets its share"), required=False, widget=forms.CheckboxSelectMultiple,
        choices=(("department", _("by department")), ("author", _("by person")), ("form", _("by questionnaire")), ("mode", _("by mode")), ("origin", _("by what asked for it"))),
    )  # fmt: skip
    size = forms.IntegerField(label=_("Number of records"), required=False)
    percent = forms.FloatField(label=_("or percent"), required=False)
    blind_percent = forms.FloatField(label=_("Asked again blind, percent"), initial=100)
    checker = forms.ChoiceField(label=_("Who checks"), required=False)
    seed = forms.RegexField(
        r"^[0-9A-Za-z-]{1,40}$", label=_("Seed"), required=False,
        help_text=_("Leave it empty for a new one. It is kept, so that anybody can draw the same sample again."),
    )  # fmt: skip
    key = forms.CharField(widget=forms.HiddenInput, max_length=80)

    def __init__(self, *args: Any, viewer: Viewer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = get_language() or ""
        departments = Organization.objects.filter(is_active=True).order_by("name", "pk")
        people = Practitioner.objects.filter(is_active=True, username__isnull=False).order_by("name", "pk")
        if not viewer.hospital_wide:
            departments = departments.filter(pk__in=viewer.departments)
            people = people.filter(organization__in=viewer.departments)
        hospital = [("", _("Whole hospital"))] if viewer.hospital_wide else []
        named = [(str(pk), name) for pk, name in people.values_list("pk", "name")]
        offer(self, "department", [*hospital, *((str(one.pk), one.called(language)) for one in departments)])
        offer(self, "author", [("", _("everybody")), *named])
        offer(self, "checker", [("", _("myself")), *named])
        active = Questionnaire.objects.filter(status=Questionnaire.Status.ACTIVE).order_by("title", "pk")
        offer(
            self,
            "form",
            [("", _("all")), *((one.url, one.called(language)) for one in active.only("url", "title", "title_en"))],
        )
        offer(self, "mode", [("", _("all")), *QuestionnaireResponse.Mode.choices])

    @staticmethod
    def start(viewer: Viewer) -> dict[str, Any]:
        """A first proposal: the own department, the last thirty days, twenty records, all blind."""
        today = timezone.localdate()
        return {
            "period_from": today - timedelta(days=30), "period_to": today, "size": 20, "blind_percent": 100,
            "strata": ["author"], "key": secrets.token_hex(16),
            "department": "" if viewer.hospital_wide else next(iter(sorted(map(str, viewer.departments))), ""),
        }  # fmt: skip

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("period_from"), cleaned.get("period_to")
        if first and last and (last < first or (last - first).days > 366):
            self.add_error("period_to", _("The period ends after it begins and is at most a year."))
        return cleaned

    def wanted(self) -> Wanted:
        """The selection as the reads want it."""
        told = self.cleaned_data
        return Wanted(
            department_id=_uuid(told["department"]),
            period=Period(first=told["period_from"], last=told["period_to"]), strata=tuple(told["strata"]),
            author_id=_uuid(told["author"]), url=told["form"], mode=told["mode"],
        )  # fmt: skip

    def checker_id(self) -> UUID | None:
        """Who is to check; None: whoever draws."""
        return _uuid(self.cleaned_data["checker"])

    def seed_to_use(self) -> str:
        """The given seed, or a new one that nobody could choose."""
        return self.cleaned_data["seed"] or secrets.token_hex(16)


def _uuid(text: str) -> UUID | None:
    return UUID(text) if text else None


class FindingForm(forms.Form):
    """What is to be put right."""

    code = forms.ChoiceField(label=_("What"))
    severity = forms.ChoiceField(label=_("How serious"), choices=Finding.Severity.choices)
    note = forms.CharField(label=_("Note"), max_length=500, required=False)
    key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, "code", [(code, finding_label(code)) for code in CODES])


class MonthForm(forms.Form):
    """A month and a department; anything unreadable means this month and all of the viewer's."""

    month = forms.DateField(required=False, input_formats=["%Y-%m"])
    department = forms.UUIDField(required=False)

    def month_or_this(self) -> date:
        """The first day of the month to show."""
        chosen = self.cleaned_data.get("month") if self.is_valid() else None
        return (chosen or timezone.localdate()).replace(day=1)

"""Reading what was typed about letters, lists and reports."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from careloop.letters.models import Letter, LetterTemplate
from careloop.letters.reads.due import DEFAULT_DAYS, DueQuery
from careloop.letters.reads.planning import MOST_LETTERS
from careloop.letters.rules.wording import LONGEST_BODY, LONGEST_SUBJECT

LONGEST_SPAN = 366
EARLIEST, LATEST = date(1900, 1, 1), date(2200, 1, 1)  # a year mistyped must not run out of the calendar


class DueForm(forms.Form):
    """Which due dates. Anything unreadable falls back to the next seven days."""

    first = forms.DateField(required=False)
    last = forms.DateField(required=False)
    late = forms.ChoiceField(choices=[("", ""), ("1", ""), ("0", "")], required=False)
    mine = forms.BooleanField(required=False)
    department = forms.UUIDField(required=False)
    plan = forms.CharField(max_length=120, required=False)
    offset = forms.IntegerField(min_value=0, max_value=100_000, required=False)

    def query(self, *, at: datetime) -> DueQuery:
        """The query; the last day is never before the first nor more than a year after it."""
        self.is_valid()
        given: dict[str, Any] = self.cleaned_data
        first = min(max(given.get("first") or timezone.localdate(at), EARLIEST), LATEST)
        last = given.get("last") or first + timedelta(days=DEFAULT_DAYS)
        return DueQuery(
            first=first, last=min(max(last, first), first + timedelta(days=LONGEST_SPAN)),
            overdue=given.get("late") != "0", mine=bool(given.get("mine")), department_id=given.get("department"),
            plan=given.get("plan") or "",
        )  # fmt: skip


class MakeForm(forms.Form):
    """Letters for a due list, a selection of its rows, or one patient. The `key` makes a second click harmless."""

    template = forms.UUIDField()
    key = forms.UUIDField()
    patient = forms.UUIDField(required=False)
    task = forms.UUIDField(required=False)
    chosen = forms.CharField(required=False, max_length=40 * MOST_LETTERS)  # task ids, separated by commas

    def clean_chosen(self) -> list[UUID]:
        """The ids of the rows that were ticked."""
        parts = [part.strip() for part in str(self.cleaned_data["chosen"]).split(",") if part.strip()]
        try:
            return list(dict.fromkeys(UUID(part) for part in parts))
        except ValueError:
            raise forms.ValidationError(_("The selection cannot be read. Load the list again.")) from None


class TemplateForm(forms.Form):
    """A letter's words. Their rules are checked by the action; here only what is missing."""

    code = forms.SlugField(label=_("Short name"), max_length=30, help_text=_("Latin letters and hyphens"))
    title_zh = forms.CharField(label=_("Chinese title"), max_length=60)
    title_en = forms.CharField(label=_("English title"), max_length=60, required=False)
    zh_subject = forms.CharField(label=_("Chinese subject"), max_length=LONGEST_SUBJECT)
    zh_body = forms.CharField(
        label=_("Chinese text"), max_length=LONGEST_BODY * 2, strip=True, widget=forms.Textarea(attrs={"rows": 12})
    )
    en_subject = forms.CharField(label=_("English subject"), max_length=LONGEST_SUBJECT, required=False)
    en_body = forms.CharField(
        label=_("English text"), max_length=LONGEST_BODY * 2, required=False, strip=True,
        widget=forms.Textarea(attrs={"rows": 8}),
    )  # fmt: skip
    has_slip = forms.BooleanField(label=_("With a reply slip at the foot"), required=False)

    def title(self) -> dict[str, str]:
        given = self.cleaned_data
        return {"zh": given["title_zh"], "en": given["title_en"] or given["title_zh"]}

    def texts(self) -> dict[str, dict[str, str]]:
        """Subject and text by language; English is left out while both of its fields are empty."""
        given = self.cleaned_data
        found = {
            language: {part: given.get(f"{language}_{part}", "") for part in ("subject", "body")}
            for language in ("zh", "en")
        }
        return {language: words for language, words in found.items() if language == "zh" or any(words.values())}

    @staticmethod
    def initial_of(template: LetterTemplate) -> dict[str, Any]:
        """The words of a version, to write the next one."""
        start: dict[str, Any] = {
            "code": template.code, "title_zh": template.title.get("zh", ""), "title_en": template.title.get("en", ""),
            "has_slip": template.has_slip,
        }  # fmt: skip
        for language, words in template.texts.items():
            start |= {f"{language}_subject": words["subject"], f"{language}_body": words["body"]}
        return start


class StepForm(forms.Form):
    """What is decided about a template."""

    step = forms.ChoiceField(choices=[(s, s) for s in ("submit", "approve", "reject", "retire")])
    reason = forms.CharField(max_length=200, required=False)

    def clean(self) -> dict[str, Any]:
        """A rejection without a reason helps nobody."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("step") == "reject" and not given.get("reason"):
            self.add_error("reason", _("Say why it is rejected."))
        return given


class ScanForm(forms.Form):
    """A code that was typed, or what a scanner read."""

    scan = forms.CharField(label=_("Code or scan"), max_length=300)


class ReturnForm(forms.Form):
    """Why the post brought it back."""

    reason = forms.ChoiceField(label=_("Reason"), choices=Letter.Return.choices)


class ReportForm(forms.Form):
    """A doctor's assessment and advice for a period."""

    period_from = forms.DateField(label=_("From"))
    period_to = forms.DateField(label=_("Up to"))
    assessment = forms.CharField(
        label=_("Doctor's assessment"), max_length=2000, strip=True, widget=forms.Textarea(attrs={"rows": 8})
    )
    advice = forms.CharField(
        label=_("Advice for the next steps"), max_length=2000, required=False, strip=True,
        widget=forms.Textarea(attrs={"rows": 5}),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """The period runs forward and lasts at most five years."""
        given: dict[str, Any] = super().clean() or {}
        first, last = given.get("period_from"), given.get("period_to")
        if isinstance(first, date) and isinstance(last, date):
            if last < first:
                self.add_error("period_to", _("The last day lies before the first."))
            elif (last - first).days > 5 * 366:
                self.add_error("period_from", _("A report covers at most five years."))
        return given

"""Every component on one page, for developers and for the axe and width tests. Served in development and tests only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from careloop.kernel import svg
from careloop.kernel.pages import PageRequest, public_page, render


class ExampleForm(forms.Form):
    """Shows a field with an error and an optional one."""

    low = forms.IntegerField(label=_("Lower pressure"), max_value=100)
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 2}))


@public_page("shows components with invented data; not served in production", methods=("GET",))
def styleguide(request: PageRequest) -> HttpResponse:
    """The style guide."""
    return render(request, "ui/styleguide.html", {"example": _example()})


def _example() -> dict[str, Any]:
    form = ExampleForm({"low": "180"})
    form.is_valid()
    months = ["6", "7", "8", "9", "10", "11"]
    rates: list[tuple[str, list[float | None]]] = [
        ("A", [88, 89, 91, None, 93.1, 93.4]),
        ("B", [75, 76, 77, 78, 80, 81.7]),
    ]
    return {
        "patient": {
            "name": "周国强", "sex": "男", "age": 67, "birth_date": "1959-03-02",
            "identifiers": [("住院号", "2026110398")], "discharged": "2026-11-13", "doctor": "张明远",
            "nurse": "王秀兰",
            "diagnosis": "急性前壁心肌梗死 PCI 术后", "allergies": ["青霉素"], "risk": "critical",
        },
        "unknown_patient": {"name": "李建国"},
        "definition": {"numerator": "–", "denominator": "–", "exclusions": "–", "source": "–"},
        "spark": svg.sparkline([148, 150, 142, 139, 151, 135, 133], target=130, normal=(90, 130)),
        "line": svg.line_chart(months, rates, target=90),
        "entries": [
            {"time": "10:02", "text": "胸闷，走路时就有", "kind": "crit"},
            {"time": "09:40", "text": "血压 148/92", "kind": "high"},
            {"time": "09:00", "text": "已接通", "kind": "ok"},
            {"time": "08:00", "text": "出院"},
        ],
        "form": form,
        "chart": {
            "xAxis": {"type": "category", "data": ["10", "11"]}, "yAxis": {},
            "series": [{"type": "bar", "data": [93.1, 93.4]}],
        },
    }  # fmt: skip

"""Pages of teams (supervisor) and of the distribution of work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date

from careloop.accounts.models import Organization, Practitioner
from careloop.audit.record import list_seen
from careloop.kernel.choices import choices_of
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render
from careloop.kernel.viewer import Viewer
from careloop.rosters import access, actions, forms, reads
from careloop.rosters.models import Distribution, Leave, Shift, Skill, Team, TeamMember
from careloop.tasks import access as tasks_access


def _today() -> date:
    return timezone.localtime(timezone.now()).date()


# --- who has how much -------------------------------------------------------------------------------------------------


@page(tasks_access.DISTRIBUTE, methods=("GET", "POST"))
def workload(request: PageRequest) -> HttpResponse:
    """Who is here with how much (J19), the button that shares out, and how even it was, day by day."""
    at, today, run = timezone.now(), _today(), None
    if request.method == "POST":
        run = actions.distribute(day=today, at=at, by=request.viewer)
    found = reads.situation(viewer=request.viewer, day=today, at=at)
    people = _own_people(found.people, request.viewer)
    shown = {one.practitioner.pk for one in people}
    first, last = forms.PeriodForm(request.GET).period(today=today)
    rows = reads.nurse_days(people=[one.practitioner.pk for one in people], first=first, last=last)
    context = {
        "run": run,
        "waiting": len(found.items),
        "room": sum(max(0, carer.capacity - carer.load) for carer in found.carers if carer.id in shown),
        "loads": reads.loads(people, day=today),
        "rows": rows,
        "report": reads.fairness_of(rows),
        "names": {row.practitioner_id: row.name for row in rows},
        "first": first,
        "last": last,
        "runs": list(Distribution.objects.select_related("asked_by").order_by("-ran_at", "-pk")[:5]),
        "may_keep": request.viewer.can(access.KEEP),
    }
    return render(request, "rosters/workload.html", context)


def _own_people(people: list[reads.Colleague], viewer: Viewer) -> list[reads.Colleague]:
    if viewer.hospital_wide or viewer.everything:
        return people
    return [one for one in people if one.departments & viewer.departments]


@page(tasks_access.DISTRIBUTE)
def nurse_day(request: PageRequest, practitioner_id: UUID, day: str) -> HttpResponse:
    """The tasks behind one figure of the fairness report."""
    on = _date(day)
    person = get_or_404(Practitioner.objects.all(), pk=practitioner_id)
    tasks, total = reads.nurse_day_tasks(practitioner_id=person.pk, day=on, viewer=request.viewer)
    list_seen(what="rosters.nurse-day", ids=[one.task.patient_id for one in tasks], by=request.viewer)
    return render(
        request, "rosters/nurse_day.html", {"person": person, "day": on, "tasks": tasks, "hidden": total - len(tasks)}
    )


def _date(text: str) -> date:
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None:
        raise Http404
    return found


# --- teams, shifts, leave ---------------------------------------------------------------------------------------------


@page(access.KEEP)
def teams(request: PageRequest) -> HttpResponse:
    """Teams with members, who is here today, shifts and leave; and the forms to change them."""
    return _teams(request)


def _teams(request: PageRequest, fault: Any = None, status: int = 200) -> HttpResponse:
    today, at, viewer = _today(), timezone.now(), request.viewer
    mine = reads.teams_of(viewer, day=today)
    departments = _departments(viewer)
    people = _people(viewer, mine)
    here = {one.practitioner.pk: one for one in reads.colleagues(day=today, at=at)}
    ids = [person.pk for person in people]
    context = {
        "fault": fault,
        "today": today,
        "teams": [(team, _members(team, here)) for team in mine],
        "departments": departments,
        "people": people,
        "here": here,
        "skills": list(Skill.objects.filter(is_active=True).order_by("name", "pk")),
        "shifts": list(
            Shift.objects.filter(practitioner__in=ids).exclude(last_day__lt=today).select_related("practitioner")
            .order_by("practitioner__name", "first_day", "pk")
        ),
        "leaves": list(
            Leave.objects.filter(practitioner__in=ids).exclude(last_day__lt=today).select_related("practitioner")
            .order_by("first_day", "practitioner__name", "pk")
        ),
        "weekdays": forms.WEEKDAYS, "kinds": forms.KINDS, "parts": Shift.Part.choices, "halves": Leave.Half.choices,
        "reasons": choices_of(forms.LeaveForm.base_fields, "reason"),
    }  # fmt: skip
    return render(request, "rosters/teams.html", context, status=status)


def _members(team: Team, here: dict[UUID, reads.Colleague]) -> list[tuple[TeamMember, reads.Colleague | None]]:
    running = team.members.exclude(last_day__lt=_today()).select_related("practitioner")
    return [(member, here.get(member.practitioner_id)) for member in running.order_by("practitioner__name", "pk")]


def _departments(viewer: Viewer) -> list[Organization]:
    wide = viewer.hospital_wide or viewer.everything
    known = Organization.objects.filter(is_active=True)
    return list((known if wide else known.filter(pk__in=viewer.departments)).order_by("path"))


def _people(viewer: Viewer, mine: list[Team]) -> list[Practitioner]:
    """Whoever can sign in and belongs to an own department or an own team."""
    staff = Practitioner.objects.filter(is_active=True, username__isnull=False)
    if not (viewer.hospital_wide or viewer.everything):
        in_team = TeamMember.objects.filter(team__in=mine).values("practitioner_id")
        staff = staff.filter(organization_id__in=viewer.departments) | staff.filter(pk__in=in_team)
    return list(staff.order_by("name", "pk"))


def _change(request: PageRequest, form: Any, do: Callable[[dict[str, Any]], object]) -> HttpResponse:
    """Read the form, do it, back to the page; 422 with words when something is missing."""
    if not form.is_valid():
        return _teams(request, fault=form, status=422)
    do(form.cleaned_data)
    return HttpResponseRedirect(reverse("rosters:teams"))


@page(access.KEEP, methods=("POST",))
def found_team(request: PageRequest) -> HttpResponse:
    """A new team from today on."""
    choices = [(str(one.pk), one.name) for one in _departments(request.viewer)]
    return _change(
        request, forms.TeamForm(request.POST, choices),
        lambda given: actions.found_team(
            name=given["name"], organization_id=given["organization"], first_day=_today(), by=request.viewer,
            department_ids=[UUID(one) for one in given["departments"]],
        ),
    )  # fmt: skip


@page(access.KEEP, methods=("POST",))
def end_team(request: PageRequest, team_id: UUID) -> HttpResponse:
    """Today is the team's last day."""
    actions.end_team(team=get_or_404(Team.objects.all(), pk=team_id), last_day=_today(), by=request.viewer)
    return HttpResponseRedirect(reverse("rosters:teams"))


@page(access.KEEP, methods=("POST",))
def join_team(request: PageRequest, team_id: UUID) -> HttpResponse:
    """Somebody joins from today on."""
    team = get_or_404(Team.objects.all(), pk=team_id)
    return _change(
        request, forms.MemberForm(request.POST),
        lambda given: actions.join_team(
            team=team, practitioner_id=given["practitioner"], capacity=given["capacity"],
            skills=request.POST.getlist("skill"), first_day=_today(), by=request.viewer,
        ),
    )  # fmt: skip


@page(access.KEEP, methods=("POST",))
def change_member(request: PageRequest, member_id: UUID) -> HttpResponse:
    """Another capacity, other skills."""
    member = get_or_404(TeamMember.objects.select_related("team"), pk=member_id)
    return _change(
        request, forms.MemberForm(request.POST),
        lambda given: actions.change_member(
            member=member, capacity=given["capacity"], skills=request.POST.getlist("skill"), by=request.viewer
        ),
    )  # fmt: skip


@page(access.KEEP, methods=("POST",))
def leave_team(request: PageRequest, member_id: UUID) -> HttpResponse:
    """Out from today on."""
    member = get_or_404(TeamMember.objects.select_related("team"), pk=member_id)
    actions.leave_team(member=member, today=_today(), by=request.viewer)
    return HttpResponseRedirect(reverse("rosters:teams"))


@page(access.KEEP, methods=("POST",))
def keep_skill(request: PageRequest) -> HttpResponse:
    """A new skill and the work that needs it."""
    return _change(
        request, forms.SkillForm(request.POST),
        lambda given: actions.keep_skill(
            code=given["code"], name=given["name"], kind=given["kind"], plan_title=given["plan_title"],
            by=request.viewer,
        ),
    )  # fmt: skip


@page(access.KEEP, methods=("POST",))
def end_skill(request: PageRequest, skill_id: UUID) -> HttpResponse:
    """No work needs it any more."""
    skill = get_or_404(Skill.objects.all(), pk=skill_id)
    actions.keep_skill(
        skill=skill, code=skill.code, name=skill.name, kind=skill.kind, plan_title=skill.plan_title, is_active=False,
        by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("rosters:teams"))


@page(access.KEEP, methods=("POST",))
def add_shift(request: PageRequest) -> HttpResponse:
    """When somebody works."""
    return _change(
        request, forms.ShiftForm(request.POST),
        lambda given: actions.add_shift(
            practitioner_id=given["practitioner"], first_day=given["first_day"], last_day=given["last_day"],
            weekdays=given["weekdays"], part=given["part"], by=request.viewer,
        ),
    )  # fmt: skip


@page(access.KEEP, methods=("POST",))
def end_shift(request: PageRequest, shift_id: UUID) -> HttpResponse:
    """Over."""
    shift = get_or_404(Shift.objects.all(), pk=shift_id)
    actions.end_shift(shift=shift, today=_today(), by=request.viewer)
    return HttpResponseRedirect(reverse("rosters:teams"))


@page(access.KEEP, methods=("POST",))
def take_leave(request: PageRequest) -> HttpResponse:
    """When somebody is away; what is theirs today goes to others."""
    return _change(
        request, forms.LeaveForm(request.POST),
        lambda given: actions.take_leave(
            practitioner_id=given["practitioner"], first_day=given["first_day"], last_day=given["last_day"],
            first_half=given["first_half"], last_half=given["last_half"], reason=given["reason"], by=request.viewer,
        ),
    )  # fmt: skip


@page(access.KEEP, methods=("POST",))
def end_leave(request: PageRequest, leave_id: UUID) -> HttpResponse:
    """Back today."""
    leave = get_or_404(Leave.objects.all(), pk=leave_id)
    actions.end_leave(leave=leave, today=_today(), by=request.viewer)
    return HttpResponseRedirect(reverse("rosters:teams"))

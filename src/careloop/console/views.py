"""The administrators' pages. Each duty sees and does only its own part."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from careloop.accounts import access as accounts
from careloop.accounts import actions
from careloop.accounts.models import Practitioner, RoleAssignment
from careloop.accounts.reads import duties_apart
from careloop.console import access, reads
from careloop.console.forms import AuditFilter, ChangePersonForm, GrantForm, OrganizationForm, PersonForm
from careloop.kernel.lookup import get_or_404
from careloop.kernel.pages import PageRequest, page, render


@page(accounts.VIEW)
def people(request: PageRequest) -> HttpResponse:
    """The tree of departments with its people and their roles."""
    context = {
        "title": _("Organization and rights"),
        "branches": reads.tree(at=timezone.now()),
        "form": PersonForm(),
        "unit_form": OrganizationForm(),
    }
    return render(request, "console/people.html", context)


@page(accounts.MANAGE_PEOPLE, methods=("POST",))
def add_person(request: PageRequest) -> HttpResponse:
    """A new person, without any right yet."""
    form = PersonForm(request.POST)
    if not form.is_valid():
        context = {
            "title": _("Organization and rights"),
            "branches": reads.tree(at=timezone.now()),
            "form": form,
            "unit_form": OrganizationForm(),
        }
        return render(request, "console/people.html", context, status=422)
    given = form.cleaned_data
    made = actions.create_practitioner(
        name=given["name"],
        username=given["username"] or None,
        staff_number=given["staff_number"] or None,
        title=given["title"],
        organization=given["organization"],
        by=request.viewer,
    )
    return HttpResponseRedirect(reverse("console:person", args=[made.pk]))


@page(accounts.MANAGE_ORGANIZATION, methods=("POST",))
def add_organization(request: PageRequest) -> HttpResponse:
    """A new part of the hospital."""
    form = OrganizationForm(request.POST)
    if not form.is_valid():
        context = {
            "title": _("Organization and rights"),
            "branches": reads.tree(at=timezone.now()),
            "form": PersonForm(),
            "unit_form": form,
        }
        return render(request, "console/people.html", context, status=422)
    actions.create_organization(**form.cleaned_data, by=request.viewer)
    return HttpResponseRedirect(reverse("console:people"))


@page(accounts.VIEW)
def person(request: PageRequest, person_id: UUID) -> HttpResponse:
    """One person: roles with their history, sessions, account."""
    return _person_page(request, person_id, form=GrantForm())


@page(accounts.MANAGE_PEOPLE, methods=("POST",))
def change_person(request: PageRequest, person_id: UUID) -> HttpResponse:
    """Another name, title, department or number; a user name for somebody who had none."""
    who = get_or_404(Practitioner.objects.all(), pk=person_id)
    form = ChangePersonForm(request.POST, person=who)
    if not form.is_valid():
        return _person_page(request, person_id, form=GrantForm(), change_form=form, status=422)
    given = form.cleaned_data
    actions.change_practitioner(
        practitioner=who, name=given["name"], title=given["title"], organization=given["organization"],
        staff_number=given["staff_number"] or None, username=given["username"] or None, by=request.viewer,
    )  # fmt: skip
    return HttpResponseRedirect(reverse("console:person", args=[person_id]))


@page(accounts.GRANT, methods=("POST",))
def grant(request: PageRequest, person_id: UUID) -> HttpResponse:
    """Give a role, permanently or for a time, with a reason."""
    form = GrantForm(request.POST)
    if not form.is_valid():
        return _person_page(request, person_id, form=form, status=422)
    who = get_or_404(Practitioner.objects.all(), pk=person_id)
    actions.grant_role(practitioner=who, valid_from=timezone.now(), by=request.viewer, **form.cleaned_data)
    return HttpResponseRedirect(reverse("console:person", args=[person_id]))


@page(accounts.GRANT, methods=("POST",))
def revoke(request: PageRequest, assignment_id: UUID) -> HttpResponse:
    """Take a role away now."""
    given = get_or_404(RoleAssignment.objects.select_related("practitioner"), pk=assignment_id)
    actions.revoke_role(assignment=given, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("console:person", args=[given.practitioner_id]))


@page(accounts.MANAGE_PEOPLE, methods=("POST",))
def issue_password(request: PageRequest, person_id: UUID) -> HttpResponse:
    """A one-time password, shown once on this page and nowhere else."""
    who = get_or_404(Practitioner.objects.all(), pk=person_id)
    password = actions.issue_password(practitioner=who, at=timezone.now(), by=request.viewer)
    return _person_page(request, person_id, form=GrantForm(), password=password)


@page(accounts.MANAGE_PEOPLE, methods=("POST",))
def set_active(request: PageRequest, person_id: UUID) -> HttpResponse:
    """Disable or enable an account."""
    who = get_or_404(Practitioner.objects.all(), pk=person_id)
    wanted = request.POST.get("active")
    if wanted == "1":
        actions.enable_practitioner(practitioner=who, by=request.viewer)
    elif wanted == "0":  # nothing sent says nothing: nobody is shut out by half a form
        actions.disable_practitioner(practitioner=who, at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("console:person", args=[person_id]))


@page(accounts.END_SESSIONS, methods=("POST",))
def end_sessions(request: PageRequest, person_id: UUID) -> HttpResponse:
    """Sign a person out everywhere."""
    who = get_or_404(Practitioner.objects.all(), pk=person_id)
    actions.end_sessions(practitioner=who, why="administrator", at=timezone.now(), by=request.viewer)
    return HttpResponseRedirect(reverse("console:person", args=[person_id]))


def _person_page(
    request: PageRequest, person_id: UUID, *, form: GrantForm, change_form: ChangePersonForm | None = None,
    password: str = "", status: int = 200,
) -> HttpResponse:  # fmt: skip
    who, at = get_or_404(Practitioner.objects.select_related("organization"), pk=person_id), timezone.now()
    context = {
        "title": who.name,
        "person": who,
        "assignments": list(
            who.assignments.select_related("role", "organization", "granted_by").order_by("-valid_from", "pk")
        ),
        "sessions": list(who.staff_sessions.order_by("-last_seen_at", "pk")[:20]),
        "endings": reads.SESSION_ENDINGS,
        "form": form,
        "change_form": change_form or ChangePersonForm(person=who),
        "password": password,
        "at": at,
        "may_issue": bool(who.username) and not duties_apart(who.pk, request.viewer.practitioner_id, at=at),
    }
    return render(request, "console/person.html", context, status=status)


@page(accounts.VIEW_AUDIT)
def audit_log(request: PageRequest) -> HttpResponse:
    """Who did and saw what. The log shows ids and codes; it never held names of patients."""
    form = AuditFilter(request.GET)
    rows = reads.audit_events(form.cleaned_data) if form.is_valid() else []  # never everything for a slip of the pen
    context = {
        "title": _("Audit log"),
        "form": form,
        "rows": rows,
        "names": reads.names_of({row.actor for row in rows}),
        "words": reads.trail_words(),
        "older": rows[-1].pk if len(rows) == reads.PAGE else None,
        "query": {name: value for name, value in request.GET.items() if name != "before_id"},
    }
    return render(request, "console/audit.html", context, status=422 if form.errors else 200)


@page(access.HEALTH)
def health(request: PageRequest) -> HttpResponse:
    """Whether the machine keeps up: jobs, sizes."""
    return render(request, "console/health.html", {"title": _("System health"), "health": reads.health()})

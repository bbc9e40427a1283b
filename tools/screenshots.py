"""Photographs the main screens, in Chinese, into docs/screenshots: `make screenshots`.

Uses the demo hospital of `make demo` when there is one; else plays five days of a small one in .data/screenshots first and
looks at it three days later, when follow-ups are due. Nothing is clicked that changes a patient's data.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from careloop.config import cli, clock, env
from careloop.kernel import postgres

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "screenshots"
GUIDE = ROOT / "docs" / "guide" / "pictures"
"""The pictures that the user guide shows. Those of supervision come from its journey (test-results/); a group and the two
designers, which need something begun first, are photographed by hand in the demo."""
SMALL = ROOT / ".data" / "screenshots"
HISTORY = ("--days", "5", "--discharges-per-day", "6", "--seed", "7")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"]
STAFF = {"nurse": "hushi1", "supervisor": "xnks", "inspector": "zhikong", "admin": "xitong", "security": "anquan"}
DESK = {"viewport": {"width": 1366, "height": 768}}
TELEPHONE: dict[str, Any] = {
    "viewport": {"width": 375, "height": 812},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


@dataclass(frozen=True)
class Shown:
    """Whom the pictures show: session keys by role and the addresses of one telling example each."""

    keys: dict[str, str]
    paths: dict[str, str]
    link: str
    home: str
    factor: str


def main() -> int:
    """0 when every picture is there."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print("Chromium is missing: run `make browser`", file=sys.stderr)
        return 1
    is_small = not (env.load().data_dir / "demo-people.json").exists()
    if is_small:
        play_small_hospital()
    cluster = postgres.cluster(env.load().data_dir)
    is_mine = postgres.start(cluster)
    try:
        cli.prepare()
        web, portal = free_port(), free_port()
        os.environ["CARELOOP_PUBLIC_URL"] = f"http://127.0.0.1:{portal}"
        import django

        django.setup()
        with first_passwords_changed() as people, serving("web", web), serving("portal", portal):
            shown = choose(people, is_small)
            PICTURES.mkdir(parents=True, exist_ok=True)
            photograph(browser, shown, staff=f"http://127.0.0.1:{web}", portal=f"http://127.0.0.1:{portal}")
            renew_guide()
    finally:
        if is_mine:
            postgres.stop(cluster)
    return 0


def renew_guide() -> None:
    """The guide's pictures follow the screens."""
    for picture in GUIDE.glob("*.png"):
        if (PICTURES / picture.name).exists():
            shutil.copyfile(PICTURES / picture.name, picture)


def play_small_hospital() -> None:
    """Five days, once; the next run finds them."""
    os.environ["CARELOOP_DATA_DIR"] = str(SMALL)
    os.environ[clock.VARIABLE] = str(SMALL / "clock")
    if (SMALL / "played").exists():
        return
    SMALL.mkdir(parents=True, exist_ok=True)
    print("No demo hospital yet: playing five days of a small one (a few minutes) …", flush=True)
    for command in (("migrate",), ("simulate", *HISTORY)):
        subprocess.run([sys.executable, "-m", "careloop", *command], check=True, stdout=subprocess.DEVNULL)
    (SMALL / "played").touch()


def free_port() -> int:
    """Any that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def first_passwords_changed() -> Iterator[dict[str, Any]]:
    """People by role. Whoever never signed in may see only the own account: lifted for the pictures, then as before."""
    from careloop.accounts.models import Practitioner
    from careloop.kernel.actions import seeding

    people = {role: Practitioner.objects.get(username=name) for role, name in STAFF.items()}
    before = [(person.pk, person.must_change_password, person.password_changed_at) for person in people.values()]
    rows = Practitioner.objects.filter(pk__in=[pk for pk, *_ in before])
    with seeding():
        rows.update(must_change_password=False, password_changed_at=datetime.now(UTC))
    try:
        yield people
    finally:
        with seeding():
            for pk, must_change, changed_at in before:
                rows.filter(pk=pk).update(must_change_password=must_change, password_changed_at=changed_at)


def choose(people: dict[str, Any], is_small: bool) -> Shown:
    """Sign everybody in and pick the patients."""
    from django.conf import settings
    from django.utils import timezone

    from careloop.alerts.models import Alert
    from careloop.kernel.viewer import Viewer
    from careloop.messaging.reads.texts import link_address
    from careloop.patients.actions import issue_link
    from careloop.patients.models import ContactPoint, Encounter, Patient
    from careloop.plans.models import CarePlan
    from careloop.publichealth.models import EpisodeOfCare, OpinionTable
    from careloop.questionnaires.models import Questionnaire
    from careloop.tasks.models import Task

    if is_small:
        zone = ZoneInfo(settings.ENV.time_zone)
        later = (datetime.now(zone) + timedelta(days=3)).replace(hour=10, minute=12)
        settings.SIMULATED_CLOCK.set(later)
    at, why = timezone.now(), "pictures of the demo hospital"
    due = Task.objects.unscoped(why).filter(
        kind="follow-up", status="requested", available_at__lte=at, patient__contact_points__is_mobile=True
    )
    call = due.exclude(questionnaire_url="").order_by("-priority", "id").first() or due.first()
    alert = Alert.objects.unscoped(why).exclude(status="closed").order_by("-raised_at").first()
    someone = Patient.objects.unscoped(why).filter(active=True).order_by("-created_at").first()
    if call is None or someone is None:
        raise SystemExit("Nobody is due in this hospital: nothing to photograph.")
    told = (
        ContactPoint.objects.unscoped(why).filter(patient_id=call.patient_id, is_mobile=True).order_by("rank").first()
    )
    links = [
        issue_link(
            patient_id=call.patient_id, purpose=purpose, task_id=task_id, expires_at=at + timedelta(days=7),
            by=Viewer.system("tools.screenshots"),
        )
        for purpose, task_id in (("questionnaire", call.pk), ("home", None))
    ]  # fmt: skip
    running = CarePlan.objects.unscoped(why).running().values("encounter")
    stays = Encounter.objects.unscoped(why).filter(status="finished", class_code="IMP", pk__in=running)
    left = stays.filter(discharged_at__gt=at - timedelta(days=6)).order_by("-discharged_at", "id").first()
    form = (
        Questionnaire.objects.filter(url=call.questionnaire_url, status="active").first()
        or Questionnaire.objects.first()
    )
    own = EpisodeOfCare.objects.unscoped(why).filter(department_id=people["supervisor"].organization_id)
    managed = own.order_by("-pk").first()
    opinions = OpinionTable.objects.order_by("pk").first()
    return Shown(
        keys={role: sign_in(person, at) for role, person in people.items()},
        paths={
            "call": f"/call/{call.pk}/",
            "patient": f"/patients/{alert.patient_id if alert else call.patient_id}/",
            "alerts": f"/alerts/?open={alert.pk}" if alert else "/alerts/?state=closed",
            "form": f"/questionnaires/{form.pk}/" if form else "/questionnaires/",
            "drawer": f"/discharges/?days=7&open={left.pk}" if left else "/discharges/?days=7",
            "opinions": "/public-health/opinion-tables/" + (f"{opinions.pk}/" if opinions else ""),
            "programme": f"/public-health/episodes/{managed.pk}/" if managed else "/public-health/",
            "plan": f"/discharges/{left.pk}/print/" if left else "/discharges/?days=7",
            "family": f"/patients/{call.patient_id}/family/",
        },
        link=link_address(links[0].pk),
        home=link_address(links[1].pk),
        factor=told.last4 if told else "",
    )


def sign_in(person: Any, at: datetime) -> str:
    """A session as the login page leaves one."""
    from django.contrib.sessions.backends.db import SessionStore

    from careloop.accounts.actions import open_session
    from careloop.kernel.viewer import Viewer

    session = SessionStore()
    session["practitioner"] = str(person.pk)
    session.save()
    key = str(session.session_key)
    by = Viewer(actor=f"staff:{person.pk}", practitioner_id=person.pk)
    open_session(practitioner=person, session_key=key, ip="127.0.0.1", user_agent="make screenshots", at=at, by=by)
    return key


@contextmanager
def serving(surface: str, port: int) -> Iterator[None]:
    """One surface as the product serves it, until the pictures are taken."""
    setting = "CARELOOP_WEB_PORT" if surface == "web" else "CARELOOP_PORTAL_PORT"
    process = subprocess.Popen([sys.executable, "-m", "careloop", surface], env={**os.environ, setting: str(port)})
    try:
        wait_for(f"http://127.0.0.1:{port}/")
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_for(address: str) -> None:
    """Until it answers, or a minute is over."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{address} does not answer")


def photograph(executable: str, shown: Shown, *, staff: str, portal: str) -> None:
    """All pictures."""
    from playwright.sync_api import sync_playwright

    screens = (
        ("login", "", "/login/"), ("today", "nurse", "/today/"), ("call", "nurse", shown.paths["call"]),
        ("patient", "nurse", shown.paths["patient"]), ("alerts", "nurse", shown.paths["alerts"]),
        ("discharges", "nurse", "/discharges/?days=7"), ("discharge-drawer", "nurse", shown.paths["drawer"]),
        ("discharge-plan", "nurse", shown.paths["plan"]), ("family", "nurse", shown.paths["family"]),
        ("why", "nurse", "/today/why/"), ("patients", "nurse", "/patients/"), ("plans", "nurse", "/plans/versions/"), ("messages", "nurse", "/messages/"),
        ("questionnaires", "nurse", "/questionnaires/"), ("questionnaire", "nurse", shown.paths["form"]),
        ("opinion-table", "supervisor", shown.paths["opinions"]), ("dashboard", "inspector", "/reports/"), ("department", "inspector", "/reports/department/"),
        ("letters-due", "supervisor", "/letters/due/"), ("workload", "supervisor", "/rosters/workload/"),
        ("public-health", "supervisor", shown.paths["programme"]),
        ("connections", "admin", "/integration/"), ("people", "security", "/console/people/"),
    )  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        for name, role, path in screens:
            context = browser.new_context(locale="zh-CN", **DESK)
            if role:
                context.add_cookies([{"name": "careloop_staff", "value": shown.keys[role], "url": staff}])
            tab = context.new_page()
            tab.goto(staff + path)
            keep(tab, name)
            context.close()
        for name, link in (("question", shown.link), ("home", shown.home)):
            context = browser.new_context(locale="zh-CN", **TELEPHONE)
            tab = context.new_page()
            tab.goto(f"{portal}/q/{link.rsplit('/', 1)[-1]}")
            keep(tab, "phone-check")
            tab.fill("#factor", shown.factor)
            tab.click("button[form=check]")
            tab.wait_for_load_state("load")
            keep(tab, f"phone-{name}")
            context.close()
        browser.close()


def keep(tab: Any, name: str) -> None:
    """Wait until the parts that load later are there, then photograph. Live streams stay open: no idle network to wait for."""
    tab.wait_for_load_state("load")
    tab.wait_for_timeout(1200)
    tab.screenshot(path=PICTURES / f"{name}.png")
    print(f"  docs/screenshots/{name}.png", flush=True)


if __name__ == "__main__":
    sys.exit(main())

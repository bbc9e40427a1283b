"""The example hospital before its first day."""

from datetime import UTC, datetime

import pytest
from django.conf import settings

from careloop.accounts.actions import load_shipped_roles
from careloop.alerts.models import Duty
from careloop.integration.actions.receive import Incoming, receive_messages
from careloop.integration.hl7v2.intake import bare
from careloop.kernel.viewer import Viewer
from careloop.simulation import run
from careloop.simulation.setup import open_hospital
from careloop.simulation.world import City


@pytest.mark.django_db
def test_every_department_has_somebody_on_duty_and_a_head_and_opening_twice_changes_nothing():
    load_shipped_roles(by=Viewer.system("tests"))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    city = City(7, settings.ENV.shared_data)
    open_hospital(city, at=at)
    count = Duty.objects.count()
    assert count == 2 * len(city.hospital["departments"]) + 1  # and one who oversees the hospital
    open_hospital(city, at=at)
    assert Duty.objects.count() == count


@pytest.mark.django_db
def test_a_run_refuses_a_database_that_has_a_history():
    run.refuse_a_used_database()
    raw = b"MSH|^~\\&|HIS|H|CL|H|20260101||ADT^A28|1|P|2.4\r"
    message = Incoming(intake=bare(raw), channel="mllp", peer="")
    receive_messages(incoming=[message], at=datetime(2026, 1, 1, tzinfo=UTC), by=Viewer.system("tests"))
    with pytest.raises(run.DatabaseInUse, match="demo-reset"):
        run.refuse_a_used_database()

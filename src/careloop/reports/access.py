"""Who may see which numbers. Names behind numbers need a permission of their own."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

OWN = Permission("reports.own", _("See own numbers"))
DEPARTMENT = Permission("reports.department", _("See the numbers of one's departments"))
HOSPITAL = Permission("reports.hospital", _("See the numbers of the hospital"))
PEOPLE = Permission("reports.people", _("See numbers by person and names behind numbers"))

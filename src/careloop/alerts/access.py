"""What one may be allowed to do with alerts."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("alerts.view", _("See alerts"))
RAISE = Permission("alerts.raise", _("Report an abnormal answer at once"))
HANDLE = Permission("alerts.handle", _("Accept, act on and close alerts"))
OVERSEE = Permission("alerts.oversee", _("Oversee alerts and set who is on duty"))

"""What one may be allowed to do with alerts."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("alerts.view", _("See alerts"))
HANDLE = Permission("alerts.handle", _("Accept, act on and close alerts"))
DUTIES = Permission("alerts.duties", _("Set who is on duty"))

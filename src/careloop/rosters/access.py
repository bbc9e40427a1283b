"""What one may be allowed to do with teams. Sharing out work itself is `tasks.distribute`."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

KEEP = Permission("rosters.keep", _("Keep teams, shifts, leave and skills"))

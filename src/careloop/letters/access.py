"""What may be done with paper."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

PRINT = Permission("letters.print", _("Print record sheets, plans, lists, letters and reports"))
TEMPLATES = Permission("letters.templates", _("Write letter templates"))
APPROVE = Permission("letters.approve", _("Approve letter templates that somebody else wrote"))

"""What only the desk itself needs; the rest is declared in accounts."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

HEALTH = Permission("console.health", _("See the state of the system"))

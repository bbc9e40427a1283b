"""What one may be allowed to do with work."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("tasks.view", _("See the work list"))
WORK = Permission("tasks.work", _("Call patients and record results"))
DISTRIBUTE = Permission("tasks.distribute", _("Distribute work among people"))
EDIT_LADDER = Permission("tasks.edit-ladder", _("Change the retry rules of calls"))

"""Who may see long work in the background. What a batch may do is decided by the room whose work it is."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("batches.view", _("See one's own background work"))

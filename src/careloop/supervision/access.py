"""What may be done in supervision."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("supervision.view", _("See samples, agreement and findings"))
SAMPLE = Permission("supervision.sample", _("Draw samples of records"))
CHECK = Permission("supervision.check", _("Check sampled records and ask patients again"))
REVIEW = Permission("supervision.review", _("Read a colleague's record through"))
OWN = Permission("supervision.own", _("See one's own indicators and answer findings"))
INTEGRITY = Permission("supervision.view-integrity", _("See indicators of record integrity by person"))

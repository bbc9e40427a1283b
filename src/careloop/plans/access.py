"""What a role may be allowed to do with plans."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("plans.view", _("See follow-up plans and enrolment decisions"))
PERSONALISE = Permission("plans.personalise", _("Change the plan of one patient"))
PUBLISH = Permission("plans.publish", _("Publish plan versions and switch enrolment"))

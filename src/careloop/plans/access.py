"""What a role may be allowed to do with plans."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("plans.view", _("See follow-up plans and enrolment decisions"))
PERSONALISE = Permission("plans.personalise", _("Change the plan of one patient"))
AUTHOR = Permission("plans.author", _("Write plan drafts, replay them and hand them in for review"))
PUBLISH = Permission("plans.publish", _("Review and publish plan versions, switch enrolment"))

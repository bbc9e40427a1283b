"""What may be done with forms and answers."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("questionnaires.view", _("See questionnaires"))
ANSWER = Permission("questionnaires.answer", _("Fill in questionnaires for patients"))
DESIGN = Permission("questionnaires.design", _("Design questionnaires"))
PUBLISH = Permission("questionnaires.publish", _("Review and publish questionnaires"))

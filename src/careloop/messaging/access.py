"""What may be done with messages."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("messaging.view", _("See messages to patients and their answers"))
SEND = Permission("messaging.send", _("Send messages and settle those that failed"))
OPERATE = Permission("messaging.operate", _("Keep message templates and their approval"))

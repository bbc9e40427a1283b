"""What may be done in public health programmes and with opinions."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("publichealth.view", _("See public health programmes and their patients"))
MANAGE = Permission("publichealth.manage", _("Take patients into a programme and end their management"))
NUMBERS = Permission("publichealth.numbers", _("See the indicators and rules of public health programmes"))
EXPORT = Permission("publichealth.export", _("Export public health records"))
OPINE = Permission("publichealth.opine", _("Confirm or change the suggested opinion"))
WRITE_TABLES = Permission("publichealth.write-tables", _("Write opinion tables for a reviewer"))
EDIT_TABLES = Permission("publichealth.edit-tables", _("Publish opinion tables"))

"""What one may do with groups of patients."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("cohorts.view", _("Search for groups of patients and keep the searches"))
START = Permission("cohorts.start-topic", _("Start a special-topic follow-up for a group of patients"))
EXPORT = Permission("cohorts.export", _("Take lists of patients away as a file, without names"))
IDENTIFY = Permission("cohorts.export-identifiers", _("Take lists with names, numbers and telephones"))

"""What may be done with the organization, people and their rights."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("accounts.view", _("See organization, people and roles"))
MANAGE_PEOPLE = Permission("accounts.manage-people", _("Add and disable people"))
MANAGE_ORGANIZATION = Permission("accounts.manage-organization", _("Change the organization and its codes"))
GRANT = Permission("accounts.grant", _("Grant and revoke roles"))
END_SESSIONS = Permission("accounts.end-sessions", _("End other people's sessions"))
VIEW_AUDIT = Permission("audit.view", _("Read the audit log"))
SELF = Permission("accounts.self", _("Own account: password, sessions, language"))

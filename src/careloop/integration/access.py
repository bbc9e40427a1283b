from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("integration.view", _("See data connections: counts, states and errors"))
OPERATE = Permission("integration.operate", _("Map codes and re-run messages"))
READ_CONTENT = Permission("integration.read-content", _("Read what a message says about a patient"))
IMPORT = Permission("integration.import", _("Bring in lists of patients as spreadsheets"))

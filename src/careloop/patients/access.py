"""What may be done with patient records."""

from django.utils.translation import gettext_lazy as _

from careloop.kernel.access import Permission

VIEW = Permission("patients.view", _("See patient records"))
EDIT_CONTACT = Permission("patients.edit-contact", _("Verify and correct contact data and consents"))
BREAK_GLASS = Permission("patients.break-glass", _("Open a record in an emergency, with a reason"))
REVIEW_ACCESS = Permission("patients.review-access", _("Review emergency access"))
MERGE = Permission("patients.merge", _("Merge and separate patient records"))
SEE_SENSITIVE = Permission("patients.see-sensitive", _("See sensitive records"))

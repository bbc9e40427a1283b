"""Everything the patient pages write."""

from careloop.portal.actions.checking import fail_check, forget_failed_checks, pass_check

__all__ = ["fail_check", "forget_failed_checks", "pass_check"]

"""Everything the patient pages write."""

from careloop.portal.actions.checking import fail_check, forget_failed_checks, pass_check
from careloop.portal.actions.measuring import enter_measurement

__all__ = ["enter_measurement", "fail_check", "forget_failed_checks", "pass_check"]

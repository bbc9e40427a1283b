"""Wrong tries at a patient link: counted, then forgotten. Everything else a patient enters lives in lower rooms."""

from __future__ import annotations

from django.db import models

from careloop.kernel.models import BaseModel


class FailedCheck(BaseModel):
    """One wrong try, under the fingerprint of the network or of the link; no address and no token is kept."""

    fingerprint = models.CharField(max_length=64)
    failed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["fingerprint", "failed_at"], name="failed_check_recent")]

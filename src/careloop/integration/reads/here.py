"""This hospital's settings for reading messages and lists."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.conf import settings

from careloop.integration.hl7v2.facts import Site


def site() -> Site:
    """Zone and stand-in for a sender's name."""
    return Site(zone=ZoneInfo(settings.ENV.time_zone))

"""The ways in which a person of ours meets a patient: on the telephone, at home, in the clinic (A05).

`encounter_class` is the code of HL7 v3 ActCode that FHIR R4 gives an Encounter of this kind (Encounter.class):
VR virtual, HH home health, AMB ambulatory. A letter is a way as well, but nobody talks in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from careloop.tasks.rules.outcomes import BY_MACHINE, OUTCOMES

# What only a telephone or a number can do.
_BY_NUMBER = ("busy", "off", "left-message", "empty-number", "wrong-person")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way. `in_person`: nobody dials, so there is no number and no length of a call."""

    code: str
    encounter_class: str
    in_person: bool = False

    def allows(self, outcome: str) -> bool:
        """Can a contact on this way end like this? Nobody finds a line busy at a door."""
        return outcome in OUTCOMES and not (self.in_person and outcome in (*_BY_NUMBER, *BY_MACHINE))


CHANNELS: dict[str, Channel] = {
    one.code: one
    for one in (
        Channel(code="phone", encounter_class="VR"),
        Channel(code="visit", encounter_class="HH", in_person=True),
        Channel(code="clinic", encounter_class="AMB", in_person=True),
    )
}
PHONE = "phone"
LETTER = "letter"
IN_PERSON: tuple[str, ...] = tuple(code for code, one in CHANNELS.items() if one.in_person)
DAYS_BACK = 31
"""A contact in person may be written down later, but not after so many days."""


def is_in_person(code: str) -> bool:
    """At home or in the clinic?"""
    return code in IN_PERSON


def fits(channel: str, outcome: str) -> bool:
    """May this outcome be recorded for this way? A letter has an outcome of its own."""
    if channel == LETTER:
        return outcome == "letter-sent"
    known = CHANNELS.get(channel)
    return known is not None and known.allows(outcome)

"""What a relative is to the patient, in words."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from careloop.kernel.display import Words

RELATIONS: dict[str, str | Promise] = {
    "self": gettext_lazy("Patient"),
    "spouse": gettext_lazy("Spouse"),
    "son": gettext_lazy("Son"),
    "daughter": gettext_lazy("Daughter"),
    "child": gettext_lazy("Child"),
    "child-in-law": gettext_lazy("Son- or daughter-in-law"),
    "grandchild": gettext_lazy("Grandchild"),
    "father": gettext_lazy("Father"),
    "mother": gettext_lazy("Mother"),
    "parent": gettext_lazy("Parent"),
    "parent-in-law": gettext_lazy("Parent-in-law"),
    "grandparent": gettext_lazy("Grandparent"),
    "sibling": gettext_lazy("Brother or sister"),
    "relative": gettext_lazy("Relative"),
    "guardian": gettext_lazy("Guardian"),
    "carer": gettext_lazy("Carer"),
    "friend": gettext_lazy("Friend or neighbour"),
    "colleague": gettext_lazy("Colleague"),
}

_WORDS = Words(RELATIONS)


def relation_label(code: str) -> str:
    """A relation in words; what the sender wrote if it is none of ours."""
    return _WORDS(code)

"""Pages of programmes, indicators, rules and opinions."""

from careloop.publichealth.views.following import (
    end_management,
    episode_page,
    episode_print,
    patient_programmes,
    programme_list,
    register,
    why,
)
from careloop.publichealth.views.numbers import export, indicator_list, indicators, pack_page, summary
from careloop.publichealth.views.opinions import choose, form_table, new_version, opinion, table, tables

__all__ = [
    "choose", "end_management", "episode_page", "episode_print", "export", "form_table", "indicator_list", "indicators",
    "new_version", "opinion", "pack_page", "patient_programmes", "programme_list", "register", "summary", "table", "tables", "why",
]  # fmt: skip

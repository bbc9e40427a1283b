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
from careloop.publichealth.views.numbers import export, indicator_list, indicators, pack_page
from careloop.publichealth.views.opinions import choose, form_table, opinion, table, tables
from careloop.publichealth.views.tables import (
    begin,
    change,
    compare,
    discard,
    draft,
    draft_compare,
    give_back,
    publish,
    start,
    submit,
    take_in,
    trial,
    undo,
)

__all__ = [
    "begin", "change", "compare", "discard", "draft", "draft_compare", "give_back", "publish", "start", "submit", "take_in", "trial", "undo",
    "choose", "end_management", "episode_page", "episode_print", "export", "form_table", "indicator_list", "indicators",
    "opinion", "pack_page", "patient_programmes", "programme_list", "register", "table", "tables", "why",
]  # fmt: skip

"""Every write on programmes and opinions."""

from careloop.publichealth.actions.clocks import open_due_clocks, report_missed_first_visit, settle_clock_of_task
from careloop.publichealth.actions.drafting import (
    FormNotInForce,
    NothingToTakeBack,
    NotYourDepartment,
    OwnTableDraft,
    TableDraftClosed,
    TableDraftExists,
    TableDraftInReview,
    TableDraftMovedOn,
    TableEditRefused,
    TableNotSubmitted,
    change_table_draft,
    discard_table_draft,
    import_table_draft,
    publish_table_draft,
    return_table_draft,
    start_table_draft,
    submit_table_draft,
    take_back_table_change,
)
from careloop.publichealth.actions.episodes import (
    AlreadyManaged,
    BadRegistration,
    EpisodeClosed,
    UnknownEnding,
    UnknownProgramme,
    end_episode,
    realign_after_merge,
    register_patient,
    resume_after_mistake,
    stop_for_death,
)
from careloop.publichealth.actions.exporting import note_export
from careloop.publichealth.actions.opinions import (
    BadOpinionTable,
    UnknownOpinion,
    choose_opinion,
    load_shipped_tables,
    publish_table,
    suggest_opinion,
)
from careloop.publichealth.actions.packs import BadRulePack, PackVersionTaken, load_shipped_pack, publish_pack
from careloop.publichealth.actions.visits import take_up_response, withdraw_visit

__all__ = [
    "AlreadyManaged", "BadOpinionTable", "BadRegistration", "BadRulePack", "EpisodeClosed", "PackVersionTaken",
    "UnknownEnding", "UnknownOpinion", "UnknownProgramme", "choose_opinion", "end_episode", "load_shipped_pack",
    "load_shipped_tables", "note_export", "open_due_clocks", "publish_pack", "publish_table", "realign_after_merge",
    "register_patient", "report_missed_first_visit", "resume_after_mistake", "settle_clock_of_task", "stop_for_death",
    "suggest_opinion", "take_up_response", "withdraw_visit",
    "FormNotInForce", "NotYourDepartment", "NothingToTakeBack", "OwnTableDraft", "TableDraftClosed", "TableDraftExists", "TableDraftInReview", "TableDraftMovedOn", "TableEditRefused",
    "TableNotSubmitted", "change_table_draft", "discard_table_draft", "import_table_draft", "publish_table_draft", "return_table_draft", "start_table_draft", "submit_table_draft", "take_back_table_change",
]  # fmt: skip

"""Entry points without a person: the gateway process, the file reader, the clock."""

from careloop.integration.jobs.process import import_sheet, process_inbox, process_replayed, process_waiting

__all__ = ["import_sheet", "process_inbox", "process_replayed", "process_waiting"]

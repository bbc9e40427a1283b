"""Entry points without a person: the gateway process, the file reader, the clock."""

from careloop.integration.jobs.process import process_inbox, process_replayed, process_waiting

__all__ = ["process_inbox", "process_replayed", "process_waiting"]

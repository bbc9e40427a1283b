"""Log lines as JSON: one event a line, whatever a name or header contains (A21)."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class SafeFormatter(logging.Formatter):
    """JSON escapes newlines and control characters, so no input can forge a line or colour a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True)

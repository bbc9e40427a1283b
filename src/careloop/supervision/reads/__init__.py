"""Reading for supervision: records, samples, agreement, findings, indicators."""

"""Lists of patients as hospitals keep them: what a spreadsheet's columns mean, and a row as facts. Pure: no database, no clock."""

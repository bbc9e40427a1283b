"""Everything on paper: record sheets, plans, due lists, letters and reports as PDF or spreadsheet."""

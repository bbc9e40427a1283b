"""What the pages of the workbench show, gathered over the rooms below."""

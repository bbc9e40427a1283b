"""Input of the workbench's pages, parsed and checked."""

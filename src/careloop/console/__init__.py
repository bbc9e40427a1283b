"""The administrators' desk: organization and people, rights, audit log, system health. No clinical content.

System, security and audit administration are three different people; each sees here only what their duty needs.
"""

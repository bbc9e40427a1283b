"""The hospital's tree of departments, the people who work there, their roles, and their signed-in sessions.

Organization 机构/科室, Practitioner 医务人员, Role 角色, RoleAssignment 授权, StaffSession 会话.
"""

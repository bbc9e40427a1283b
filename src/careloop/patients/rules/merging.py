"""What the surviving record takes from the one that goes."""

from __future__ import annotations

from typing import Any, Final

FILLED: Final = (
    "name", "birth_date", "address", "address_code", "employer", "ethnicity", "language", "marital_status", "insurance",
    "occupation",
)  # fmt: skip
RISKS: Final = ("none", "ok", "watch", "high", "critical")


def merged_columns(keeper: dict[str, Any], goer: dict[str, Any]) -> dict[str, Any]:
    """Columns of the survivor that change: gaps are filled, and every protection of either record is kept."""
    changes = {column: goer[column] for column in FILLED if not keeper[column] and goer[column]}
    if "name" in changes:
        changes |= {column: goer[column] for column in ("name_pinyin", "name_initials")}
    if keeper["sex"] == "unknown" and goer["sex"] != "unknown":
        changes["sex"] = goer["sex"]
    if goer["deceased"] and not keeper["deceased"]:
        changes |= {"deceased": True, "deceased_at": goer["deceased_at"]}
    if goer["do_not_contact"] and not keeper["do_not_contact"]:
        changes["do_not_contact"] = True
    if goer["sensitivity"] == "restricted" and keeper["sensitivity"] != "restricted":
        changes["sensitivity"] = "restricted"
    if RISKS.index(goer["risk"]) > RISKS.index(keeper["risk"]):
        changes |= {column: goer[column] for column in ("risk", "risk_reason", "risk_at")}
    return changes

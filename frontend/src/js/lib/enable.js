// FHIR R4 enableWhen in the browser, so the next question appears without a round trip. The server decides again.

const COMPARE = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
};

function wanted(condition) {
  const name = Object.keys(condition).find((key) => key.startsWith("answer"));
  const value = condition[name];
  if (value && typeof value === "object") return value.code !== undefined ? value.code : value.value;
  return value;
}

function comparable(value, like) {
  if (typeof like === "number") return Number(value);
  if (typeof like === "boolean") return value === true || value === "true";
  return value;
}

/** `answers`: link id -> list of plain values. A missing answer only satisfies "exists = false". */
export function holds(condition, answers) {
  const given = (answers[condition.question] || []).filter((value) => value !== "" && value !== null);
  const goal = wanted(condition);
  if (condition.operator === "exists") return (given.length > 0) === goal;
  if (!given.length) return false;
  if (condition.operator === "!=") return given.every((value) => comparable(value, goal) !== goal);
  return given.some((value) => COMPARE[condition.operator](comparable(value, goal), goal));
}

export function isEnabled(conditions, behaviour, answers) {
  if (!conditions || !conditions.length) return true;
  const results = conditions.map((condition) => holds(condition, answers));
  return behaviour === "any" ? results.some(Boolean) : results.every(Boolean);
}

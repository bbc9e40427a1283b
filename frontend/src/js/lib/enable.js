// Which questions are asked, in the browser: the same decision as questionnaires.rules.logic, so that the next question
// stands there before the next key comes. The server decides again with every answer.

function number(value) {
  if (typeof value === "boolean" || value === null || value === "") return NaN;
  return Number(value);
}

function same(value, expected) {
  if (typeof expected === "boolean") return String(value) === String(expected);
  const [left, right] = [number(value), number(expected)];
  return Number.isNaN(left) || Number.isNaN(right) ? String(value) === String(expected) : left === right;
}

function ordered(value, operator, expected) {
  let [left, right] = [number(value), number(expected)];
  if (Number.isNaN(left) || Number.isNaN(right)) [left, right] = [String(value), String(expected)];
  return { ">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right }[operator];
}

export function compare(values, operator, expected) {
  if (operator === "exists") return (values.length > 0) === expected;
  if (operator === "!=") return !values.some((value) => same(value, expected));
  if (operator === "=") return values.some((value) => same(value, expected));
  return values.some((value) => ordered(value, operator, expected));
}

/** `logic`: link id -> {parent, any, lines: [[question, operator, answer]]}; `answers`: link id -> list of texts. */
export function isEnabled(logic, link, answers, seen = new Map()) {
  if (seen.has(link)) return seen.get(link);
  const own = logic[link];
  let result = true;
  if (own) {
    const above = !own.parent || isEnabled(logic, own.parent, answers, seen);
    const held = own.lines.map(([question, operator, expected]) => {
      const given = isEnabled(logic, question, answers, seen) ? answers[question] || [] : [];
      return compare(given, operator, expected);
    });
    result = above && (!held.length || (own.any ? held.some(Boolean) : held.every(Boolean)));
  }
  seen.set(link, result);
  return result;
}

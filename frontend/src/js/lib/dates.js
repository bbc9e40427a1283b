// Days as people here write them. A browser shows its own date field in the language it was installed in (11/22/2026 on an
// English one), whatever the page says; a typed 2026-11-22 is the same everywhere. Pure: `today` is given.

const WIDE = /[０-９：－．／＋]/g;

function narrow(text) {
  return text.trim().replace(WIDE, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xfee0));
}

function two(number) {
  return String(number).padStart(2, "0");
}

/** `2026-11-22`, or "" for a day that is not on the calendar. */
function iso(year, month, day) {
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year, month - 1, day); // years below 100 stay what they are
  const real = year >= 1000 && date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  return real ? `${year}-${two(month)}-${two(day)}` : "";
}

const WORDS = { 前天: -2, 昨天: -1, 昨日: -1, 今天: 0, 今日: 0, 明天: 1, 明日: 1, 后天: 2, yesterday: -1, today: 0, tomorrow: 1 };

/** What was typed as a day: 2026-11-22, 20261122, 2026/11/22, 2026年11月22日, 11-22, 11月22日, +7, 明天. "" when it is none. */
export function parseDay(text, today) {
  const given = narrow(text).toLowerCase();
  const shift = /^[+-]\d{1,4}$/.test(given) ? Number(given) : WORDS[given];
  if (shift !== undefined) {
    const date = new Date(Date.UTC(today.year, today.month - 1, today.day + shift));
    return iso(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate());
  }
  const whole = /^(\d{4})(\d{2})(\d{2})$/.exec(given) || /^(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?$/.exec(given);
  if (whole) return iso(Number(whole[1]), Number(whole[2]), Number(whole[3]));
  const short = /^(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?$/.exec(given);
  return short ? iso(today.year, Number(short[1]), Number(short[2])) : "";
}

/** The same with a clock behind it: `2026-11-22 9:30` → `2026-11-22T09:30`. A clock alone means today. */
export function parseMoment(text, today) {
  const given = narrow(text).replace(/T/i, " ");
  const found = /^(.*?)\s*(\d{1,2})(?:[:点时](\d{1,2})?分?)$/.exec(given);
  if (!found) return "";
  const [hour, minute] = [Number(found[2]), Number(found[3] || 0)];
  const day = found[1] ? parseDay(found[1], today) : parseDay("+0", today);
  return day && hour < 24 && minute < 60 ? `${day}T${two(hour)}:${two(minute)}` : "";
}

/** How a kept value is shown: the T between day and clock is for machines. */
export function shown(value) {
  return value.replace("T", " ").slice(0, 16);
}

/** Whether a number field can take no further digit: it has them all, or one more would be above what it may hold. */
export function isFull(field) {
  const size = Number(field.dataset && field.dataset.jump);
  if (!size || !/^\d+$/.test(field.value)) return false;
  const most = Number(field.dataset.most);
  return field.value.length >= size || (Number.isFinite(most) && most > 0 && Number(field.value) * 10 > most);
}

/** Times and numbers as people say them. */

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** "0s", "12s", "3m 12s", "2h", "5d 3h": the two largest units, rounded to seconds. Negative durations count as 0. */
export function span(ms: number): string {
  let left = Math.max(0, Math.round(ms / 1000));
  const parts: string[] = [];
  for (const [unit, seconds] of UNITS) {
    const count = Math.floor(left / seconds);
    left -= count * seconds;
    // Beside days, seconds are noise: only the unit next to the largest is named.
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) parts.push('');
    if (parts.length === 2) break;
  }
  return parts.filter((part) => part !== '').join(' ') || '0s';
}

/** "12s ago", "in 30s", "now"; the text itself where it is no time. */
export function relative(iso: string, now: number): string {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return iso;
  if (Math.abs(at - now) < 500) return 'now';
  return at < now ? `${span(now - at)} ago` : `in ${span(at - now)}`;
}

/** A sentence with its times (RFC 3339, UTC) made relative: "until in 12s" reads wrongly, so both are given. */
export function withRelativeTimes(sentence: string, now: number): string {
  return sentence.replaceAll(/\d{4}-\d{2}-\d{2}T(\d{2}:\d{2}:\d{2})\.\d{3}Z/g, (iso: string, clock: string) => {
    return `${clock}Z (${relative(iso, now)})`;
  });
}

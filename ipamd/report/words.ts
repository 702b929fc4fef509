/** Numbers and times in words, as reports write them. Pure. */

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** At most `digits` decimals. */
export function decimal(value: number, digits = 2): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

export function percent(part: number, digits = 0): string {
  return `${(part * 100).toFixed(digits)} %`;
}

/** Milliseconds. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 120_000 ? `${decimal(ms / 1000, 1)} s` : `${decimal(ms / 60_000, 1)} min`;
}

/** "1 node", "2 nodes". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${Math.round(value) === 1 ? one : many}`;
}

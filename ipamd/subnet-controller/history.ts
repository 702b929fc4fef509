/** What each subnet held when, ever coarser with age, so that a month fits into some tens of kilobytes. Pure. */

/** Time (milliseconds since the Unix epoch), addresses in use, whole /28 blocks in use. */
export type Row = readonly [at: number, addresses: number, blocks: number];

/** Subnet id -> rows, oldest first. */
export type History = ReadonlyMap<string, readonly Row[]>;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Older than `age`: one row, the highest, for each `every`. */
const GRAINS = [
  { age: 3 * HOUR, every: 5 * MINUTE },
  { age: 2 * DAY, every: HOUR },
];
/** Older rows, and subnets without younger ones, go. */
const LONGEST = 35 * DAY;
const MOST_SUBNETS = 2000;

/** The history with one more row for each subnet that was seen. */
export function withRows(history: History, rows: ReadonlyMap<string, Row>, now: number): History {
  const next = new Map<string, readonly Row[]>();
  for (const [subnet, before] of history) {
    const kept = thinned(before, now);
    if (kept.length > 0) next.set(subnet, kept);
  }
  for (const [subnet, row] of rows) {
    const before = next.get(subnet) ?? [];
    if (before.length > 0 || next.size < MOST_SUBNETS) next.set(subnet, [...before.filter(([at]) => at < row[0]), row]);
  }
  return next;
}

function thinned(rows: readonly Row[], now: number): readonly Row[] {
  const kept: Row[] = [];
  let cell = '';
  for (const row of rows) {
    const age = now - row[0];
    if (age > LONGEST || age < 0) continue;
    const grain = GRAINS.findLast((each) => age > each.age);
    const own = grain === undefined ? '' : `${grain.every}:${Math.floor(row[0] / grain.every)}`;
    const last = kept.at(-1);
    if (own !== '' && own === cell && last !== undefined)
      kept[kept.length - 1] = [last[0], Math.max(last[1], row[1]), Math.max(last[2], row[2])];
    else kept.push(row);
    cell = own;
  }
  return kept;
}

/** As it is written to disk. */
export function historyText(history: History): string {
  return `${JSON.stringify({ version: 1, subnets: Object.fromEntries(history) })}\n`;
}

/** Undefined where the text is not whole; rows that are none are left out. */
export function parseHistory(text: string): History | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { version, subnets } = (value ?? {}) as { readonly version?: unknown; readonly subnets?: unknown };
  if (version !== 1 || typeof subnets !== 'object' || subnets === null) return undefined;
  const entries = Object.entries(subnets as Readonly<Record<string, unknown>>).map(([id, rows]) => {
    const own: readonly unknown[] = Array.isArray(rows) ? rows : [];
    return [id, own.filter(isRow).toSorted((a, b) => a[0] - b[0])] as const;
  });
  return new Map(entries.filter(([, rows]) => rows.length > 0));
}

function isRow(value: unknown): value is Row {
  return Array.isArray(value) && value.length === 3 && value.every((each) => Number.isFinite(each) && each >= 0);
}

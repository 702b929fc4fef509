/**
 * Which events are sent when: the same reason of the same object is one event with a count, sent at once and then at
 * most once an interval; new ones are bounded by a bucket. Pure: time comes with each call.
 */

/** What an event is about. */
export interface Regarding {
  readonly kind: 'Pod' | 'Node';
  /** `default` for a node, which has none. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface News {
  readonly regarding: Regarding;
  /** CamelCase, for machines (API conventions, "Events"). */
  readonly reason: string;
  /** What was tried, where it is a call: `ec2:CreateNetworkInterface`. Part of what makes two events the same. */
  readonly action?: string;
  /** For people. */
  readonly message: string;
  readonly type: 'Normal' | 'Warning';
}

export interface Series {
  /** The latest. */
  readonly news: News;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** When it was last handed out to be sent; undefined: never. */
  readonly sentAt: number | undefined;
}

export interface SeriesRules {
  readonly intervalMs: number;
  /** New series at once, and how many more each minute. */
  readonly burst: number;
  readonly perMinute: number;
  /** Series kept in memory; the one that was quiet longest goes first. */
  readonly capacity: number;
}

export interface SeriesState {
  readonly byKey: ReadonlyMap<string, Series>;
  readonly tokens: number;
  readonly tokensAt: number;
}

export function emptySeries({ burst }: SeriesRules, now: number): SeriesState {
  return { byKey: new Map(), tokens: burst, tokensAt: now };
}

export function seriesKey({ regarding: { kind, namespace, name, uid }, reason, action = '' }: News): string {
  return [kind, namespace, name, uid, reason, action].join('/');
}

export interface Heard {
  readonly state: SeriesState;
  /** To be sent now; undefined: it is only counted, or it came too thick. */
  readonly send: Series | undefined;
  /** True where it is a new series that found no token: it is forgotten. */
  readonly dropped: boolean;
}

export function hear(before: SeriesState, news: News, now: number, rules: SeriesRules): Heard {
  const key = seriesKey(news);
  const known = before.byKey.get(key);
  const tokens = Math.min(rules.burst, before.tokens + ((now - before.tokensAt) * rules.perMinute) / 60_000);
  if (known === undefined && tokens < 1)
    return { state: { ...before, tokens, tokensAt: now }, send: undefined, dropped: true };
  const isDue = known?.sentAt === undefined || now - known.sentAt >= rules.intervalMs;
  const series: Series = {
    news,
    count: (known?.count ?? 0) + 1,
    firstAt: known?.firstAt ?? now,
    lastAt: now,
    sentAt: isDue ? now : known.sentAt,
  };
  const byKey = new Map(before.byKey);
  // Last in the map is heard last.
  byKey.delete(key);
  byKey.set(key, series);
  const [quietest] = byKey.keys();
  if (byKey.size > rules.capacity && quietest !== undefined) byKey.delete(quietest);
  const spent = known === undefined ? 1 : 0;
  return { state: { byKey, tokens: tokens - spent, tokensAt: now }, send: isDue ? series : undefined, dropped: false };
}

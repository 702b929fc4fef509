/** `set=KEY=VALUE`: the pool's settings as they would be, beside those that govern it now. */
import type { LedgerConfig } from '#warm-pool/ledger.ts';
import type { WarmTargets } from '#warm-pool/model.ts';
import { furtherCards } from '../cards/cards-of-node.ts';
import { type Config, ConfigError, parseConfig } from '../config/config.ts';
import { OPTIONS } from '../config/options.data.ts';
import { instanceLimits, type Node } from '../start/discover.ts';
import { nearest } from './explain-nearest.ts';
import { QuestionRefused } from './explain-refused.ts';

/** The settings that planner and ledger know of. */
const KEYS = [
  'warmEniTarget',
  'warmIpTarget',
  'minimumIpTarget',
  'warmPrefixTarget',
  'maxEni',
  'maxPods',
  'prefixDelegation',
  'coolDownSeconds',
  'eniMinimumAgeSeconds',
] as const satisfies readonly (keyof Config)[];

/** Environment names that may be set. */
export const SETTABLE: readonly string[] = KEYS.map((key) => OPTIONS[key].env);

/** By environment name; null is "not set". */
export type ChangedSettings = Readonly<
  Record<string, { readonly now: number | boolean | null; readonly after: number | boolean | null }>
>;

export interface PoolSettings {
  readonly targets: WarmTargets;
  readonly ledgerConfig: LedgerConfig;
  readonly changed: ChangedSettings;
}

interface Current {
  readonly config: Config;
  readonly node: Pick<Node, 'instanceType'>;
  readonly targets: WarmTargets;
  readonly ledgerConfig: LedgerConfig;
}

/**
 * The settings with some of them replaced; each of `sets` reads `KEY=VALUE`, an empty VALUE stands for "not set", and
 * of several for one key the last counts. What is not named stays as it governs now. Throws QuestionRefused with the
 * text of ConfigError.
 */
export function settingsWith(sets: readonly string[], current: Current): PoolSettings {
  const { config, node, targets, ledgerConfig } = current;
  if (sets.length === 0) return { targets, ledgerConfig, changed: {} };
  const env = environmentOf(sets);
  const parsed = parse(env);
  const named = KEYS.filter((key) => OPTIONS[key].env in env);
  const next: Config = { ...config, ...Object.fromEntries(named.map((key) => [key, parsed[key]])) };
  if (next.prefixDelegation && !config.prefixDelegation) refusePrefixesOnXen(node);
  // The family of a node is no part of what may be set: the answer keeps the one that governs.
  const mode = next.prefixDelegation ? 'prefix' : 'address';
  return {
    targets: {
      ...targets,
      ...Object.fromEntries(named.filter((key) => key in targets).map((key) => [key, next[key]])),
      ...(named.includes('eniMinimumAgeSeconds') ? { interfaceMinimumAgeMs: next.eniMinimumAgeSeconds * 1000 } : {}),
    },
    ledgerConfig: {
      ...ledgerConfig,
      mode: named.includes('prefixDelegation') ? mode : ledgerConfig.mode,
      limits: instanceLimits(node.instanceType, next),
      ...(ledgerConfig.cards === undefined ? {} : { cards: furtherCards(node.instanceType, next) }),
      coolDownMs: next.coolDownSeconds * 1000,
    },
    changed: Object.fromEntries(
      named.map((key) => [OPTIONS[key].env, { now: config[key] ?? null, after: next[key] ?? null }]),
    ),
  };
}

function environmentOf(sets: readonly string[]): Readonly<Record<string, string>> {
  const pairs = sets.map((set): readonly [string, string] => {
    const at = set.indexOf('=');
    if (at < 1) throw refused(`${JSON.stringify(set)} sets nothing`, 'it must read KEY=VALUE.');
    return [set.slice(0, at).trim(), set.slice(at + 1)];
  });
  const unknown = pairs.find(([key]) => !SETTABLE.includes(key));
  if (unknown !== undefined) {
    const [near] = nearest(unknown[0].toUpperCase(), SETTABLE, 1);
    throw refused(
      `${unknown[0]} cannot be set here`,
      `the planner does not know a setting of this name; the nearest is ${near}.`,
    );
  }
  return Object.fromEntries(pairs);
}

function parse(env: Readonly<Record<string, string>>): Config {
  try {
    return parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) throw refused('the pool cannot be planned with this setting', error.message);
    throw error;
  }
}

/** Prefixes are for instances on Nitro and for bare metal (EC2 user guide, "Assigning prefixes to network interfaces"). */
function refusePrefixesOnXen({ instanceType: { hypervisor, bareMetal, instanceType } }: Current['node']): void {
  if (hypervisor !== 'xen' || bareMetal) return;
  throw refused(
    `${OPTIONS.prefixDelegation.env} cannot be true here`,
    `EC2 gives prefixes to Nitro and bare-metal instances only, and ${instanceType} runs on Xen.`,
  );
}

function refused(what: string, why: string): QuestionRefused {
  return new QuestionRefused(400, { what, why, fix: `Set one of ${SETTABLE.join(', ')} to a value that is allowed.` });
}

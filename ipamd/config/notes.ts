/** What an operator should be told about an environment that is allowed: settings without effect, and likely misspellings. */
import { editDistance } from '../observe/explain-nearest.ts';
import { OPTIONS, type Option } from './options.data.ts';
import { PEER_SETTINGS, type PeerSetting } from './peer-settings.data.ts';

export interface SettingNote {
  readonly kind: 'without-effect' | 'overruled' | 'misspelt';
  readonly setting: string;
  /** One sentence. */
  readonly sentence: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const OURS: readonly Option[] = Object.values(OPTIONS);
const NAMES = new Set(OURS.map(({ env }) => env));

/** The peer's settings that ipamd does not act on. */
export const UNUSED_PEER_SETTINGS: readonly PeerSetting[] = PEER_SETTINGS.filter(({ env }) => !NAMES.has(env));

/** Read by other programs of this repository, or by ipamd where a test plays a machine. */
const ELSEWHERE = ['WELLSPRING_BOOT_ID', 'WELLSPRING_INTROSPECT_SOCKET'];
const ELSEWHERE_PATTERN = /^WELLSPRING_(DEMO|BENCH|TEST|FAULT|CLOUD)_/;
const KNOWN = [...NAMES, ...PEER_SETTINGS.map(({ env }) => env), ...ELSEWHERE];
/** Nothing but a setting of ours or of the peer begins so. */
const OUR_PREFIX = /^(WELLSPRING_|AWS_VPC_|WARM_)/i;
/** Kubernetes describes services to every container: WARM_THINGS_SERVICE_HOST, WARM_THINGS_PORT_80_TCP. */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)$/;

/** Settings that are refused because what they ask for is not there: one sentence each. */
export function unmetPeerSettings(env: Environment): readonly string[] {
  return UNUSED_PEER_SETTINGS.flatMap((setting) => {
    const value = env[setting.env]?.trim() ?? '';
    if (setting.kind !== 'only' || value === '' || setting.values.includes(value.toLowerCase())) return [];
    const allowed = setting.values.length === 0 ? 'left out' : setting.values.join(', ');
    return [
      `${setting.env}=${JSON.stringify(value)} is not allowed: it must be ${allowed.replace(/, (?=[^,]*$)/, ' or ')}, for ${setting.reason}`,
    ];
  });
}

/** Said once at start. The environment must have passed `parseConfig`. */
export function notesOn(env: Environment): readonly SettingNote[] {
  const set = Object.keys(env).filter((name) => (env[name]?.trim() ?? '') !== '');
  return [...withoutEffect(set), ...overruled(env), ...misspelt(set)];
}

function withoutEffect(set: readonly string[]): readonly SettingNote[] {
  return UNUSED_PEER_SETTINGS.filter((setting) => setting.kind === 'without-effect' && set.includes(setting.env)).map(
    ({ env, reason }) => ({ kind: 'without-effect', setting: env, sentence: `${env} has no effect: ${reason}` }),
  );
}

function overruled(env: Environment): readonly SettingNote[] {
  const text = (name: string): string => env[name]?.trim() ?? '';
  const above0 = (name: string): boolean => Number(text(name)) > 0;
  const prefixes = ['1', 't', 'true'].includes(text('ENABLE_PREFIX_DELEGATION').toLowerCase());
  const byAddresses = ['WARM_IP_TARGET', 'MINIMUM_IP_TARGET'].find(above0);
  const note = (setting: string, why: string): SettingNote => ({
    kind: 'overruled',
    setting,
    sentence: `${setting}=${text(setting)} has no effect: ${why}.`,
  });
  return [
    ...(above0('WARM_ENI_TARGET') && byAddresses !== undefined
      ? [note('WARM_ENI_TARGET', `${byAddresses}=${text(byAddresses)} takes its place`)]
      : []),
    ...(above0('WARM_ENI_TARGET') && byAddresses === undefined && prefixes
      ? [note('WARM_ENI_TARGET', 'ENABLE_PREFIX_DELEGATION is on, and WARM_PREFIX_TARGET is what counts')]
      : []),
    ...(above0('WARM_PREFIX_TARGET') && byAddresses !== undefined && prefixes
      ? [note('WARM_PREFIX_TARGET', `${byAddresses}=${text(byAddresses)} takes its place`)]
      : []),
  ];
}

function misspelt(set: readonly string[]): readonly SettingNote[] {
  return set.flatMap((name) => {
    if (KNOWN.includes(name) || ELSEWHERE_PATTERN.test(name) || SERVICE_LINK.test(name)) return [];
    const near = KNOWN.filter((known) => Math.abs(known.length - name.length) <= known.length / 3)
      .map((known) => ({ known, distance: editDistance(name.toUpperCase(), known.toUpperCase()) }))
      .toSorted((a, b) => a.distance - b.distance)
      .at(0);
    // A letter or two in a long name is a slip of the finger; in a short one it is another name.
    const alike = near !== undefined && near.distance <= (near.known.length >= 10 ? 2 : 0);
    if (!alike && !OUR_PREFIX.test(name)) return [];
    const meant =
      near !== undefined && near.distance <= near.known.length / 3
        ? `; ${near.known} may be meant`
        : '; see `ipamd --help`';
    return [{ kind: 'misspelt', setting: name, sentence: `${name} is no setting of ipamd and is ignored${meant}.` }];
  });
}

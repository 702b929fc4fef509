/** The parameters of a CNI call, from its environment (SPEC.md, section "Parameters"). Pure. */
import { CniError } from './errors.ts';

export const CNI_COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;
export type CniCommand = (typeof CNI_COMMANDS)[number];

/** One interface of one container: what the specification calls an attachment. */
export interface Attachment {
  readonly containerId: string;
  readonly ifName: string;
}

/** A validated call. `netns` of DEL is undefined where the namespace is already gone. */
export type CniCall =
  | (Attachment & { readonly command: 'ADD' | 'CHECK'; readonly netns: string; readonly args: CniArgs })
  | (Attachment & { readonly command: 'DEL'; readonly netns: string | undefined; readonly args: CniArgs })
  | { readonly command: 'GC' | 'STATUS' }
  | { readonly command: 'VERSION' };

/** CNI_ARGS as key and value. The order in which the runtime wrote them means nothing. */
export type CniArgs = Readonly<Record<string, string>>;

/** The variables that a call cannot do without. CNI_PATH is none of them: this plugin delegates to no other. */
const REQUIRED: Readonly<Record<CniCommand, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
  VERSION: [],
};

/** The runtimes' ids have 64 characters; a file name (NAME_MAX 255) must hold one together with an interface name. */
const MAX_CONTAINER_ID_LENGTH = 192;
/** IFNAMSIZ - 1, linux/if.h. */
const MAX_IFNAME_LENGTH = 15;
/** PATH_MAX, linux/limits.h. */
const MAX_PATH_LENGTH = 4095;
const MAX_ARGS_LENGTH = 16 * 1024;

/** What the container runtimes put into CNI_ARGS for Kubernetes. */
const KNOWN_ARGS: readonly string[] = [
  'K8S_POD_NAME',
  'K8S_POD_NAMESPACE',
  'K8S_POD_INFRA_CONTAINER_ID',
  'K8S_POD_UID',
  'IgnoreUnknown',
];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The call that the environment describes. An empty variable counts as a missing one.
 * @throws CniError `invalid-environment`; all missing variables are named at once
 */
export function parseCall(env: object): CniCall {
  const vars = env as Environment;
  const command = parseCommand(vars);
  const missing = REQUIRED[command].filter((name) => (vars[name] ?? '') === '');
  if (missing.length > 0) throw invalid(`required environment variables missing: ${missing.join(', ')}`);
  if (command === 'VERSION') return { command };
  if (command === 'GC' || command === 'STATUS') return { command };
  const attachment = {
    containerId: checkContainerId(vars['CNI_CONTAINERID'] ?? '', 'CNI_CONTAINERID'),
    ifName: checkIfName(vars['CNI_IFNAME'] ?? '', 'CNI_IFNAME'),
    args: parseArgs(vars['CNI_ARGS'] ?? ''),
  };
  const netns = vars['CNI_NETNS'] ?? '';
  if (command === 'DEL') return { command, ...attachment, netns: netns === '' ? undefined : checkNetns(netns) };
  return { command, ...attachment, netns: checkNetns(netns) };
}

function parseCommand(vars: Environment): CniCommand {
  const given = vars['CNI_COMMAND'] ?? '';
  const command = CNI_COMMANDS.find((known) => known === given);
  if (command !== undefined) return command;
  if (given !== '') throw invalid(`unknown CNI_COMMAND ${show(given)}: expected one of ${CNI_COMMANDS.join(', ')}`);
  // Which others are needed depends on the command; those that every attachment needs are named with it.
  const absent = ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'].filter((name) => (vars[name] ?? '') === '');
  throw invalid(`required environment variables missing: ${['CNI_COMMAND', ...absent].join(', ')}`);
}

/**
 * A container id: starts with a letter or digit, then letters, digits, `_`, `.`, `-`.
 * @throws CniError `invalid-environment`, `source` named
 */
export function checkContainerId(value: string, source: string): string {
  if (value.length <= MAX_CONTAINER_ID_LENGTH && /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(value)) return value;
  throw invalid(
    `${source} ${show(value)} is no container id: 1 to ${MAX_CONTAINER_ID_LENGTH} letters, digits, "_", "." or "-", the first a letter or digit`,
  );
}

/**
 * An interface name that the kernel accepts (dev_valid_name in net/core/dev.c).
 * @throws CniError `invalid-environment`, `source` named
 */
export function checkIfName(value: string, source: string): string {
  const printable = /^[\x21-\x7e]+$/.test(value) && !/[/:]/.test(value);
  if (printable && value !== '.' && value !== '..' && value.length <= MAX_IFNAME_LENGTH) return value;
  throw invalid(
    `${source} ${show(value)} is no interface name: 1 to ${MAX_IFNAME_LENGTH} printable characters without space, "/" or ":", and neither "." nor ".."`,
  );
}

function checkNetns(value: string): string {
  if (value.startsWith('/') && value.length <= MAX_PATH_LENGTH) return value;
  throw invalid(`CNI_NETNS ${show(value)} is no path: an absolute path to a network namespace is needed`);
}

/**
 * CNI_ARGS: `K=V;K=V`, in any order. A key that we do not know is refused unless `IgnoreUnknown` is true, as the
 * specification's library does; with it the pair is kept.
 * @throws CniError `invalid-environment`
 */
export function parseArgs(text: string): CniArgs {
  if (text.length > MAX_ARGS_LENGTH)
    throw invalid(`CNI_ARGS has ${text.length} characters, more than ${MAX_ARGS_LENGTH}`);
  const pairs = new Map<string, string>();
  for (const pair of text.split(';').filter((part) => part !== '')) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw invalid(`CNI_ARGS holds ${show(pair)}, which is not KEY=VALUE`);
    const key = pair.slice(0, equals);
    if (pairs.has(key)) throw invalid(`CNI_ARGS names ${show(key)} twice`);
    pairs.set(key, pair.slice(equals + 1));
  }
  const unknown = [...pairs.keys()].filter((key) => !KNOWN_ARGS.includes(key));
  if (unknown.length > 0 && !parseBoolean(pairs.get('IgnoreUnknown'))) {
    throw invalid(`CNI_ARGS holds unknown keys (${unknown.map(show).join(', ')}) and IgnoreUnknown is not true`);
  }
  return Object.fromEntries(pairs);
}

function parseBoolean(text: string | undefined): boolean {
  if (text === undefined || /^(0|false)$/i.test(text)) return false;
  if (/^(1|true)$/i.test(text)) return true;
  throw invalid(`CNI_ARGS: IgnoreUnknown must be 1, true, 0 or false, not ${show(text)}`);
}

function invalid(msg: string): CniError {
  return new CniError('invalid-environment', msg);
}

function show(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

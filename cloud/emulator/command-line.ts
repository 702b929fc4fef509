import { parseArgs } from 'node:util';

/** The command line cannot be understood; the message says what is wrong with it. */
export class UsageError extends Error {}

export type Command = { readonly kind: 'help' } | UpCommand | AskCommand;

export interface UpCommand {
  readonly kind: 'up';
  /** 127.0.0.1:4566 unless told. */
  readonly listen: HostPort;
  readonly socketPath: string | undefined;
  readonly metadata: (HostPort & { readonly instanceId?: string }) | undefined;
  /** Absent where the description says it, or nobody does. */
  readonly region: string | undefined;
  readonly seed: number | undefined;
  /** A YAML description; `-` is standard input. */
  readonly file: string | undefined;
  readonly behind: string | undefined;
  /** The prefix of the namespaces, where there are to be links. */
  readonly fabric: string | undefined;
  readonly detach: boolean;
  readonly json: boolean;
}

/** Something that is asked of a cloud that runs. */
export interface AskCommand {
  readonly kind: 'ask';
  readonly endpoint: string;
  readonly json: boolean;
  readonly what: Asked;
}

export type Asked =
  | { readonly kind: 'state' | 'calls' | 'down' | 'faults' | 'clear-faults' }
  | { readonly kind: 'changes'; readonly after: number; readonly follow: boolean }
  | { readonly kind: 'arm'; readonly fault: Readonly<Record<string, unknown>> }
  | { readonly kind: 'set'; readonly switches: Readonly<Record<string, unknown>> };

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export const USAGE = `Usage: wellspring-cloud up [options]         serves an EC2 region to any SDK client until it is interrupted
       wellspring-cloud --behind URL         the same, in front of another EC2 endpoint
       wellspring-cloud fault ACTION KIND    a fault for the next call of an EC2 action (or *)
       wellspring-cloud fault list | clear   the faults that wait
       wellspring-cloud set KEY=VALUE ...    latency=MS, throttling=ec2|off, staleReadsMs=MS, metadataLagMs=MS
       wellspring-cloud state                what the region holds
       wellspring-cloud changes [--follow]   what each request has changed
       wellspring-cloud calls                the latest requests
       wellspring-cloud down                 ends a cloud, and waits until it is gone

up:
  --file FILE            a YAML description of VPCs, subnets, nodes and faults (- is standard input)
  --behind URL           stands in front of this EC2 endpoint, e.g. a LocalStack: interfaces are ours, the rest is its
  --fabric [--prefix P]  real links: a network namespace P<name> for each node of the description (P is cloud- unless told),
                         the VPC between them, EC2 and instance metadata at 169.254.169.250:4566 and 169.254.169.254
  --detach               returns when it serves; wellspring-cloud down ends it
  --listen HOST:PORT     the EC2 API (default 127.0.0.1:4566; port 0 picks a free one)
  --socket PATH          the EC2 API on this unix socket as well
  --metadata HOST:PORT   instance metadata (IMDSv2); instances are told apart by their source address
  --instance ID          every client of --metadata is this instance
  --region NAME          the region's name (default us-east-1)
  --seed N               the same seed and calls give the same ids and addresses (default 1)
  --json                 print one JSON object when ready: {endpoint, metadataEndpoint?, region, pid, names, namespaces?}

fault:
  KIND                   error, garbage, http-503, drop, lost-answer or delay
  --code CODE            of an error, e.g. AttachmentLimitExceeded
  --status N --message TEXT   of an error; 400 and a text that says what it is unless told
  --delay-ms N           of a delay
  --times N|always       how many calls; 1 unless told

All that ask a cloud that runs:
  --endpoint URL         default: WELLSPRING_CLOUD_ENDPOINT, then AWS_ENDPOINT_URL_EC2, then http://127.0.0.1:4566
  --json                 one JSON document on standard output
  --help                 this text
`;

const OPTIONS = {
  listen: { type: 'string' },
  socket: { type: 'string' },
  metadata: { type: 'string' },
  instance: { type: 'string' },
  region: { type: 'string' },
  seed: { type: 'string' },
  file: { type: 'string' },
  behind: { type: 'string' },
  fabric: { type: 'boolean' },
  prefix: { type: 'string' },
  detach: { type: 'boolean' },
  code: { type: 'string' },
  status: { type: 'string' },
  message: { type: 'string' },
  'delay-ms': { type: 'string' },
  times: { type: 'string' },
  follow: { type: 'boolean' },
  after: { type: 'string' },
  endpoint: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

type Parsed = ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>>;
type Values = Parsed['values'];
type OptionName = keyof typeof OPTIONS;

const OF_UP: readonly OptionName[] = [
  'listen',
  'socket',
  'metadata',
  'instance',
  'region',
  'seed',
  'file',
  'behind',
  'fabric',
  'prefix',
  'detach',
  'json',
];
const OF_ASK: readonly OptionName[] = ['endpoint', 'json'];
const COMMANDS: Readonly<Record<string, readonly OptionName[]>> = {
  up: OF_UP,
  fault: [...OF_ASK, 'code', 'status', 'message', 'delay-ms', 'times'],
  set: OF_ASK,
  state: OF_ASK,
  changes: [...OF_ASK, 'follow', 'after'],
  calls: OF_ASK,
  down: OF_ASK,
};

/** What is to be done. Throws `UsageError`. */
export function parseCommandLine(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Command {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  const [given, ...rest] = positionals;
  const name = given ?? (values.behind === undefined ? undefined : 'up');
  if (name === undefined) throw new UsageError('Say what to do: wellspring-cloud up');
  const known = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (known === undefined) {
    throw new UsageError(`There is no command ${name}; there is: ${Object.keys(COMMANDS).join(', ')}`);
  }
  const stray = (Object.keys(values) as OptionName[]).find((option) => !known.includes(option));
  if (stray !== undefined) throw new UsageError(`${name} takes no --${stray}`);
  if (name === 'up') return parseUp(values, rest);
  const endpoint = endpointOf(values.endpoint, environment);
  return { kind: 'ask', endpoint, json: values.json ?? false, what: parseAsked(name, values, rest) };
}

function parse(args: readonly string[]): Parsed {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function parseUp(values: Values, rest: readonly string[]): UpCommand {
  refuseRest('up', rest);
  const { fabric = false, prefix } = values;
  if (prefix !== undefined && !fabric) throw new UsageError('--prefix is about the namespaces of --fabric: give both');
  if (prefix !== undefined && !/^[a-z][a-z0-9-]{0,9}$/.test(prefix))
    throw new UsageError(`--prefix takes up to 10 of a-z 0-9 -, a letter first, not ${prefix}`);
  if (fabric && values.metadata !== undefined)
    throw new UsageError('--fabric serves instance metadata at 169.254.169.254 already: leave out --metadata');
  if (values.detach === true && values.file === '-')
    throw new UsageError('--detach reads no standard input: name the description as a file');
  return {
    kind: 'up',
    listen: parseHostPort(values.listen ?? '127.0.0.1:4566', '--listen'),
    socketPath: values.socket,
    metadata: parseMetadata(values.metadata, values.instance),
    region: values.region === undefined ? undefined : parseRegion(values.region),
    seed: values.seed === undefined ? undefined : parseSeed(values.seed),
    file: values.file,
    behind: values.behind,
    fabric: fabric ? (prefix ?? 'cloud-') : undefined,
    detach: values.detach ?? false,
    json: values.json ?? false,
  };
}

function parseAsked(name: string, values: Values, rest: readonly string[]): Asked {
  switch (name) {
    case 'fault':
      return parseFaultLine(values, rest);
    case 'set':
      return { kind: 'set', switches: parseSwitches(rest) };
    case 'changes':
      refuseRest(name, rest);
      return { kind: 'changes', after: wholeNumber(values.after ?? '0', '--after'), follow: values.follow ?? false };
    default:
      refuseRest(name, rest);
      return { kind: name as 'state' | 'calls' | 'down' };
  }
}

/** What the fault may be is the cloud's to say; here is only how it is written. */
function parseFaultLine(values: Values, [action, kind, ...rest]: readonly string[]): Asked {
  if (kind === undefined && action === 'list') return { kind: 'faults' };
  if (kind === undefined && action === 'clear') return { kind: 'clear-faults' };
  if (action === undefined || kind === undefined)
    throw new UsageError('Say which: wellspring-cloud fault ACTION KIND, or fault list, or fault clear');
  refuseRest('fault', rest);
  const { code, status, message, times } = values;
  const delayMs = values['delay-ms'];
  return {
    kind: 'arm',
    fault: {
      action,
      kind,
      ...(code !== undefined && { code }),
      ...(status !== undefined && { status: wholeNumber(status, '--status') }),
      ...(message !== undefined && { message }),
      ...(delayMs !== undefined && { delayMs: wholeNumber(delayMs, '--delay-ms') }),
      ...(times !== undefined && { times: times === 'always' ? times : wholeNumber(times, '--times') }),
    },
  };
}

function parseSwitches(words: readonly string[]): Readonly<Record<string, unknown>> {
  if (words.length === 0) throw new UsageError('Say what to set, e.g. wellspring-cloud set latency=50 throttling=ec2');
  return Object.fromEntries(
    words.map((word) => {
      const [, key = '', value = ''] = /^(\w+)=(.+)$/s.exec(word) ?? [];
      switch (key) {
        case 'throttling':
          if (value !== 'ec2' && value !== 'off') throw new UsageError(`throttling is ec2 or off, not ${value}`);
          return [key, value === 'off' ? null : value];
        case 'latency':
        case 'staleReadsMs':
        case 'metadataLagMs':
          return [key, wholeNumber(value, key)];
        default:
          throw new UsageError(
            `${word} cannot be set; there is latency=MS, throttling=ec2|off, staleReadsMs=MS, metadataLagMs=MS`,
          );
      }
    }),
  );
}

function endpointOf(option: string | undefined, environment: NodeJS.ProcessEnv): string {
  const named = [option, environment['WELLSPRING_CLOUD_ENDPOINT'], environment['AWS_ENDPOINT_URL_EC2']];
  const endpoint = named.find((text) => text !== undefined && text !== '') ?? 'http://127.0.0.1:4566';
  if (!URL.canParse(endpoint))
    throw new UsageError(`${endpoint} is no URL of a cloud; it is like http://127.0.0.1:4566`);
  return endpoint.replace(/\/$/, '');
}

function refuseRest(name: string, [first]: readonly string[]): void {
  if (first !== undefined) throw new UsageError(`${name} takes no argument ${first}`);
}

function parseMetadata(address: string | undefined, instanceId: string | undefined): UpCommand['metadata'] {
  if (address === undefined) {
    if (instanceId !== undefined) throw new UsageError('--instance says whose metadata --metadata serves: give both');
    return undefined;
  }
  return { ...parseHostPort(address, '--metadata'), ...(instanceId === undefined ? {} : { instanceId }) };
}

function parseHostPort(text: string, option: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535)
    throw new UsageError(`${option} takes HOST:PORT, e.g. 127.0.0.1:4566, not ${text}`);
  return { host: match[1] ?? match[2] ?? '', port };
}

function parseRegion(text: string): string {
  if (!/^[a-z]{2,}(-[a-z0-9]+)+$/.test(text))
    throw new UsageError(`--region takes a name such as us-east-1, not ${text}`);
  return text;
}

function parseSeed(text: string): number {
  return wholeNumber(text, '--seed');
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${name} takes a whole number, not ${text}`);
  return Number(text);
}

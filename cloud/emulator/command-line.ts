import { parseArgs } from 'node:util';

/** The command line cannot be understood; the message says what is wrong with it. */
export class UsageError extends Error {}

export type Command = { readonly kind: 'help' } | UpCommand;

export interface UpCommand {
  readonly kind: 'up';
  readonly listen: HostPort;
  readonly socketPath: string | undefined;
  readonly metadata: (HostPort & { readonly instanceId?: string }) | undefined;
  readonly region: string;
  readonly seed: number;
  readonly json: boolean;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export const USAGE = `Usage: wellspring-cloud up [options]

Serves an empty EC2 region to any SDK client until it is interrupted.

  --listen HOST:PORT     the EC2 API (default 127.0.0.1:4566; port 0 picks a free one)
  --socket PATH          the EC2 API on this unix socket as well
  --metadata HOST:PORT   instance metadata (IMDSv2); instances are told apart by their source address
  --instance ID          every client of --metadata is this instance
  --region NAME          the region's name (default us-east-1)
  --seed N               the same seed and calls give the same ids and addresses (default 1)
  --json                 print one JSON object when ready: {endpoint, metadataEndpoint?, region, pid}
  --help                 this text

Faults, latency, throttling and lagging reads are off; switch them on at ENDPOINT/_wellspring/faults and
ENDPOINT/_wellspring/switches, and look at ENDPOINT/_wellspring/{health,state,calls}.
`;

const OPTIONS = {
  listen: { type: 'string', default: '127.0.0.1:4566' },
  socket: { type: 'string' },
  metadata: { type: 'string' },
  instance: { type: 'string' },
  region: { type: 'string', default: 'us-east-1' },
  seed: { type: 'string', default: '1' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** What is to be done. Throws `UsageError`. */
export function parseCommandLine(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  if (values.help) return { kind: 'help' };
  const [command, ...rest] = positionals;
  if (command === undefined) throw new UsageError('Say what to do: wellspring-cloud up');
  if (command !== 'up') throw new UsageError(`There is no command ${command}; there is: up`);
  if (rest[0] !== undefined) throw new UsageError(`up takes no argument ${rest[0]}`);
  return {
    kind: 'up',
    listen: parseHostPort(values.listen, '--listen'),
    socketPath: values.socket,
    metadata: parseMetadata(values.metadata, values.instance),
    region: parseRegion(values.region),
    seed: parseSeed(values.seed),
    json: values.json,
  };
}

function parse(
  args: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
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
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--seed takes a whole number, not ${text}`);
  return Number(text);
}

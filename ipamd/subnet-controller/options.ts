/** What the subnet controller is told on its command line. */
import { parseArgs } from 'node:util';
import type { Selection } from './look.ts';

export interface ControllerOptions {
  readonly region: string;
  /** `''`: the region's own. */
  readonly endpoint: string;
  readonly selection: Selection;
  readonly intervalMs: number;
  readonly historyFile: string;
  readonly bind: string;
  /** `''`: leads without asking anybody. */
  readonly lease: string;
  readonly cloudWatch: boolean;
  readonly logLevel: string;
}

export class OptionError extends Error {}

export const HELP = `wellspring-subnets [options]: watches subnets and forecasts when they run dry (docs/forecast.md).

  --region NAME      of EC2 (default $AWS_REGION)
  --endpoint URL     of EC2, in place of the region's own
  --subnet ID        only this subnet; may be repeated
  --vpc ID           only subnets of this VPC; may be repeated
  --interval SECONDS between two looks (default 60, at least 1)
  --history FILE     where it is remembered what was seen (default: nowhere)
  --bind ADDR:PORT   of the subnet map (/), /metrics, /healthz, /readyz and /v1/subnets (default :61681)
  --lease NAME       lead by this Lease of the API server, in the namespace of the pod (default: lead at once)
  --cloudwatch       a line of CloudWatch's embedded metric format on standard output after each look, for each cluster and subnet
  --log-level LEVEL  debug, info, warn, error (default info); the log is on standard error
`;

/** Throws OptionError with a sentence that says what to do. */
export function parseOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ControllerOptions {
  const values = parsed(argv);
  const region = values.region ?? env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? '';
  if (region === '') throw new OptionError('no region is named: give --region or AWS_REGION');
  const seconds = Number(values.interval ?? '60');
  if (!Number.isFinite(seconds) || seconds < 1)
    throw new OptionError(`--interval ${JSON.stringify(values.interval)} is not a number of seconds, 1 or more`);
  const endpoint = values.endpoint ?? env['AWS_EC2_ENDPOINT'] ?? '';
  if (endpoint !== '' && !URL.canParse(endpoint))
    throw new OptionError(`--endpoint ${JSON.stringify(endpoint)} is no URL`);
  return {
    region,
    endpoint,
    selection: { subnets: values.subnet ?? [], vpcs: values.vpc ?? [] },
    intervalMs: seconds * 1000,
    historyFile: values.history ?? '',
    bind: values.bind ?? ':61681',
    lease: values.lease ?? '',
    cloudWatch: values.cloudwatch === true,
    logLevel: values['log-level'] ?? 'info',
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        region: { type: 'string' },
        endpoint: { type: 'string' },
        subnet: { type: 'string', multiple: true },
        vpc: { type: 'string', multiple: true },
        interval: { type: 'string' },
        history: { type: 'string' },
        bind: { type: 'string' },
        lease: { type: 'string' },
        cloudwatch: { type: 'boolean' },
        'log-level': { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new OptionError((error as Error).message.split(/[.\n]/)[0] ?? '', { cause: error });
  }
}

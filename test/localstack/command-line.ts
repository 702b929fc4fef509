import { parseArgs } from 'node:util';

export const HELP = `npm run test:localstack [-- PATH ...]
npm run test:localstack -- --real --subnet subnet-...

Runs the suite of every CloudProvider, and a node as a whole, with LocalStack as EC2. LocalStack is installed once, from
Python packages, into the user's cache, and runs until the tests are over. Where AWS_ENDPOINT_URL_EC2 names a LocalStack
that runs already, that one is used and left running.

  --real           asks EC2 itself, with the credentials and the region that the AWS SDK finds. Runs the suite alone.
                   Makes VPCs (one at a time), more than 1000 ENIs and six m5.large instances, in the zone of the
                   subnet, for some minutes, and removes them. This costs money.
  --subnet ID      a subnet of the account that is meant; nothing is put into it. Needed with --real, and only there
  --settle SECONDS how long a write may take until it is read, with --real (2): EC2's reads may be behind its writes
`;

/** EC2 shows nearly every write within a second. */
const SETTLE_SECONDS = 2;

export interface CommandLine {
  readonly kind: 'run';
  /** Where EC2 itself is meant. */
  readonly realSubnet: string | undefined;
  /** Milliseconds; 0 where EC2 is not meant. */
  readonly settleMs: number;
  readonly paths: readonly string[];
}

export type ParsedLine = CommandLine | { readonly kind: 'help' } | { readonly kind: 'wrong'; readonly why: string };

/** Pure: what the arguments ask for, or what is wrong with them. */
export function parseCommandLine(args: readonly string[]): ParsedLine {
  const options = {
    help: { type: 'boolean' },
    real: { type: 'boolean' },
    subnet: { type: 'string' },
    settle: { type: 'string' },
  } as const;
  try {
    const { values, positionals: paths } = parseArgs({ args: [...args], allowPositionals: true, options });
    const { help = false, real = false, subnet, settle } = values;
    if (help) return { kind: 'help' };
    if (!real && subnet !== undefined) return wrong('--subnet is about EC2 itself: say --real, too, if that is meant');
    if (!real && settle !== undefined) return wrong('--settle is about EC2 itself: say --real, too, if that is meant');
    if (!real) return { kind: 'run', realSubnet: undefined, settleMs: 0, paths };
    if (subnet === undefined) return wrong('--real needs --subnet: a subnet of the account that is meant');
    if (!/^subnet-[0-9a-f]{8,17}$/.test(subnet)) return wrong(`${subnet} is no id of a subnet`);
    if (paths.length > 0) return wrong('--real runs the whole suite; it takes no paths');
    const settleMs = 1000 * Number(settle ?? SETTLE_SECONDS);
    if (!(settleMs >= 0 && settleMs <= 60_000)) return wrong(`--settle takes 0 to 60 seconds, not ${settle}`);
    return { kind: 'run', realSubnet: subnet, settleMs, paths };
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
}

function wrong(why: string): ParsedLine {
  return { kind: 'wrong', why: `${why}\n\n${HELP}` };
}

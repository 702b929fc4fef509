/** `wellspringctl`: asks a node's ipamd what it knows, over its introspection socket. */
import { request } from 'node:http';
import { parseArgs } from 'node:util';
import { type Column, type Row, table } from './table.ts';

const DEFAULT_SOCKET = '/run/wellspring/introspect.sock';
const COMMANDS = ['status', 'pods', 'enis', 'plan', 'calls'] as const;
type Command = (typeof COMMANDS)[number];

const HELP = `wellspringctl COMMAND [--socket PATH] [--json]

  status   the node and its pool in figures
  pods     every pod with an address: pod, address, ENI, route table, host link
  enis     every network interface and how its addresses are used
  plan     what the planner would do now, and what it cannot, with reasons
  calls    recent EC2 calls with their causes

  --socket PATH   introspection socket of ipamd (default ${DEFAULT_SOCKET})
  --json          the answer as one JSON document
`;

const COLUMNS: Readonly<Partial<Record<Command, readonly Column[]>>> = {
  pods: [
    ['NAMESPACE', 'namespace'],
    ['POD', 'name'],
    ['ADDRESS', 'address'],
    ['ENI', 'eni'],
    ['TABLE', 'routeTable'],
    ['LINK', 'hostIfName'],
    ['SINCE', 'since'],
  ],
  enis: [
    ['ENI', 'id'],
    ['DEVICE', 'deviceIndex'],
    ['PHASE', 'phase'],
    ['PRIMARY', 'primaryAddress'],
    ['TABLE', 'routeTable'],
    ['ADDRESSES', 'addresses'],
    ['ASSIGNED', 'assigned'],
    ['COOLING', 'cooling'],
    ['FREE', 'free'],
  ],
  calls: [
    ['AT', 'startedAt'],
    ['OPERATION', 'operation'],
    ['CAUSE', 'cause'],
    ['MS', 'durationMs'],
    ['OUTCOME', 'outcome'],
  ],
};

class UsageError extends Error {}

async function main(argv: readonly string[]): Promise<void> {
  const { command, socket, asJson } = parse(argv);
  if (command === undefined) {
    process.stdout.write(HELP);
    return;
  }
  const answer = await get(socket, `/v1/${command}`);
  process.stdout.write(asJson ? `${JSON.stringify(answer, undefined, 2)}\n` : render(command, answer));
}

function parse(argv: readonly string[]): {
  readonly command: Command | undefined;
  readonly socket: string;
  readonly asJson: boolean;
} {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { socket: { type: 'string' }, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { values, positionals } = parsed;
  const socket = values.socket ?? process.env['WELLSPRING_INTROSPECT_SOCKET'] ?? DEFAULT_SOCKET;
  if (values.help === true || positionals.length === 0) return { command: undefined, socket, asJson: false };
  const command = COMMANDS.find((known) => known === positionals[0]);
  if (command === undefined || positionals.length > 1)
    throw new UsageError(
      command === undefined
        ? `unknown command: ${positionals[0]}`
        : `${command} takes no argument: ${positionals.slice(1).join(' ')}`,
    );
  return { command, socket, asJson: values.json ?? false };
}

function get(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: 5000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(body));
        else reject(new Error(`ipamd answered ${response.statusCode}: ${body.trim()}`));
      });
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 5 s')));
    call.on('error', (error) =>
      reject(
        new Error(
          `ipamd cannot be asked on ${socketPath}: ${error.message}.\nIs it running on this node? --socket names another one.`,
        ),
      ),
    );
    call.end();
  });
}

function render(command: Command, answer: unknown): string {
  const columns = COLUMNS[command];
  if (columns === undefined || !Array.isArray(answer)) return `${JSON.stringify(answer, undefined, 2)}\n`;
  return table(columns, answer as readonly Row[]);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const usage = error instanceof UsageError;
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage ? `\n${HELP}` : ''}`);
  process.exitCode = usage ? 2 : 1;
});

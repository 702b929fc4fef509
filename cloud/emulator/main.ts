/** `wellspring-cloud`: the embedded cloud as a process of its own, for any EC2 client. */
import type { Cloud } from './cloud.ts';
import { ListenError, startCloud } from './cloud.ts';
import type { Command, UpCommand } from './command-line.ts';
import { parseCommandLine, USAGE, UsageError } from './command-line.ts';

async function run(args: readonly string[]): Promise<number> {
  let command: Command;
  try {
    command = parseCommandLine(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`wellspring-cloud: ${error.message}\nSee wellspring-cloud --help.\n`);
    return 2;
  }
  if (command.kind === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  try {
    return await up(command);
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    process.stderr.write(`wellspring-cloud: ${error.message}\n`);
    return 1;
  }
}

/** Serves until a signal; the listeners are closed before it resolves. */
async function up(command: UpCommand): Promise<number> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await using cloud = await startCloud({
    listen: command.listen,
    region: command.region,
    seed: command.seed,
    ...(command.socketPath === undefined ? {} : { socketPath: command.socketPath }),
    ...(command.metadata === undefined ? {} : { metadata: command.metadata }),
  });
  announce(cloud, command);
  await stopped;
  return 0;
}

function announce({ endpoint, metadataEndpoint }: Cloud, { json, region }: UpCommand): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ endpoint, metadataEndpoint, region, pid: process.pid })}\n`);
    return;
  }
  process.stdout.write(`EC2 is served at ${endpoint} (region ${region}, empty)\n`);
  const hints = [
    'Point any SDK or the AWS CLI at it:',
    `  export AWS_ENDPOINT_URL_EC2=${endpoint} AWS_REGION=${region} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test`,
    ...(metadataEndpoint === undefined
      ? []
      : ['Instance metadata:', `  export AWS_EC2_METADATA_SERVICE_ENDPOINT=${metadataEndpoint}`]),
    `Faults and the call log: ${endpoint}/_wellspring/{faults,switches,calls,state,health}. Ctrl-C ends it.`,
  ];
  process.stderr.write(`${hints.join('\n')}\n`);
}

process.exitCode = await run(process.argv.slice(2));

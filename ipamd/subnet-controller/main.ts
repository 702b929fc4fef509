/** `wellspring-subnets`: the subnet controller, until SIGTERM or SIGINT. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import manifest from '../../package.json' with { type: 'json' };
import { clusterSource } from '../kubernetes/source.ts';
import { createLog, errorFields } from '../observe/log.ts';
import { runController } from './controller.ts';
import { HELP, OptionError, parseOptions } from './options.ts';

async function main(argv: readonly string[]): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    process.stdout.write(HELP);
    return 0;
  }
  const options = parseOptions(argv, process.env);
  const source = clusterSource({ env: process.env, clusterEndpoint: process.env['CLUSTER_ENDPOINT'] ?? '' });
  if (source === undefined && options.lease !== '')
    throw new OptionError(
      '--lease needs an API server: a service account or KUBECONFIG; without --lease it leads at once',
    );
  const log = createLog({ level: options.logLevel, destination: 'stderr' });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));
  const identity = `${process.env['MY_POD_NAME'] ?? hostname()}_${randomUUID()}`;
  const writeLine = (line: string): void => void process.stdout.write(`${line}\n`);
  try {
    const { version } = manifest;
    await runController(options, { environment: process.env, source, identity, version, log, writeLine }, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) {
      log.fatal(errorFields(error), 'the controller ends');
      return 1;
    }
  }
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof OptionError ? error.message : String(error)}\n`);
    process.exit(error instanceof OptionError ? 2 : 1);
  },
);

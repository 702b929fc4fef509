/** `forecast`: looks at subnets by itself, or asks the controller that does. */
import { parseArgs } from 'node:util';
import manifest from '../../../package.json' with { type: 'json' };
import { systemClock } from '#cloud/decorate/clock.ts';
import { CloudError } from '#cloud/errors.ts';
import { createLog } from '../../observe/log.ts';
import { openCloud } from '../../subnet-controller/cloud.ts';
import { createSubnetMetrics } from '../../subnet-controller/metrics.ts';
import { type ControllerOptions, OptionError, parseOptions } from '../../subnet-controller/options.ts';
import { type SubnetsAnswer, SubnetWatch } from '../../subnet-controller/subnet-watch.ts';
import type { Command } from '../commands.ts';
import { Failure, usage } from '../failure.ts';
import { checkReportPath, HTML_OPTION, writeReport } from '../html-report.ts';
import { plain } from '../output.ts';
import type { WorkContext, Worked } from '../work.ts';
import { isSoon, showForecast } from './show.ts';
import { sparkline } from './sparkline.ts';

export const FORECAST_COMMAND: Command = {
  name: 'forecast',
  synopsis:
    '[--endpoint URL] [--region NAME] [--subnet ID]... [--vpc ID]... [--history FILE] [--watch] [--html FILE] | --from URL',
  summary: 'when subnets run dry, who holds them, and which repair gives back most',
  help: [
    'Looks at subnets and their network interfaces in EC2; needs no daemon. How long they last is told from a history: that of',
    '--history FILE, to which each look adds a row, or that of the subnet controller (docs/forecast.md).',
    '--watch             looks every --interval SECONDS (default 60) until Ctrl-C, and then prints the last answer',
    '--from URL          asks a running subnet controller instead, for example http://127.0.0.1:61681',
    '--endpoint URL      of EC2; --region NAME is that of AWS_REGION where it is not given',
    '--html FILE         writes a report beside what is printed: one file, charts and tables, no network',
    'Exit status 3: a subnet has no free address, or is more likely than not to have none within a day.',
  ].join('\n'),
  work: forecast,
  path: () => '/v1/status',
  show: String,
};

const ASK_MS = 10_000;

async function forecast(argv: readonly string[], { environment }: WorkContext): Promise<Worked> {
  const { from, watch, html, rest } = ownOptions(argv);
  await checkReportPath(html);
  const answer = from === '' ? await looked(optionsOf(rest, environment), environment, watch) : await asked(from, rest);
  const written = await writeReport(html, ({ forecastReport }) => forecastReport(answer));
  return {
    answer,
    show: (paint) => `${showForecast(answer, sparkline, paint)}${written}`,
    exitCode: answer.subnets.some(({ addresses }) => isSoon(addresses.exhaustion)) ? 3 : 0,
  };
}

/** `--from`, `--watch` and `--html`; the others are those of the controller. */
function ownOptions(argv: readonly string[]): {
  readonly from: string;
  readonly watch: boolean;
  readonly html: string | undefined;
  readonly rest: readonly string[];
} {
  const mine: string[] = [];
  const rest: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    if (word === '--from' || word === '--html') {
      mine.push(...argv.slice(at, at + 2));
      at += 1;
    } else (/^--(watch$|from=|html=)/.test(word) ? mine : rest).push(word);
  }
  try {
    const options = { from: { type: 'string' }, watch: { type: 'boolean' }, ...HTML_OPTION } as const;
    const { values } = parseArgs({ args: mine, options });
    return { from: values.from ?? '', watch: values.watch === true, html: values.html, rest };
  } catch (error) {
    throw wrong((error as Error).message.split(/[.\n]/)[0] ?? '');
  }
}

function optionsOf(argv: readonly string[], environment: WorkContext['environment']): ControllerOptions {
  const stranger = argv.find((word) => /^--(bind|lease|cloudwatch|log-level)\b/.test(word));
  if (stranger !== undefined) throw wrong(`${stranger} is for the controller, wellspring-subnets`);
  try {
    return parseOptions(argv, environment);
  } catch (error) {
    if (error instanceof OptionError) throw wrong(error.message);
    throw error;
  }
}

const wrong = (why: string): Failure =>
  usage('the command line is not understood', `${why}.`, 'See `wellspringctl forecast --help`.');

async function looked(
  options: ControllerOptions,
  environment: WorkContext['environment'],
  isWatching: boolean,
): Promise<SubnetsAnswer> {
  await using cloud = openCloud({ ...options, version: manifest.version, environment });
  const stop = new AbortController();
  const interrupt = (): void => stop.abort(new Error('interrupted'));
  let last: SubnetsAnswer | undefined;
  const watch = new SubnetWatch({
    ...options,
    provider: cloud.provider,
    clock: systemClock,
    metrics: createSubnetMetrics(),
    log: createLog({ level: 'warn', destination: 'stderr' }),
    pods: () => Promise.resolve(undefined),
    onLook: (answer) => {
      last = answer;
      if (isWatching && process.stderr.isTTY)
        process.stderr.write(`\u001B[2J\u001B[H${answer.at}\n${showForecast(answer, sparkline, plain)}`);
    },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  try {
    if (isWatching) await watch.run(options.intervalMs, stop.signal);
    else {
      await watch.look(stop.signal);
      await watch.remember();
    }
  } catch (error) {
    throw failureOf(error, options);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
  return last ?? { at: undefined, leader: false, subnets: [] };
}

function failureOf(error: unknown, { endpoint, region, historyFile }: ControllerOptions): unknown {
  const why = error instanceof Error ? error.message : String(error);
  if (error instanceof CloudError)
    return new Failure(error.code === 'aborted' ? 130 : 1, {
      what: `the subnets of ${region} could not be looked at`,
      why,
      fix:
        endpoint === ''
          ? 'It takes ec2:DescribeSubnets and ec2:DescribeNetworkInterfaces (deploy/iam/subnet-controller.json).'
          : `Is ${endpoint} the address of an EC2 API?`,
    });
  if (historyFile !== '' && error instanceof Error && 'syscall' in error)
    return new Failure(1, {
      what: `the history ${historyFile} cannot be used`,
      why,
      fix: 'Name another file with --history.',
    });
  return error;
}

/** What a controller knows. It is of the same version, so its answer has the type it declares. */
async function asked(url: string, rest: readonly string[]): Promise<SubnetsAnswer> {
  if (rest.length > 0)
    throw wrong(`${JSON.stringify(rest[0])} does not go with --from, which asks a controller for what it knows`);
  if (!URL.canParse(url)) throw wrong(`--from ${JSON.stringify(url)} is no URL`);
  try {
    const response = await fetch(new URL('/v1/subnets', url), { signal: AbortSignal.timeout(ASK_MS) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    return (await response.json()) as SubnetsAnswer;
  } catch (error) {
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? `${message}: ${cause.message}` : message;
    const fix =
      'Is that the address of wellspring-subnets? In a cluster: kubectl -n kube-system port-forward deploy/wellspring-subnets 61681';
    throw new Failure(1, { what: `the subnet controller at ${url} did not answer`, why, fix });
  }
}

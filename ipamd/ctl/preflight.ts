/** `preflight`: what a migration of this node would do. */
import { parseArgs } from 'node:util';
import { parseConfig } from '../config/config.ts';
import { clusterSource } from '../kubernetes/source.ts';
import { LOSSES, type Loss, type Preflight, preflight } from '../migrate/preflight.ts';
import { usage } from './failure.ts';
import type { Paint } from './output.ts';
import { aligned } from './table.ts';
import type { WorkContext, Worked } from './work.ts';

const DEADLINE_MS = 20_000;

/** Throws Failure for arguments that are wrong. */
export async function preflightCommand(argv: readonly string[], { environment }: WorkContext): Promise<Worked> {
  const { checkpoint, without } = optionsOf(argv);
  const { backingStore, clusterEndpoint } = parseConfig(environment);
  // Loaded here, so that the other commands need no native code.
  const { collectMigrationFacts } = await import('../migrate/collect.ts');
  const facts = await collectMigrationFacts({
    checkpointPath: checkpoint ?? backingStore,
    source: clusterSource({ env: environment, clusterEndpoint }),
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
  const answer = preflight(facts, without);
  return { answer, show: (paint) => showPreflight(answer, paint), exitCode: answer.verdict === 'refused' ? 3 : 0 };
}

function optionsOf(argv: readonly string[]): {
  readonly checkpoint: string | undefined;
  readonly without: readonly Loss[];
} {
  const { values } = parsed(argv, { checkpoint: { type: 'string' }, without: { type: 'string', multiple: true } });
  const named = (values.without ?? []).flatMap((list) => list.split(','));
  const wrong = named.find((name) => !LOSSES.some((loss) => loss === name));
  if (wrong !== undefined)
    throw usage(`--without ${JSON.stringify(wrong)} is not known`, `it is ${LOSSES.join(' or ')}.`);
  return { checkpoint: values.checkpoint, without: LOSSES.filter((loss) => named.includes(loss)) };
}

function parsed<const O extends NonNullable<Parameters<typeof parseArgs>[0]>['options']>(
  argv: readonly string[],
  options: O,
) {
  try {
    return parseArgs({ args: [...argv], options });
  } catch (error) {
    const [first] = (error as Error).message.split(/[.\n]/);
    throw usage('the command line is not understood', `${first}.`);
  }
}

const HEADS = {
  'nothing-to-migrate': 'There is nothing of amazon-vpc-cni-k8s on this node.',
  ready: 'This node can be taken over from amazon-vpc-cni-k8s.',
  refused: 'This node is not to be taken over as it is.',
} as const;

const FATES = {
  moved: 'moved in place',
  kept: 'address kept; its link is not known',
  rests: 'gone; its address rests, then is free',
} as const;

/** For people. */
export function showPreflight({ verdict, pods, findings, remains }: Preflight, paint: Paint): string {
  const colour = { refuse: 'red', warning: 'yellow', info: 'dim' } as const;
  const lines = findings.flatMap(({ level, check, seen, cure }) => [
    `${paint(level, colour[level])}  ${check}: ${seen}`,
    ...(cure === null ? [] : [`  do: ${cure}`]),
  ]);
  const table = pods.map(({ pod, address, link, fate }) => [`  ${pod}`, address, link, FATES[fate]]);
  return [
    HEADS[verdict],
    '',
    ...lines,
    ...(pods.length === 0 ? [] : ['', 'Pods:', aligned(table).trimEnd()]),
    ...(remains.length === 0
      ? []
      : ['', `On the host, removed when no pod needs it (${remains.length}):`, ...remains.map((what) => `  ${what}`)]),
    '',
  ].join('\n');
}

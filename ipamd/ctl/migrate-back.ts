/** `migrate-back`: hands this node to amazon-vpc-cni-k8s again. */
import { parseArgs } from 'node:util';
import { parseConfig } from '../config/config.ts';
import { DatapathError } from '../datapath/datapath.ts';
import type { BackAnswer } from '../migrate/back.ts';
import { Failure, usage } from './failure.ts';
import { aligned } from './table.ts';
import type { WorkContext, Worked } from './work.ts';

/** Throws Failure: wrong arguments, an ipamd that runs, no journal, the kernel's refusal. */
export async function migrateBack(argv: readonly string[], { environment }: WorkContext): Promise<Worked> {
  const { yes, without } = optionsOf(argv);
  const config = parseConfig(environment);
  // Loaded here, so that the other commands need no native code.
  const { back, NoJournalError } = await import('../migrate/back.ts');
  try {
    const answer = await back({ config, yes, without });
    return { answer, show: () => showBack(answer, yes), exitCode: answer.obstacles.length > 0 ? 3 : 0 };
  } catch (error) {
    if (error instanceof NoJournalError)
      throw new Failure(1, {
        what: 'there is nothing to hand back',
        why: `${error.message}.`,
        fix: 'WELLSPRING_STATE_DIRECTORY names the directory of the journal; run it with the environment of ipamd.',
      });
    if (error instanceof DatapathError)
      throw new Failure(1, {
        what: 'the kernel refused',
        why: `${error.message}.`,
        fix: 'Run it again, as root, in the network namespace of the node: what is done already does no harm.',
      });
    if (error instanceof Error && /keeps its journal|serves/.test(error.message))
      throw new Failure(1, {
        what: 'nothing was changed: ipamd runs on this node',
        why: `${error.message}.`,
        fix: 'Delete its DaemonSet, or stop it, and repeat; pods work on without it.',
      });
    throw error;
  }
}

function optionsOf(argv: readonly string[]): { readonly yes: boolean; readonly without: readonly string[] } {
  try {
    const options = { yes: { type: 'boolean' }, without: { type: 'string' } } as const;
    const { values } = parseArgs({ args: [...argv], options });
    const without = values.without === undefined ? [] : values.without.split(',');
    const wrong = without.find((name) => name !== 'host-ports');
    if (wrong !== undefined) throw usage(`--without ${JSON.stringify(wrong)} is not known`, 'it is host-ports.');
    return { yes: values.yes === true, without };
  } catch (error) {
    if (error instanceof Failure) throw error;
    const [first] = (error as Error).message.split(/[.\n]/);
    throw usage('the command line is not understood', `${first}.`);
  }
}

/** For people. */
export function showBack({ done, pods, obstacles, checkpoints, journal }: BackAnswer, yes: boolean): string {
  const rows = pods.map(({ pod, addresses, link }) => [`  ${pod}`, addresses.join(' '), link]);
  const named = obstacles.map(({ pod, why, accept }) => [
    `  ${pod}`,
    why,
    accept === undefined ? 'delete it first' : `--without ${accept}`,
  ]);
  const end = done
    ? [`Our journal is ${journal ?? ''} now. Install amazon-vpc-cni-k8s; when it runs: wellspringctl cleanup --yes`]
    : [yes ? 'Nothing was changed.' : 'Nothing has been changed; `wellspringctl migrate-back --yes` does it.'];
  return [
    `${done ? 'Handed back' : 'Would hand back'} ${pods.length} address${pods.length === 1 ? '' : 'es'}, in ${checkpoints.join(', ')}:`,
    aligned(rows).trimEnd(),
    ...(named.length === 0 ? [] : ['', 'In the way:', aligned(named).trimEnd()]),
    '',
    ...end,
    '',
  ].join('\n');
}

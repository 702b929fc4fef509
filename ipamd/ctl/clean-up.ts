/** `cleanup`: what of ours is in the kernel of this node, and its removal. Works without a daemon, and refuses beside one. */
import type { CleanUp, OwnObject } from '../datapath/clean-up.ts';
import { ask } from './ask.ts';
import { Failure } from './failure.ts';

/** Throws Failure when an ipamd answers on the socket (it would put everything back), or when the kernel refuses. */
export async function runCleanUp({
  yes,
  socket,
}: {
  readonly yes: boolean;
  readonly socket: string;
}): Promise<CleanUp> {
  if (yes && (await answers(socket)))
    throw new Failure(1, {
      what: 'nothing was removed: ipamd runs on this node',
      why: `it answers on ${socket}, has pods to look after, and would put back what is removed.`,
      fix: 'Take the node out of service and stop ipamd first, then repeat.',
    });
  // Loaded here, so that the other commands need no native code.
  const { cleanUp } = await import('../datapath/clean-up.ts');
  const { DatapathError } = await import('../datapath/datapath.ts');
  try {
    return await cleanUp({ remove: yes });
  } catch (error) {
    if (!(error instanceof DatapathError)) throw error;
    const fix =
      error.code === 'not-permitted'
        ? 'Run it as root, in the network namespace of the node.'
        : 'Run it again; what is gone already does no harm. `wellspringctl cleanup` shows what is left.';
    throw new Failure(1, { what: 'the kernel refused', why: error.message, fix });
  }
}

async function answers(socket: string): Promise<boolean> {
  try {
    await ask(socket, '/v1/status');
    return true;
  } catch (error) {
    // A refusal is an answer too.
    return error instanceof Failure && error.answer !== undefined;
  }
}

const ORDER: readonly OwnObject['kind'][] = ['link', 'rule', 'route', 'address', 'nft table'];

/** For people: by kind, then the state of things. */
export function showCleanUp({ removed, objects, left }: CleanUp): string {
  if (objects.length === 0) return 'Nothing of wellspring is in the kernel of this node.\n';
  const lines = (some: readonly OwnObject[]): readonly string[] =>
    ORDER.flatMap((kind) => some.filter((each) => each.kind === kind).map(({ what }) => `  ${kind} ${what}`));
  const head = `${removed ? 'Removed' : 'Would remove'} ${objects.length} object${objects.length === 1 ? '' : 's'}:`;
  const links = objects.filter(({ kind }) => kind === 'link').length;
  const pods = `Pods lose their network with their links (${links}). Nothing has been changed; \`wellspringctl cleanup --yes\` does it.`;
  const rest = left.length === 0 ? [] : ['', 'Still there:', ...lines(left)];
  return [head, ...lines(objects), ...(removed ? rest : ['', pods]), ''].join('\n');
}

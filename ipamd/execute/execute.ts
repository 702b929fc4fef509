/** Carries out one planned action. */
import type { Action } from '#warm-pool/model.ts';
import type { Run } from '../reconciler.ts';
import type { ExecuteContext } from './context.ts';
import { BackOffs } from './failures.ts';
import { assignBlocks, assignIpv6Prefix } from './grow.ts';
import { createInterface, deleteInterface } from './interfaces.ts';
import { releaseBlocks } from './release.ts';

export function createExecutor(context: ExecuteContext): (action: Action, run: Run) => Promise<void> {
  const backOffs = new BackOffs();
  return async (action, run) => {
    try {
      switch (action.kind) {
        case 'assign':
          return await assignBlocks(action, context, backOffs, run);
        case 'assign-ipv6-prefix':
          return await assignIpv6Prefix(action, context, backOffs, run);
        case 'create-interface':
          return await createInterface(action, context, backOffs, run);
        case 'release':
          return await releaseBlocks(action, context, backOffs, run);
        case 'delete-interface':
          return await deleteInterface(action, context, run);
        default:
          return action satisfies never;
      }
    } catch (error) {
      // Not a refusal of the cloud (those are booked where they happen): a full disk, the kernel, a bug.
      backOffs.fail(error, context);
      throw error;
    }
  };
}

/** From a request's words to its handler. */
import type { Method } from '#cni/protocol/messages.ts';
import { type CniCommand, parseCall } from '#cni/spec/command.ts';
import { parseConfig } from '#cni/spec/config.ts';
import { versionResult } from '#cni/spec/version.ts';
import { cmdAdd } from './handlers/add.ts';
import { cmdCheck } from './handlers/check.ts';
import { cmdDel, cmdGc } from './handlers/del.ts';
import { type HandlerContext, podOf } from './handlers/context.ts';
import type { Handler } from './socket-server.ts';
import { toCniError } from './to-cni-error.ts';

const COMMANDS: Readonly<Record<Method, CniCommand>> = {
  Add: 'ADD',
  Del: 'DEL',
  Check: 'CHECK',
  Status: 'STATUS',
  Gc: 'GC',
  Version: 'VERSION',
};

/** A daemon that answers can serve: before it can, its socket is not there, and the binary says so (code 11, or 50 for STATUS). */
export function createDispatcher(context: HandlerContext): Handler {
  return async (request, requestContext) => {
    const { method, params } = request;
    const from = performance.now();
    if (method === 'Add') context.metrics.addRequests.inc();
    if (method === 'Del') context.metrics.delRequests.inc({ reason: 'PodDeleted' });
    try {
      return await serve();
    } catch (error) {
      const { code, msg, details } = toCniError(error);
      context.metrics.cniErrors.inc({ method, code: String(code) });
      requestContext.log.warn({ code, details }, msg);
      throw error;
    } finally {
      context.metrics.cniLatency.observe({ method, phase: 'total' }, (performance.now() - from) / 1000);
    }

    async function serve(): Promise<unknown> {
      const call = parseCall({ ...params.env, CNI_COMMAND: COMMANDS[method] });
      if (call.command === 'VERSION') return versionResult(undefined);
      const conf = parseConfig(params.stdin, { isAdd: call.command === 'ADD' });
      switch (call.command) {
        case 'STATUS':
          return {};
        case 'ADD':
          return cmdAdd(call, conf, requestContext, context).catch((error: unknown) => {
            if (!hungUp(requestContext.signal)) context.news.refused(podOf(call), toCniError(error));
            throw error;
          });
        case 'CHECK':
          return cmdCheck(call, conf, context);
        case 'DEL':
          return cmdDel(call, conf, requestContext.log, context);
        case 'GC':
          return cmdGc(conf, requestContext.log, context);
        default:
          return call satisfies never;
      }
    }
  };
}

/** The client went away on its own: nobody was refused anything. */
function hungUp({ aborted, reason }: AbortSignal): boolean {
  return aborted && !(reason instanceof DOMException && reason.name === 'TimeoutError');
}

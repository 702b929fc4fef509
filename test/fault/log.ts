/** The daemon's log in the fault test: errors that nobody expects break an invariant, the rest goes to the trace. */
import { inspect } from 'node:util';
import { pino } from 'pino';
import type { Log } from '#ipamd/observe/log.ts';
import type { Life } from './scheduler.ts';
import type { World } from './world.ts';

/** What a plain `Error` may say without being a bug: refusals that have no code of their own. */
const EXPECTED = /^journal |^subnet .* cannot be described|^the daemon stops/;

const logs = new WeakMap<World, Log>();
const ERROR = 50;

/** One for each world: making a logger is not cheap. What a process says after its end is not heard. */
export function logTo(world: World, life: Life): Log {
  const known = logs.get(world);
  if (known !== undefined) return known;
  const made = pino({
    level: world.isTraced ? 'info' : 'error',
    hooks: {
      logMethod(args: readonly unknown[], _method, level) {
        if (life.isOver && world.daemon?.life.isOver === true) return;
        const [fields, sentence] = args;
        world.say(() => `log ${level}: ${String(sentence)} ${JSON.stringify(fields)}`);
        if (level >= ERROR) judge(world, fields as Readonly<Record<string, unknown>>, String(sentence));
      },
    },
  });
  logs.set(world, made);
  return made;
}

function judge(world: World, fields: Readonly<Record<string, unknown>>, sentence: string): void {
  const { error, stack } = fields as { readonly error?: unknown; readonly stack?: unknown };
  if (stack === undefined || EXPECTED.test(String(error))) return;
  world.violate('no-internal-error', `${sentence}: ${inspect(stack)}`);
}

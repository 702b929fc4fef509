/**
 * Loaded before a program (`node --import`): before its DIE_AT-th step on the file system the process is killed. The steps
 * so far are listed in the file DIE_COUNT.
 */
import { appendFileSync, promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const at = Number(process.env['DIE_AT'] ?? 0);
const count = process.env['DIE_COUNT'];
let steps = 0;

type Step = (...args: readonly unknown[]) => Promise<unknown>;

function deadly(name: string, step: Step): Step {
  return (...args) => {
    steps += 1;
    if (count !== undefined) appendFileSync(count, `${name}\n`);
    if (steps === at) process.kill(process.pid, 'SIGKILL');
    return step(...args);
  };
}

/** A file is written in two steps, so that there is a half of it. */
async function deadlyHandle(open: Step, args: readonly unknown[]): Promise<unknown> {
  const handle = (await open(...args)) as promises.FileHandle;
  for (const name of ['chmod', 'sync', 'close'] as const)
    Object.defineProperty(handle, name, { value: deadly(name, handle[name].bind(handle) as Step) });
  const halves = async (content: Uint8Array): Promise<void> => {
    const middle = Math.floor(content.length / 2);
    await deadly('write', () => handle.write(content.subarray(0, middle)))();
    await deadly('write', () => handle.write(content.subarray(middle)))();
  };
  Object.defineProperty(handle, 'writeFile', { value: halves });
  return handle;
}

for (const name of ['mkdir', 'readdir', 'lstat', 'rename', 'rm'] as const)
  Object.defineProperty(promises, name, { value: deadly(name, promises[name] as unknown as Step) });
const open = promises.open as unknown as Step;
Object.defineProperty(promises, 'open', {
  value: deadly('open', (...args) => deadlyHandle(open, args)),
});
syncBuiltinESMExports();

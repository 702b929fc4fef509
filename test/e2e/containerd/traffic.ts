import { join } from 'node:path';

import { run, runCommand } from '../../support/command.ts';
import { PAUSE_PORT } from './pause-image.ts';

/** A place to send from: the path of a pod's network namespace, as this process can open it. */
export interface Vantage {
  readonly netnsPath: string;
}

/**
 * Sends a datagram from the pod to each address's pause process. Returns, for each that answered within the time, the
 * sender's address as the receiving container saw it.
 */
export async function whoAmI(
  from: Vantage,
  addresses: readonly string[],
  timeoutMs = 20_000,
): Promise<Readonly<Record<string, string>>> {
  const script = join(import.meta.dirname, 'whoami-client.ts');
  const client = [process.execPath, '--no-warnings', script, String(PAUSE_PORT), String(timeoutMs), ...addresses];
  const output = await runCommand('nsenter', [`--net=${from.netnsPath}`, ...client], { timeoutMs: timeoutMs + 60_000 });
  return JSON.parse(output) as Record<string, string>;
}

/** Whether any of three echo requests from the pod is answered. */
export async function pings(from: Vantage, address: string): Promise<boolean> {
  const ping = ['ping', '-n', '-q', '-c', '3', '-i', '0.2', '-W', '5', address];
  const { code, stderr } = await run('nsenter', [`--net=${from.netnsPath}`, ...ping], { timeoutMs: 60_000 });
  // ping(8): 1 is "no reply", anything else above 0 is an error.
  if (code > 1 || code < 0) throw new Error(`ping ${address}: ${stderr}`);
  return code === 0;
}

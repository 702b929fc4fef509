/** How many pods the kubelet of this node admits. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeletFacts, Known } from '../facts.ts';
import { namespaceOf, processesIn } from './processes.ts';

/** The kubelet of the node's network namespace; `root` is where the node's files are. */
export async function collectKubelet(root: string, netns?: string): Promise<Known<KubeletFacts>> {
  const args = await kubeletArguments(await namespaceOf(netns));
  if (args === undefined) return { value: { running: false, maxPods: undefined, from: 'no kubelet is seen' } };
  const flag = valueOfFlag(args, 'max-pods');
  if (flag !== undefined) return { value: { running: true, maxPods: Number(flag), from: '--max-pods' } };
  const directory = valueOfFlag(args, 'config-dir');
  const files = [
    ...(directory === undefined ? [] : await dropIns(join(root, directory))),
    join(root, valueOfFlag(args, 'config') ?? '/etc/kubernetes/kubelet/config.json'),
  ];
  for (const file of files) {
    const found = /^\s*"?maxPods"?\s*:\s*(\d+)/m.exec(await readFile(file, 'utf8').catch(() => ''))?.[1];
    if (found !== undefined) return { value: { running: true, maxPods: Number(found), from: file } };
  }
  return { value: { running: true, maxPods: undefined, from: 'neither its flags nor its files say' } };
}

async function kubeletArguments(namespace: string): Promise<readonly string[] | undefined> {
  const kubelet = (await processesIn(namespace)).find(({ name }) => name === 'kubelet');
  if (kubelet === undefined) return undefined;
  return (await readFile(`/proc/${kubelet.pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
}

function valueOfFlag(args: readonly string[], flag: string): string | undefined {
  const index = args.findIndex((arg) => arg === `--${flag}` || arg.startsWith(`--${flag}=`));
  if (index < 0) return undefined;
  const [, value] = (args[index] ?? '').split(/=(.*)/s, 2);
  return value ?? args[index + 1];
}

/** Files of --config-dir: the last in order wins, hence the first to be asked. */
async function dropIns(directory: string): Promise<readonly string[]> {
  const files = (await readdir(directory).catch(() => [])).filter((name) => name.endsWith('.conf'));
  return files
    .toSorted()
    .toReversed()
    .map((file) => join(directory, file));
}

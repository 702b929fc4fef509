/** Who is measured: each makes and removes a pod's network in a namespace of its own, as programs that are executed. */
import { join } from 'node:path';
import { addressIn } from '#test/support/cluster-facts.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { type CniCall, pluginInput } from '#test/support/cni-runner.ts';
import { writeRecordings } from '../kernel-work/bare-c.ts';
import { KernelWorkBed } from '../kernel-work/bed.ts';
import type { Ptp } from '../ptp.ts';
import type { Executed, Execution, Runtime } from '../runtime/runtime.ts';

/** A pod that has its network. */
export interface Added {
  readonly pod: TestPod;
  /** The printed result. */
  readonly result: object;
}

/** One who makes and removes pods' networks. */
export interface Contestant {
  readonly name: string;
  /** A sandbox without a network. */
  sandbox(name: string): Promise<TestPod>;
  add(pod: TestPod): Execution;
  /** Throws unless the ADD gave an address. */
  added(pod: TestPod, executed: Executed): Added;
  del(added: Added): Execution;
  /** The sandbox goes, and whatever the DEL left. */
  remove(pod: TestPod): Promise<void>;
}

/** ipamd and the CNI binary on a node. */
export function ours(name: string, node: ClusterNode): Contestant {
  return {
    ...sandboxesOf(node, name),
    add: (pod) => execution(node.cniCall('ADD', pod)),
    added: (pod, executed) => ({ pod, result: resultOf(name, pod, executed) }),
    del: ({ pod, result }) => execution(node.cniCall('DEL', pod, { prevResult: result })),
  };
}

/** The reference plugins; the node has a part in it only by names of namespaces. */
export function theirs(name: string, node: ClusterNode, call: Ptp): Contestant {
  return {
    ...sandboxesOf(node, name),
    add: (pod) => execution(call('ADD', pod)),
    added: (pod, executed) => ({ pod, result: resultOf(name, pod, executed) }),
    del: ({ pod, result }) => execution(call('DEL', pod, result)),
  };
}

/** The least: a C program that sends the messages of our ADD and DEL, recorded before, and asks nobody. One pod at a time. */
export async function floor(bed: KernelWorkBed, program: string, directory: string): Promise<Contestant> {
  const { add, remove } = await bed.record('ipv4');
  const args = [KernelWorkBed.hostNetns, ...(await writeRecordings([add, remove], join(directory, 'floor')))];
  const execute = (input: string): Execution => ({ program, args, env: {}, stdin: `${input}\n` });
  return {
    name: 'floor',
    sandbox: async (name) => ({ name, containerId: name, netns: await bed.freshNetns() }),
    add: ({ netns }) => execute(`0 ${netns}`),
    added: (pod, { status, stdout }) => {
      if (status !== 0 || stdout === '') throw new Error(`the C program ended with ${status} for ${pod.name}`);
      return { pod, result: {} };
    },
    del: () => execute('1 -'),
    remove: () => bed.remove('ipv4'),
  };
}

/** All of them come with their network, some at a time, and in no particular order. */
export async function addAll(
  runtime: Runtime,
  contestant: Contestant,
  pods: readonly TestPod[],
  atATime: number,
): Promise<{ readonly ms: number; readonly added: readonly Added[] }> {
  const { calls, ms } = await runtime.batch(
    pods.map((pod) => contestant.add(pod)),
    atATime,
  );
  return { ms, added: pods.map((pod, index) => contestant.added(pod, calls[index] ?? NOTHING)) };
}

const NOTHING: Executed = { ms: Number.NaN, status: -1, stdout: '' };

function sandboxesOf(node: ClusterNode, name: string): Pick<Contestant, 'name' | 'sandbox' | 'remove'> {
  return {
    name,
    sandbox: (pod) => node.createSandbox(`${node.name}-${name}-${pod}`),
    remove: (pod) => node.removeSandbox(pod),
  };
}

function execution(call: CniCall): Execution {
  return {
    program: call.binary,
    env: { PATH: process.env['PATH'] ?? '', ...call.env },
    stdin: pluginInput(call),
  };
}

function resultOf(name: string, pod: TestPod, { status, stdout }: Executed): object {
  const document = stdout.trim() === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>);
  if (status !== 0 || addressIn(document) === undefined) throw new Error(`ADD of ${pod.name} by ${name}: ${stdout}`);
  return document;
}

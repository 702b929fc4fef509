/**
 * A process of its own for `pod-namespaces.test.ts`, because it looks at its own threads and may be stopped by what it tries. It is
 * given the host's namespace, a directory of pods' namespaces, and what to try; it prints what it saw as JSON.
 */
import { createHook } from 'node:async_hooks';
import { lookup } from 'node:dns/promises';
import { readdirSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { createKernelDatapath } from '#ipamd/datapath/kernel-datapath.ts';
import { hostIfName } from '#ipamd/datapath/names.ts';
import { PRIMARY_ADDRESS, PRIMARY_MAC } from './datapath-node.ts';

const [hostNetns = '', ...netnsPaths] = process.argv.slice(2);
const home = readlinkSync('/proc/thread-self/ns/net');
const abroad: string[] = [];
// Whatever is begun asynchronously while this thread is in another namespace is a violation.
createHook({
  init: (_id, type) => {
    if (readlinkSync('/proc/thread-self/ns/net') !== home) abroad.push(type);
  },
}).enable();

const threads = (): readonly string[] =>
  readdirSync('/proc/self/task').map((id) => readlinkSync(`/proc/self/task/${id}/ns/net`));

const attachment = (netns: string, index: number): PodAttachment => ({
  containerId: `sandbox-${index}`,
  ifName: 'eth0',
  netns,
  addresses: [`10.0.0.${index + 20}`, `2001:db8:0:1:1::${index + 20}`],
  hostIfName: hostIfName('eni', `sandbox-${index}`, 'eth0'),
  deviceIndex: 0,
  networkCardIndex: 0,
  mtu: 1400,
});

await using datapath = await createKernelDatapath({ hostNetns });
const threadsBefore = threads().length;
await datapath.setUpHost({
  primaryMac: PRIMARY_MAC,
  primaryAddress: PRIMARY_ADDRESS,
  noSnatCidrs: ['10.0.0.0/16'],
  externalSnat: false,
  randomizeSnat: 'prng',
  nodePortSupport: true,
  eniMtu: 1500,
  family: 'dual',
});
const pods = netnsPaths.map(attachment);
const from = performance.now();
const outcomes = await Promise.all([
  ...pods.map(async (pod) => {
    const outcome = await datapath.addPod(pod).then(
      () => 'made',
      (error: unknown) => (error as Error).message,
    );
    return { netns: pod.netns, outcome, afterMs: Math.round(performance.now() - from) };
  }),
  // The pool has other work meanwhile.
  ...pods.map(async ({ netns }) => {
    await Promise.all([readFile('/proc/self/status'), lookup('localhost')]);
    return { netns, outcome: 'pool works', afterMs: Math.round(performance.now() - from) };
  }),
]);
const damages = await Promise.all(
  pods
    .filter(({ netns }) => outcomes.some((each) => each.netns === netns && each.outcome === 'made'))
    .map((pod) => datapath.checkPod(pod)),
);
const strays = threads().filter((namespace) => namespace !== home);
await datapath.cleanUp();
// An orderly exit waits for the threads of the pool, and one may hang in an open for good.
process.stdout.write(JSON.stringify({ outcomes, abroad, strays, threadsBefore, damages: damages.flat() }), () =>
  process.kill(process.pid, 'SIGKILL'),
);

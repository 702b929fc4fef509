/** Debian's ptp and host-local plugins, the reference that every machine with containernetworking-plugins can run. */
import { existsSync } from 'node:fs';
import type { TestPod } from '#test/support/cluster-node.ts';
import type { CniCall } from '#test/support/cni-runner.ts';

const DIRECTORY = '/usr/lib/cni';

/** A call that is not executed yet. */
export type Ptp = (command: 'ADD' | 'DEL', pod: TestPod, prevResult?: object) => CniCall;

/** Undefined where the plugins are not installed. Its host side is the caller's network namespace, which must be private. */
export function ptp(dataDirectory: string): Ptp | undefined {
  if (!['ptp', 'host-local'].every((plugin) => existsSync(`${DIRECTORY}/${plugin}`))) return undefined;
  const ipam = { type: 'host-local', subnet: '172.31.0.0/16', dataDir: dataDirectory, routes: [{ dst: '0.0.0.0/0' }] };
  const conflist = { cniVersion: '1.0.0', name: 'reference', plugins: [{ type: 'ptp', ipMasq: false, ipam }] };
  return (command, pod, prevResult) => ({
    binary: `${DIRECTORY}/ptp`,
    conflist,
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: pod.containerId,
      CNI_NETNS: `/run/netns/${pod.netns}`,
      CNI_IFNAME: 'eth0',
      CNI_PATH: DIRECTORY,
    },
    prevResult,
  });
}

/**
 * `node test/upgrade/record.ts NAME COMMIT`: runs a version of ourselves and freezes what it says and writes as a fixture in
 * fixtures/NAME: the bytes of one exchange for each CNI command, and its journal. Needs root. Done once for each version; a
 * fixture is never recorded anew.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '#test/support/cluster.ts';
import { converged } from '#test/support/cluster-facts.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { runCni } from '#test/support/cni-runner.ts';
import { until } from '#test/support/until.ts';
import { olderVersion } from './older-version.ts';
import { wireTap } from './wire-tap.ts';

const PORTS = [{ hostPort: 18080, containerPort: 80, protocol: 'tcp', hostIP: '' }];
const BANDWIDTH = { ingressRate: 8_000_000, ingressBurst: 1_000_000, egressRate: 0, egressBurst: 0 };

async function main([name = '', commit = '']: readonly string[]): Promise<void> {
  const older = await olderVersion({ name, commit });
  const directory = join(import.meta.dirname, 'fixtures', name);
  await mkdir(directory, { recursive: true });
  const workDirectory = await mkdtemp(join(tmpdir(), 'wellspring-record-'));
  await using cluster = await Cluster.create({
    prefix: `r${process.pid.toString(36)}-`,
    workDirectory,
    cniBinary: older.cniBinary,
    program: older.program,
    instanceTypes: ['m5.large'],
    routerNetns: `r${process.pid.toString(36)}-vpc`,
    env: { MINIMUM_IP_TARGET: '12', WARM_IP_TARGET: '1', IP_COOLDOWN_PERIOD: '600' },
  });
  cluster.afterwards(() => rm(workDirectory, { recursive: true, force: true }));
  const [node] = cluster.nodes as [ClusterNode];
  await node.startDaemon();
  await converged(cluster, node);
  const tapped = `${node.socketPath}.tapped`;
  await using tap = await wireTap(tapped, node.socketPath);
  const call = async (command: string, more: { readonly conflist?: object; readonly prevResult?: unknown } = {}) => {
    const pod = node.knownSandbox('frozen');
    const base = node.cniCall('ADD', pod, { prevResult: more.prevResult });
    const list = base.conflist as { readonly plugins: readonly object[] };
    const plugin = { ...list.plugins[0], socketPath: tapped, ...more.conflist };
    const env = { ...base.env, CNI_COMMAND: command };
    const outcome = await runCni({ ...base, env, conflist: { ...list, cniVersion: '1.1.0', plugins: [plugin] } });
    if (!outcome.ok) throw new Error(`${command}: ${JSON.stringify(outcome.document)}`);
    return outcome.document;
  };
  await node.createSandbox('frozen');
  const other = await node.createSandbox('kept');
  await call('STATUS');
  const added = await call('ADD', { conflist: { runtimeConfig: { portMappings: PORTS, bandwidth: BANDWIDTH } } });
  await call('CHECK', { prevResult: added });
  const kept = await node.cni('ADD', other, { runtimeConfig: { portMappings: [{ ...PORTS[0], hostPort: 18081 }] } });
  if (!kept.ok) throw new Error(JSON.stringify(kept.document));
  const plain = await node.createSandbox('plain');
  await node.cni('ADD', plain);
  const valid = [node.knownSandbox('frozen'), other, plain].map((pod) => ({
    containerID: pod.containerId,
    ifname: 'eth0',
  }));
  await call('GC', { conflist: { 'cni.dev/valid-attachments': valid } });
  await call('DEL', { prevResult: added });
  await until('all was recorded', 5000, () => tap.exchanges.length === 5);
  await converged(cluster, node);
  await node.stopDaemon('SIGTERM');
  await cp(join(node.directory, 'state', 'journal'), join(directory, 'journal.txt'));
  const commands = ['STATUS', 'ADD', 'CHECK', 'GC', 'DEL'];
  const frames = tap.exchanges.map(({ request, response }, index) => ({
    command: commands[index],
    request: request.toString('base64'),
    response: response.toString('base64'),
  }));
  await writeFile(join(directory, 'frames.json'), `${JSON.stringify(frames, undefined, 2)}\n`);
}

await main(process.argv.slice(2));

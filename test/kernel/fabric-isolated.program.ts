/** Runs in the namespaces of `isolationCommand`, for a test: a fabric in this process's own namespace, as one JSON line. */
import { Fabric } from '#cloud/emulator/fabric/fabric.ts';
import { enterPrivateNetwork } from '#cloud/emulator/fabric/isolate.ts';
import { endpoint, ip, reaches, proxyDelays, vpc } from './fabric-bed.ts';

const [kind, keep] = process.argv.slice(2);
enterPrivateNetwork({ kind: kind === 'root' ? 'root' : 'user-namespace', keep: keep === 'keep' });
const seenBefore = ip(['netns', 'list']).trim();
const fabric = await Fabric.create({ prefix: `wu${process.pid.toString(36)}-` });
try {
  await fabric.addNode('i-a', 'a');
  await fabric.addNode('i-b', 'b');
  await fabric.apply(vpc(endpoint('i-a', 0, 0, 10), endpoint('i-b', 0, 0, 20), endpoint('i-b', 1, 1, 21)));
  const a = fabric.nodeNamespace('i-a');
  const neighbour = await reaches(a, '10.0.0.20');
  const report = { seenBefore, neighbour, delays: proxyDelays(), internet: await reaches(a, '203.0.113.10') };
  await fabric[Symbol.asyncDispose]();
  console.log(JSON.stringify({ ...report, seenAfter: ip(['netns', 'list']).trim(), rules: ip(['rule']) }));
} finally {
  await fabric[Symbol.asyncDispose]();
}

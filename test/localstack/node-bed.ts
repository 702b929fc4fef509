/**
 * Nodes whose EC2 is LocalStack: their links, the network between them and their instance metadata are ours, made from
 * what LocalStack's Describes say. LocalStack is on the machine's loopback; a nodes reaches it through the VPC router.
 */
import * as Ec2 from '@aws-sdk/client-ec2';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer, connect, type Server } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CallLog } from '#cloud/emulator/call-log.ts';
import { subjectByAddress } from '#cloud/emulator/endpoint/snapshot-subject.ts';
import { VpcWatch } from '#cloud/emulator/endpoint/vpc-watch.ts';
import { EC2_ENDPOINT_ADDRESS, Fabric, METADATA_ADDRESS } from '#cloud/emulator/fabric/fabric.ts';
import { follow } from '#cloud/emulator/fabric/follow.ts';
import { listenHttp } from '#cloud/emulator/http-listen.ts';
import { metadataListener } from '#cloud/emulator/metadata/listener.ts';
import { cniBinary } from '#test/support/cni-binary.ts';
import { ClusterNode } from '#test/support/cluster-node.ts';
import { runCommand } from '#test/support/command.ts';
import { listenInNamespace } from '#test/support/listen-in-namespace.ts';
import { ec2Place, removeRun } from './ec2-place.ts';
import { namespacePrefix } from './remains.ts';

const EC2_PORT = 4580;
const LOOKS_EVERY_MS = 250;
/** LocalStack takes addresses at random and may give one twice: in so large a subnet, and for so few, that is rare. */
const CIDR = '10.0.0.0/16';
/** Three addresses for pods on each of its interfaces. */
const INSTANCE_TYPE = 't3.small';
const QUICK = { IP_COOLDOWN_PERIOD: '1', WELLSPRING_ENI_MINIMUM_AGE: '1', WARM_IP_TARGET: '2' } as const;

export interface NodeBed extends AsyncDisposable {
  readonly nodes: readonly ClusterNode[];
  readonly watch: VpcWatch;
  /** What fabric and looks could not do. */
  readonly errors: readonly unknown[];
}

export async function nodeBed(endpoint: string, run: string, count: number): Promise<NodeBed> {
  await using stack = new AsyncDisposableStack();
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const client = new Ec2.EC2Client({ endpoint, maxAttempts: 3 });
  stack.defer(() => client.destroy());
  stack.defer(async () => void (await removeRun(client, run)));
  const region = await client.config.region();
  const { vpcId, instanceIds } = await runInstances(client, { region, run, count });

  const prefix = namespacePrefix(process.pid);
  const router = `${prefix}vpc`;
  await runCommand('ip', ['netns', 'add', router]);
  stack.defer(async () => void (await runCommand('ip', ['netns', 'delete', router])));
  const fabric = stack.use(await Fabric.create({ prefix, routerNetns: router, onError }));
  const watch = stack.use(await VpcWatch.start({ client, vpcId, intervalMs: LOOKS_EVERY_MS, onError }));
  stack.use(await forward(listenInNamespace(router, EC2_PORT), endpoint));
  const subjectOf = (source: string) => subjectByAddress(watch.snapshot, region, source);
  const metadata = { fd: listenInNamespace(router, 80) };
  stack.use(await listenHttp(metadataListener({ subjectOf, log: new CallLog() }), metadata));

  const directory = await mkdtemp(join(tmpdir(), 'wellspring-test-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const nodes: ClusterNode[] = [];
  for (const [index, instanceId] of instanceIds.entries()) {
    const name = `node-${String(index)}`;
    await fabric.addNode(instanceId, name);
    await mkdir(join(directory, name), { mode: 0o700 });
    const options = { name, instanceId, prefix, directory: join(directory, name), cniBinary: await cniBinary() };
    nodes.push(stack.use(new ClusterNode({ ...options, netns: fabric.nodeNamespace(instanceId), env: environment() })));
  }
  await stack.use(follow(watch, fabric, onError)).settled();
  if (errors.length > 0) throw errors[0];
  const open = stack.move();
  return { nodes, watch, errors, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

function environment(): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL_EC2: `http://${EC2_ENDPOINT_ADDRESS}:${String(EC2_PORT)}`,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${METADATA_ADDRESS}`,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    ...QUICK,
  };
}

async function runInstances(
  client: Ec2.EC2Client,
  { region, run, count }: { readonly region: string; readonly run: string; readonly count: number },
): Promise<{ readonly vpcId: string; readonly instanceIds: readonly string[] }> {
  const zone = `${region}a`;
  const { execute, imageId } = await ec2Place(client, { region, zone, run });
  const { Vpc } = await execute('CreateVpc', { CidrBlock: CIDR });
  const vpcId = Vpc?.VpcId ?? '';
  const { Subnet } = await execute('CreateSubnet', { VpcId: vpcId, CidrBlock: CIDR, AvailabilityZone: zone });
  const number = { MinCount: count, MaxCount: count };
  const SubnetId = Subnet?.SubnetId ?? '';
  const { Instances = [] } = await execute('RunInstances', {
    ...number,
    ImageId: imageId,
    InstanceType: INSTANCE_TYPE,
    SubnetId,
  });
  return { vpcId, instanceIds: Instances.flatMap(({ InstanceId }) => InstanceId ?? []) };
}

/** Passes every connection of a listening socket on to the endpoint. */
async function forward(fd: number, endpoint: string): Promise<AsyncDisposable> {
  const { hostname, port } = new URL(endpoint);
  const sockets = new Set<{ destroy(): unknown }>();
  const server: Server = createServer((near) => {
    const far = connect({ host: hostname, port: Number(port) });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => (sockets.delete(one), other.destroy()));
    }
  });
  server.listen({ fd });
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/**
 * A whole small cluster on one machine: the embedded cloud, its fabric of network namespaces, and nodes that each run
 * a real ipamd. The demo and the tests above unit level stand on it.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cloud, startCloud } from '#cloud/emulator/cloud.ts';
import { EC2_ENDPOINT_ADDRESS, Fabric, METADATA_ADDRESS } from '#cloud/emulator/fabric/fabric.ts';
import { follow } from '#cloud/emulator/fabric/follow.ts';
import { regionSource } from '#cloud/emulator/fabric/region-source.ts';
import type { Region } from '#cloud/emulator/region.ts';
import { parseIpv6 } from '#warm-pool/ipv6.ts';
import { ClusterNode } from './cluster-node.ts';
import { runCommand } from './command.ts';
import { listenInNamespace } from './listen-in-namespace.ts';

export const EC2_PORT = 4580;

export interface ClusterOptions {
  /** Begins the name of every namespace; must be unique on the machine. At most 6 characters. */
  readonly prefix: string;
  readonly workDirectory: string;
  /** The CNI binary (or fallback script) that the nodes' runtime executes. */
  readonly cniBinary: string;
  readonly instanceTypes: readonly string[];
  /** Settings of every ipamd. */
  readonly env?: Readonly<Record<string, string>>;
  /** Delay of each EC2 call, and between an attachment and its link: the real ones take their time. */
  readonly latencyMs?: number;
  readonly attachLinkDelayMs?: number;
  /** `/26` makes a small subnet for tests of exhaustion, `/20` room for many pods; /24 where absent. */
  readonly subnetPrefixLength?: number;
  /** The VPC has an IPv6 CIDR block, each of its subnets a /64 of it, and each node an address of its own. */
  readonly ipv6?: boolean;
  /**
   * Where the VPC router lives: by default in this process's own network namespace (which must then be a private
   * one); with a name, in a namespace that is made for it.
   */
  readonly routerNetns?: string;
  /** What node is given to run ipamd: flags and the program. The sources of this checkout where absent. */
  readonly program?: readonly string[];
}

export class Cluster implements AsyncDisposable {
  readonly cloud: Cloud;
  readonly fabric: Fabric;
  readonly nodes: readonly ClusterNode[];
  readonly vpcId: string;
  /** What the fabric could not do since the start; a test that sees one has found a bug. */
  readonly errors: readonly Error[];
  readonly #stack: AsyncDisposableStack;
  readonly #last = new AsyncDisposableStack();

  private constructor(
    parts: Pick<Cluster, 'cloud' | 'fabric' | 'nodes' | 'vpcId' | 'errors'>,
    stack: AsyncDisposableStack,
  ) {
    this.cloud = parts.cloud;
    this.fabric = parts.fabric;
    this.nodes = parts.nodes;
    this.vpcId = parts.vpcId;
    this.errors = parts.errors;
    this.#stack = stack;
  }

  /** Nodes exist and reach the cloud; no ipamd runs yet. */
  static async create(options: ClusterOptions): Promise<Cluster> {
    await using stack = new AsyncDisposableStack();
    const { prefix, routerNetns, attachLinkDelayMs } = options;
    const errors: Error[] = [];
    const onError = (error: Error) => errors.push(error);
    if (routerNetns !== undefined) stack.use(await routerNamespace(routerNetns));
    const fabric = stack.use(
      await Fabric.create({
        prefix,
        onError,
        ...(routerNetns === undefined ? {} : { routerNetns }),
        ...(attachLinkDelayMs === undefined ? {} : { attachLinkDelayMs }),
      }),
    );
    const cloud = stack.use(await startCloud({ ...listeners(routerNetns), region: 'eu-test-1', seed: 1 }));
    if (options.latencyMs !== undefined) cloud.setLatency({ default: options.latencyMs });
    const { vpcId, subnetIds } = createVpc(cloud.region, options);
    const nodes: ClusterNode[] = [];
    for (const [index, instanceType] of options.instanceTypes.entries()) {
      const instanceId = runInstance(cloud.region, instanceType, {
        subnetId: subnetIds[index % subnetIds.length] ?? '',
        ipv6: options.ipv6 === true,
      });
      const name = `node-${String.fromCharCode(97 + index)}`;
      await fabric.addNode(instanceId, name);
      const directory = join(options.workDirectory, name);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      nodes.push(
        stack.use(
          new ClusterNode({
            name,
            instanceId,
            netns: fabric.nodeNamespace(instanceId),
            directory,
            prefix,
            cniBinary: options.cniBinary,
            env: { ...clientEnv(), ...options.env },
            ...(options.program === undefined ? {} : { program: options.program }),
          }),
        ),
      );
    }
    const following = stack.use(follow(regionSource(cloud.region, vpcId), fabric, onError));
    await following.settled();
    if (errors[0] !== undefined) throw errors[0];
    return new Cluster({ cloud, fabric, nodes, vpcId, errors }, stack.move());
  }

  /** Every node's ipamd serves when it resolves. */
  async startDaemons(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.startDaemon()));
  }

  /** Runs when the cluster is gone. */
  afterwards(work: () => Promise<void>): void {
    this.#last.defer(work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _last = this.#last;
    await this.#stack.disposeAsync();
  }
}

async function routerNamespace(name: string): Promise<AsyncDisposable> {
  await runCommand('ip', ['netns', 'add', name]);
  return { [Symbol.asyncDispose]: () => runCommand('ip', ['netns', 'delete', name]).then(() => undefined) };
}

function listeners(routerNetns: string | undefined) {
  if (routerNetns === undefined)
    return { listen: { host: '0.0.0.0', port: EC2_PORT }, metadata: { host: '0.0.0.0', port: 80 } };
  return {
    listen: { fd: listenInNamespace(routerNetns, EC2_PORT) },
    metadata: { fd: listenInNamespace(routerNetns, 80) },
  };
}

function clientEnv(): Readonly<Record<string, string>> {
  return {
    AWS_ENDPOINT_URL_EC2: `http://${EC2_ENDPOINT_ADDRESS}:${EC2_PORT}`,
    AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${METADATA_ADDRESS}`,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
  };
}

function createVpc(
  region: Region,
  { subnetPrefixLength: prefixLength = 24, ipv6 = false }: Pick<ClusterOptions, 'subnetPrefixLength' | 'ipv6'>,
): { readonly vpcId: string; readonly subnetIds: readonly string[] } {
  const { Vpc } = region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16', AmazonProvidedIpv6CidrBlock: ipv6 });
  const vpcId = Vpc?.VpcId ?? '';
  const ipv6Block = Vpc?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock ?? '';
  const subnetIds = ['a', 'b'].map((zone, index) => {
    const subnet = region.execute('CreateSubnet', {
      VpcId: vpcId,
      CidrBlock: `10.0.${index * Math.max(1, 2 ** (24 - prefixLength))}.0/${prefixLength}`,
      AvailabilityZone: `eu-test-1${zone}`,
      ...(ipv6 ? { Ipv6CidrBlock: subnetOf(ipv6Block, index) } : {}),
    });
    return subnet.Subnet?.SubnetId ?? '';
  });
  return { vpcId, subnetIds };
}

/** The /64 of a number in the /56 of a VPC. */
function subnetOf(vpcBlock: string, index: number): string {
  const { network = '' } = parseIpv6(vpcBlock.replace('/56', '')) ?? {};
  const [a, b, c, d = '0'] = network.split(':');
  return `${a}:${b}:${c}:${(Number.parseInt(d, 16) + index).toString(16)}::/64`;
}

function runInstance(
  region: Region,
  instanceType: string,
  { subnetId, ipv6 }: { readonly subnetId: string; readonly ipv6: boolean },
): string {
  const { Instances } = region.execute('RunInstances', {
    ImageId: 'ami-12345678',
    InstanceType: instanceType as 'm5.large',
    MinCount: 1,
    MaxCount: 1,
    SubnetId: subnetId,
    ...(ipv6 ? { Ipv6AddressCount: 1 } : {}),
  });
  return Instances?.[0]?.InstanceId ?? '';
}

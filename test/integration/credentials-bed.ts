/** An account that refuses what is not signed with its keys, one instance in it, and the ways in which a pod gets keys. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ec2Agent, type Ec2AgentOptions } from '#cloud/aws/agent/ec2-agent.ts';
import { type CallRecord, type Cloud, type CredentialSettings, startCloud } from '#cloud/emulator/cloud.ts';
import { bareEnvironment } from '#test/support/bare-environment.ts';

export const ROLE = 'arn:aws-us-gov:iam::123456789012:role/path/vpc-cni';
export const ACCOUNT: CredentialSettings = { required: true, instanceRole: 'node-role', lifetimeSeconds: 3600 };

type Variables = Readonly<Record<string, string>>;

export interface CredentialBed extends AsyncDisposable {
  readonly cloud: Cloud;
  readonly metadataEndpoint: string;
  /** An agent with these variables and no others, gone with the bed. */
  agent(variables: Variables, more?: Partial<Ec2AgentOptions>): Ec2Agent;
  /** A file of the bed with this text. */
  file(name: string, text: string): Promise<string>;
  /** Calls since the last `mark`. */
  calls(kind: CallRecord['kind']): readonly CallRecord[];
  mark(): void;
}

export async function credentialBed(): Promise<CredentialBed> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'wellspring-credentials-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const cloud = stack.use(await startCloud({ region: 'us-gov-test-1', credentials: ACCOUNT }));
  const { Vpc } = cloud.region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16' });
  const { Subnet } = cloud.region.execute('CreateSubnet', { VpcId: Vpc?.VpcId ?? '', CidrBlock: '10.0.0.0/24' });
  const { Instances } = cloud.region.execute('RunInstances', {
    ImageId: 'ami-12345678',
    InstanceType: 'm5.large',
    MinCount: 1,
    MaxCount: 1,
    SubnetId: Subnet?.SubnetId ?? '',
  });
  const address = { host: '127.0.0.1', port: 0, instanceId: Instances?.[0]?.InstanceId ?? '' };
  const { endpoint: metadataEndpoint } = await cloud.serveMetadata(address);
  let from = 0;
  const open = stack.move();
  return {
    cloud,
    metadataEndpoint,
    agent: (variables, more = {}) => {
      const environment = {
        ...bareEnvironment(),
        HOME: directory,
        AWS_EC2_METADATA_SERVICE_ENDPOINT: metadataEndpoint,
        ...variables,
      };
      const agent = new Ec2Agent({
        region: 'us-gov-test-1',
        endpoint: cloud.endpoint,
        version: '0',
        httpTimeoutSeconds: 30,
        environment,
        ...more,
      });
      return open.use(agent);
    },
    file: async (name, text) => {
      const path = join(directory, name);
      await writeFile(path, text);
      return path;
    },
    calls: (kind) =>
      cloud
        .calls()
        .slice(from)
        .filter((call) => call.kind === kind),
    mark: () => void (from = cloud.calls().length),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** The token of a service account; the emulator does not look at its signature. */
export function serviceAccountToken(lifetimeSeconds: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + lifetimeSeconds;
  return `${part({ alg: 'RS256' })}.${part({ sub: 'system:serviceaccount:kube-system:aws-node', exp })}.${part({})}`;
}

/** `wellspring-cloud up --fabric`: links for the nodes of a description, and nothing left of them after `down`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { namespacesWith } from '#cloud/emulator/fabric/namespaces.ts';
import { runCommand } from '#test/support/command.ts';
import { until } from '#test/support/until.ts';
import { describeWith } from '#test/support/require.ts';
import { ip, reaches, runIn, uniquePrefix } from './fabric-bed.ts';

const MAIN = new URL('../../cloud/emulator/main.ts', import.meta.url).pathname;
const YAML = `
vpcs:
  - name: main
    cidr: 10.0.0.0/16
    subnets: [{ name: a, cidr: 10.0.0.0/24 }, { name: b, cidr: 10.0.1.0/24 }]
    nodes: [{ name: one, subnet: a, instanceType: m5.large }, { name: two, subnet: b, instanceType: m5.large }]
`;

interface Ready {
  readonly endpoint: string;
  readonly names: {
    readonly nodes: Readonly<Record<string, string>>;
    readonly subnets: Readonly<Record<string, string>>;
  };
  readonly namespaces: Readonly<Record<'one' | 'two', string>>;
}

const cloud = (args: readonly string[]) =>
  runCommand(process.execPath, ['--no-warnings', MAIN, ...args], { timeoutMs: 60_000 });

async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'wellspring-test-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

describeWith(['root', 'ip', 'ping', 'curl'], 'wellspring-cloud up --fabric', () => {
  it('lays links that carry packets, follows attachments, and takes all of it away', async () => {
    const prefix = uniquePrefix()
      .slice(-10)
      .replace(/^[^a-z]/, 'w');
    await using place = await temporaryDirectory();
    const file = join(place.path, 'cloud.yaml');
    await writeFile(file, YAML);
    const up = ['up', '--file', file, '--fabric', '--prefix', prefix, '--listen', '127.0.0.1:0', '--json'];
    const ready = JSON.parse(await cloud([...up, '--detach'])) as Ready;
    try {
      const { one, two } = ready.namespaces;
      expect([one, two]).toEqual([`${prefix}one`, `${prefix}two`]);
      expect(await reaches(one, '10.0.1.4')).toBe(true);
      const token = 'http://169.254.169.254/latest/api/token';
      const put = ['-sf', '-X', 'PUT', '-H', 'x-aws-ec2-metadata-token-ttl-seconds: 60', token];
      const header = `x-aws-ec2-metadata-token: ${await runIn(two, 'curl', ...put)}`;
      const id = await runIn(two, 'curl', '-sf', '-H', header, 'http://169.254.169.254/latest/meta-data/instance-id');
      expect(id).toBe(ready.names.nodes['two']);
      const health = await runIn(one, 'curl', '-sf', 'http://169.254.169.250:4566/_wellspring/health');
      expect(JSON.parse(health)).toMatchObject({ status: 'ok' });
      const url = `${ready.endpoint}/?Version=2016-11-15&Action=`;
      const asked = async (query: string) => (await fetch(url + query)).text();
      const made = await asked(`CreateNetworkInterface&SubnetId=${String(ready.names.subnets['a'])}`);
      const eni = /<networkInterfaceId>(eni-\w+)/.exec(made)?.[1];
      const mac = String(/<macAddress>([0-9a-f:]+)/.exec(made)?.[1]);
      expect(ip(['-o', 'link', 'show'], one)).not.toContain(mac);
      await asked(
        `AttachNetworkInterface&NetworkInterfaceId=${eni}&InstanceId=${ready.names.nodes['one']}&DeviceIndex=1`,
      );
      await until('the link of the new ENI is there', 20_000, () => ip(['-o', 'link', 'show'], one).includes(mac));
    } finally {
      await cloud(['down', '--endpoint', ready.endpoint]);
    }
    expect(await namespacesWith(prefix)).toEqual([]);
  });

  it('says that it needs one VPC, and leaves nothing behind', async () => {
    const prefix = uniquePrefix()
      .slice(-10)
      .replace(/^[^a-z]/, 'w');
    const refused = cloud(['up', '--fabric', '--prefix', prefix, '--listen', '127.0.0.1:0']);
    await expect(refused).rejects.toThrow('--fabric needs a description (--file) with exactly one VPC');
    expect(await namespacesWith(prefix)).toEqual([]);
  });
});

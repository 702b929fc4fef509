/** What `wellspringctl cleanup` finds and removes: everything of ours, nothing of others, with no state. The program itself is run. */
import { createServer } from 'node:http';
import { rmSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import type { CleanUp } from '#ipamd/datapath/clean-up.ts';
import { run } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { PRIMARY_IPV6 } from './support/datapath-node.ts';

const MAIN = new URL('../../ipamd/ctl/main.ts', import.meta.url).pathname;

describeWith(['root', 'ip', 'nft'], 'wellspringctl cleanup', () => {
  const fixture = new DatapathFixture();
  const ctl = (...args: readonly string[]) =>
    run('nsenter', [`--net=${fixture.node.path('node')}`, process.execPath, '--no-warnings', MAIN, 'cleanup', ...args]);
  const json = async (...args: readonly string[]): Promise<CleanUp> => {
    const { code, stdout, stderr } = await ctl('--json', '--socket', '/nowhere', ...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout) as CleanUp;
  };

  /** Counters count what comes by meanwhile. */
  const hostState = () => fixture.hostState().map((line) => line.replace(/packets \d+ bytes \d+/, ''));

  async function busyNode(): Promise<void> {
    await fixture.setUp({ family: 'dual', primaryIpv6Address: PRIMARY_IPV6 });
    await fixture.addPod('a', ['10.0.0.21', '2001:db8:0:1:f::21']);
    const mapping = { hostPort: 80, containerPort: 80, protocol: 'tcp', hostIp: undefined } as const;
    fixture.node.addNamespace('b');
    await fixture.datapath.addPod({
      ...fixture.attachment('b', '10.0.1.22', 1),
      portMappings: [mapping],
      bandwidth: { ingressRate: 8e6, ingressBurst: 160_000, egressRate: undefined, egressBurst: undefined },
    });
  }

  it('lists what is ours, changes nothing, and removes it when told to; what others made stays', async () => {
    const { node } = fixture;
    node.ip('node', 'route add 192.0.2.0/24 dev eth0');
    node.ip('node', 'rule add from 192.0.2.0/24 table 99');
    node.exec('node', 'nft', 'add table inet foreign');
    node.ip('node', 'link add foreign type veth peer name foreign2');
    const idle = hostState();
    await busyNode();
    const busy = hostState();
    const listed = await json();
    expect(hostState()).toEqual(busy);
    expect(listed).toMatchObject({ removed: false, left: [] });
    const texts = listed.objects.map(({ kind, what }) => `${kind} ${what}`);
    expect(texts).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^link eni\S+ \(a-sandbox\/eth0\)$/),
        expect.stringMatching(/^link eni\S+ \(b-sandbox\/eth0\)$/),
        expect.stringMatching(/^route 10\.0\.0\.21\/32 dev eni\S+ .*table 8787/),
        expect.stringMatching(/^rule .*512/),
        'address 10.0.1.10/24 dev eth1',
        'nft table inet wellspring',
      ]),
    );
    expect(texts.filter((text) => /192\.0\.2|foreign/.test(text))).toEqual([]);
    const text = (await ctl('--socket', '/nowhere')).stdout;
    expect(text).toContain(`Would remove ${listed.objects.length} objects:\n  link eni`);
    expect(text).toContain('Pods lose their network with their links (2). Nothing has been changed');
    expect(await json('--yes')).toEqual({ removed: true, objects: listed.objects, left: [] });
    expect(hostState()).toEqual(idle);
    expect(await json('--yes')).toEqual({ removed: true, objects: [], left: [] });
    expect((await ctl('--socket', '/nowhere')).stdout).toBe('Nothing of wellspring is in the kernel of this node.\n');
  });

  it('is refused beside a daemon, without root, and with what does not go with it', async () => {
    await busyNode();
    const before = hostState();
    const socket = `/tmp/${fixture.node.prefix}.sock`;
    const server = createServer((_, response) => response.end('{}'));
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    try {
      const refused = await ctl('--yes', '--socket', socket);
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(
        /^wellspringctl: nothing was removed: ipamd runs on this node\nwhy: .*\ndo: .*\n$/,
      );
    } finally {
      await new Promise((resolve) => server.close(resolve));
      rmSync(socket, { force: true });
    }
    const nobody = [
      '--net=' + fixture.node.path('node'),
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
    ];
    const powerless = await run('nsenter', [...nobody, process.execPath, '--no-warnings', MAIN, 'cleanup', '--yes']);
    expect(powerless).toMatchObject({ code: 1, stderr: expect.stringContaining('do:  Run it as root') });
    const pods = await run(process.execPath, ['--no-warnings', MAIN, 'pods', '--yes']);
    expect(pods).toMatchObject({ code: 2, stderr: expect.stringContaining('`pods` changes nothing') });
    expect(hostState()).toEqual(before);
  });
});

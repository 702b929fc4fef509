/** Pods in the kernel: made, found, checked and removed without a trace. Expected state is the text of `ip`. */
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { linkMac } from '#ipamd/datapath/names.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { PRIMARY_ADDRESS, run } from './support/datapath-node.ts';

describeWith(['root', 'ip', 'nft'], 'datapath: pods', () => {
  const fixture = new DatapathFixture();
  const lines = (text: string): readonly string[] =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');

  it('makes the link, the routes and the neighbours of both sides', async () => {
    await fixture.setUp();
    const { node } = fixture;
    const pod = await fixture.addPod('a', '10.0.1.21', 1);
    const macs = { host: linkMac('a-sandbox', 'eth0', 'host'), pod: linkMac('a-sandbox', 'eth0', 'pod') };

    const host = node.ip('node', `-d link show ${pod.hostIfName}`);
    expect(host).toMatch(/<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 .* group 1465057281 /);
    expect(host).toContain(`link/ether ${macs.host}`);
    expect(host).toContain('numtxqueues 1 numrxqueues 1 ');
    expect(host).toContain('alias a-sandbox/eth0');
    expect(lines(node.ip('node', 'route show table 8787'))).toEqual([
      `10.0.1.21 dev ${pod.hostIfName} proto 87 scope link src ${PRIMARY_ADDRESS}`,
    ]);
    expect(lines(node.ip('node', 'neigh show nud permanent'))).toEqual([
      `10.0.1.21 dev ${pod.hostIfName} lladdr ${macs.pod} PERMANENT`,
    ]);
    expect(node.exec('node', 'cat', `/proc/sys/net/ipv4/conf/${pod.hostIfName}/rp_filter`).trim()).toBe('1');

    const inside = node.ip('a', '-d link show eth0');
    expect(inside).toMatch(/^2: eth0.*<BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 /);
    expect(inside).toContain(`link/ether ${macs.pod}`);
    expect(node.ip('a', '-4 -o addr show eth0')).toContain('inet 10.0.1.21/32 scope global eth0');
    expect(lines(node.ip('a', '-4 route'))).toEqual([
      'default via 169.254.1.1 dev eth0',
      '169.254.1.1 dev eth0 scope link',
    ]);
    expect(lines(node.ip('a', 'neigh'))).toEqual([`169.254.1.1 dev eth0 lladdr ${macs.host} PERMANENT`]);
    expect(node.ip('a', 'link show lo')).toContain('LOOPBACK,UP');
    expect(await fixture.datapath.listPods()).toEqual([
      { hostIfName: pod.hostIfName, ifIndex: expect.any(Number), key: 'a-sandbox/eth0', addresses: ['10.0.1.21'] },
    ]);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
  });

  it('leaves nothing after fifty pods came and went, each deleted twice, some without their namespace', async () => {
    await fixture.setUp();
    const before = fixture.hostState();
    for (let round = 0; round < 50; round += 1) {
      const short = `p${round}`;
      fixture.node.addNamespace(short);
      const pod = fixture.attachment(short, `10.0.0.${100 + round}`);
      await fixture.datapath.addPod(pod);
      if (round % 2 === 0) fixture.node.removeNamespace(short);
      const name = { hostIfName: pod.hostIfName, addresses: pod.addresses };
      await fixture.datapath.deletePod(name);
      await fixture.datapath.deletePod(name);
    }
    await fixture.datapath.settled();
    expect(fixture.hostState()).toEqual(before);
    expect(await fixture.datapath.listPods()).toEqual([]);
  });

  it('makes twenty pods at once', async () => {
    await fixture.setUp();
    const pods = Array.from({ length: 20 }, (_, index) => fixture.attachment(`p${index}`, `10.0.0.${100 + index}`));
    pods.forEach((_, index) => fixture.node.addNamespace(`p${index}`));
    await Promise.all(pods.map((pod) => fixture.datapath.addPod(pod)));
    expect((await fixture.datapath.listPods()).map(({ key }) => key).toSorted()).toEqual(
      pods.map(({ containerId }) => `${containerId}/eth0`).toSorted(),
    );
    for (const pod of pods) expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    await Promise.all(
      pods.map((pod) => fixture.datapath.deletePod({ hostIfName: pod.hostIfName, addresses: pod.addresses })),
    );
    expect(fixture.node.ip('node', 'route show table 8787')).toBe('');
    await fixture.datapath.settled();
    expect(fixture.node.ip('node', '-o link')).not.toContain('eni');
  });

  it('leaves every thread of the process in its own namespace, whatever else runs at the time', async () => {
    await fixture.setUp();
    const pods = Array.from({ length: 8 }, (_, index) => fixture.attachment(`p${index}`, `10.0.0.${100 + index}`));
    pods.forEach((_, index) => fixture.node.addNamespace(`p${index}`));
    await Promise.all(
      pods.flatMap((pod) => [readFile('/proc/self/stat'), fixture.datapath.addPod(pod), readFile('/proc/self/stat')]),
    );
    const threads = readdirSync('/proc/self/task').map((thread) => readlinkSync(`/proc/self/task/${thread}/ns/net`));
    expect(threads.length).toBeGreaterThan(4);
    expect(new Set(threads).size).toBe(1);
  });

  it('replaces the link when an ADD is tried again, and when it follows at once on a DEL', async () => {
    await fixture.setUp();
    const pod = await fixture.addPod('a', '10.0.0.21');
    await fixture.datapath.addPod(pod);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    const moved = { ...pod, addresses: ['10.0.0.22'] };
    const gone = fixture.datapath.deletePod({ hostIfName: pod.hostIfName, addresses: pod.addresses });
    await Promise.all([gone, fixture.datapath.addPod(moved)]);
    await fixture.datapath.settled();
    expect(await fixture.datapath.checkPod(moved)).toEqual([]);
    expect((await fixture.datapath.listPods()).map(({ addresses }) => addresses)).toEqual([['10.0.0.22']]);
  });

  it('does not take an address from the pod that has it now when a late DEL names it', async () => {
    await fixture.setUp();
    const old = await fixture.addPod('a', '10.0.0.21');
    await fixture.deletePod(old);
    const next = await fixture.addPod('b', '10.0.0.21');
    await fixture.deletePod(old);
    expect(await fixture.datapath.checkPod(next)).toEqual([]);
  });

  it('takes routes and neighbours away before a DEL is answered, whatever others made of them and of the link', async () => {
    await fixture.setUp({ family: 'dual' });
    const left = await fixture.addPod('left', ['10.0.0.21', '2001:db8:0:1:1::21']);
    const right = await fixture.addPod('right', ['10.0.0.22', '2001:db8:0:1:1::22']);
    const { node } = fixture;
    const link = left.hostIfName;
    node.ip('node', `route replace 10.0.0.21 dev ${link} table 8787 proto 87 scope link src 127.0.0.1`);
    node.ip('node', `link set ${link} group 5`);
    const ofLeft = (): readonly string[] =>
      ['route show table 8787', '-6 route show table 8787', 'neigh show nud permanent', '-6 neigh show nud permanent']
        .flatMap((args) => lines(node.ip('node', args)))
        .filter((line) => line.includes(link));
    expect(ofLeft()).not.toEqual([]);
    await fixture.datapath.deletePod({ hostIfName: link, addresses: left.addresses });
    expect(ofLeft()).toEqual([]);
    await fixture.datapath.settled();
    expect(node.ip('node', '-o link')).not.toContain(link);
    expect(await fixture.datapath.checkPod(right)).toEqual([]);
  });

  it('finds its way when index 2 is taken in the namespace', async () => {
    await fixture.setUp();
    fixture.node.addNamespace('a');
    fixture.node.ip('a', 'link add x0 type veth peer name x1');
    const pod = fixture.attachment('a', '10.0.0.21');
    await fixture.datapath.addPod(pod);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    expect(fixture.node.ip('a', '-4 -o addr show eth0')).toContain('10.0.0.21/32');
  });

  it('refuses, names the reason, and leaves nothing', async () => {
    await fixture.setUp();
    const { node, datapath } = fixture;
    node.addNamespace('a');
    node.ip('a', 'link add eth0 type veth peer name x1');
    const pod = fixture.attachment('a', '10.0.0.21');
    const file = `/tmp/${node.prefix}-file`;
    const fifo = `/tmp/${node.prefix}-fifo`;
    const before = fixture.hostState();
    writeFileSync(file, '');
    run('mkfifo', fifo);
    try {
      await expect(datapath.addPod(pod)).rejects.toMatchObject({ code: 'name-in-use', errno: 'EEXIST' });
      for (const netns of [file, fifo, '/nowhere', '/tmp', node.path('node')]) {
        await expect(datapath.addPod({ ...pod, netns })).rejects.toMatchObject({ code: 'no-such-netns' });
      }
      await expect(datapath.addPod({ ...pod, deviceIndex: 7 })).rejects.toMatchObject({ code: 'no-such-link' });
      await expect(datapath.addPod({ ...pod, hostIfName: 'eth1', ifName: 'e1' })).rejects.toMatchObject({
        code: 'name-in-use',
      });
      await expect(datapath.addPod({ ...pod, ifName: 'e1', mtu: 9_999_999 })).rejects.toMatchObject({
        code: 'kernel-refused',
        errno: 'EINVAL',
      });
      await expect(datapath.addPod({ ...pod, ifName: 'e1', addresses: ['no-address'] })).rejects.toMatchObject({
        code: 'kernel-refused',
      });
    } finally {
      run('rm', '-f', file, fifo);
    }
    await datapath.settled();
    expect(fixture.hostState()).toEqual(before);
  });

  it("undoes the link when the host side cannot be finished, and hands on the kernel's own words", async () => {
    await fixture.setUp();
    fixture.node.addNamespace('a');
    fixture.node.ip('node', `addr del ${PRIMARY_ADDRESS}/24 dev eth0`);
    const before = fixture.hostState();
    await expect(fixture.datapath.addPod(fixture.attachment('a', '10.0.0.21'))).rejects.toMatchObject({
      code: 'kernel-refused',
      errno: 'EINVAL',
      message: expect.stringContaining('Invalid prefsrc address'),
    });
    await fixture.datapath.settled();
    expect(fixture.hostState()).toEqual(before);
    expect(fixture.node.ip('a', '-o link')).not.toContain('eth0');
  });

  const damages: readonly (readonly [name: string, where: 'node' | 'a', command: string, object: RegExp])[] = [
    ['host route gone', 'node', 'route del 10.0.1.21 table 8787', /^host route$/],
    ['host neighbour gone', 'node', 'neigh del 10.0.1.21 dev LINK', /^host neighbour$/],
    ['group changed', 'node', 'link set LINK group 5', /^host link .* group$/],
    ['alias changed', 'node', 'link set LINK alias other', /^host link .* alias$/],
    ['host link down', 'node', 'link set LINK down', /^host link .* state$/],
    ['host MTU', 'node', 'link set LINK mtu 1300', /^host link .* MTU$/],
    ['host link gone', 'node', 'link del LINK', /^host link [^ ]*$/],
    ['pod address gone', 'a', 'addr del 10.0.1.21/32 dev eth0', /^pod address$/],
    ['pod default route gone', 'a', 'route del default', /^pod route$/],
    ['pod neighbour gone', 'a', 'neigh del 169.254.1.1 dev eth0', /^pod neighbour$/],
    ['pod link down', 'a', 'link set eth0 down', /^pod link eth0 state$/],
    ['rule gone', 'node', 'rule del priority 512', /^rule$/],
    ['ENI table empty', 'node', 'route flush table 2', /^table 2$/],
  ];
  it.each(damages)('CHECK names the damage: %s', async (_, where, command, object) => {
    await fixture.setUp();
    const pod = await fixture.addPod('a', '10.0.1.21', 1);
    fixture.node.ip(where, command.replace('LINK', pod.hostIfName));
    const found = (await fixture.datapath.checkPod(pod)).map((damage) => damage.object);
    expect(found).toEqual(expect.arrayContaining([expect.stringMatching(object)]));
  });

  it('CHECK names a lost nft chain', async () => {
    await fixture.setUp();
    const pod = await fixture.addPod('a', '10.0.1.21', 1);
    fixture.node.exec('node', 'nft', 'flush', 'chain', 'inet', 'wellspring', 'egress');
    expect(await fixture.datapath.checkPod(pod)).toEqual([
      { object: 'nft chain inet wellspring egress', expected: '2 rules', found: '0 rules' },
    ]);
    fixture.node.exec('node', 'nft', 'flush', 'ruleset');
    expect(await fixture.datapath.checkPod(pod)).toEqual([
      { object: 'nft table inet wellspring', expected: 'as it was put', found: 'none' },
    ]);
  });
});

/** Netlink where it is hard: dumps while the kernel's lists change, more news than a socket holds, refusals with their reason. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from '@jest/globals';
import { openKernel } from '#ipamd/datapath/kernel.ts';
import { RTNLGRP_LINK } from '#ipamd/datapath/netlink/constants.ts';
import { NetlinkError } from '#ipamd/datapath/netlink/errors.ts';
import { submit } from '#ipamd/datapath/netlink/exchange.ts';
import { decodeMessages } from '#ipamd/datapath/netlink/message.ts';
import { changeLink } from '#ipamd/datapath/netlink/route/link.ts';
import { replaceRoute } from '#ipamd/datapath/netlink/route/route.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';

describeWith(['root', 'ip', 'nft'], 'netlink under stress', () => {
  const fixture = new DatapathFixture();

  /** Runs lines of `ip -batch` on the node, beside this process. */
  function batch(lines: readonly string[]): { readonly done: Promise<unknown>; readonly isDone: () => boolean } {
    const child = spawn('ip', ['-n', fixture.node.name('node'), '-batch', '-'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    child.stdin.end(`${lines.join('\n')}\n`);
    return { done: once(child, 'close'), isDone: () => child.exitCode !== null };
  }

  it('a dump is whole, and every pod in it, while links come and go', async () => {
    await fixture.setUp();
    const pods = [];
    for (const name of ['a', 'b', 'c']) pods.push(await fixture.addPod(name, `10.0.0.${20 + pods.length}`));
    // A dump of so many links takes several datagrams, between which it can be interrupted.
    await batch(Array.from({ length: 60 }, (_, at) => `link add s${at} type veth peer name t${at}`)).done;
    const changes = Array.from({ length: 40 }, (_, at) => [
      `link add x${at} type veth peer name y${at}`,
      `link del x${at}`,
    ]);
    let churn = batch(changes.flat());
    let rounds = 0;
    while (rounds < 6 || !churn.isDone()) {
      if (churn.isDone()) churn = batch(changes.flat());
      const found = await fixture.datapath.listPods();
      expect(found.map(({ hostIfName }) => hostIfName).toSorted()).toEqual(
        pods.map(({ hostIfName }) => hostIfName).toSorted(),
      );
      rounds += 1;
      // Lets the child's end be noticed.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await churn.done;
  });

  it('news that overran the socket is an error that says so, once; the listener hears of it and goes on', async () => {
    await fixture.setUp();
    const { node, datapath } = fixture;
    let heard = 0;
    await using _watch = datapath.watchLinks?.(() => (heard += 1));
    using kernel = await openKernel({ hostNetns: node.path('node') });
    using news = kernel.openInHost({ family: 'route', groups: [RTNLGRP_LINK] });
    const eth1 = Number(node.exec('node', 'cat', '/sys/class/net/eth1/ifindex'));
    const changes = Array.from({ length: 100 }, (_, at) => changeLink(eth1, { mtu: 1300 + at }, 'eth1'));
    // More than the four megabytes that the socket is given. All in one turn, so that nobody empties it.
    for (let round = 0; round < 60; round += 1) submit(kernel.route, changes);
    const errors: string[] = [];
    let messages = 0;
    for (;;) {
      try {
        const datagram = news.receive();
        if (datagram === undefined) break;
        messages += decodeMessages(datagram).length;
      } catch (error) {
        errors.push(error instanceof NetlinkError ? error.errno : String(error));
      }
    }
    expect(errors).toEqual(['ENOBUFS']);
    expect(messages).toBeGreaterThan(100);
    await until('the listener heard of it', 5000, () => heard > 0);
    const before = heard;
    node.ip('node', 'link set eth1 mtu 1500');
    await until('the listener goes on', 5000, () => heard > before);
  });

  it('a refusal carries the words of the kernel, and the request in ours', async () => {
    await fixture.setUp();
    using kernel = await openKernel({ hostNetns: fixture.node.path('node') });
    const route = { table: 8787, protocol: 87, scope: 253, link: 1, destination: '10.9.9.9', prefixLength: 32 };
    expect(() => submit(kernel.route, [replaceRoute({ ...route, preferredSource: '10.77.0.1' })])).toThrow(
      /^route replace 10\.9\.9\.9.*: EINVAL \(Invalid prefsrc address\)$/,
    );
    expect(() => submit(kernel.route, [changeLink(9999, { mtu: 1400 }, 'gone')])).toThrow(/^link set gone.*: ENODEV/);
  });
});

/** NAT and host ports beside a real kube-proxy in ipvs mode, on a kernel that has IPVS. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { cacheDirectory } from '#test/kubernetes/build.ts';
import { DatapathFixture } from '#test/kernel/support/datapath-fixture.ts';
import {
  FABRIC_IPV6,
  OUTSIDE_ADDRESS,
  OUTSIDE_IPV6,
  PRIMARY_ADDRESS,
  PRIMARY_IPV6,
} from '#test/kernel/support/datapath-node.ts';
import { describeWith } from '#test/support/require.ts';
import { HOST_PORT, ipvsBed, PODS } from './ipvs-bed.ts';

const NODE_PORT = 30_080;
/** Of the VPC, behind the fabric. */
const FAR = '10.0.1.1';
const TEST_MS = 1_200_000;
const [A, A6] = PODS.a;
const [B, B6] = PODS.b;

// Compiling them on an emulated processor would take hours: main.ts does it before the machine starts.
const isBuilt = ['kube-apiserver', 'kube-proxy'].every((name) => existsSync(join(cacheDirectory(), name)));
const needs = ['root', 'ip', 'nft', 'iptables', 'ipset', 'conntrack', 'etcd'] as const;
const title = 'beside kube-proxy in ipvs mode';
if (isBuilt) describeWith(needs, title, besideIpvs);
else describe.skip(`${title} [skipped: needs kube-apiserver and kube-proxy, which Go builds]`, besideIpvs);

function besideIpvs(): void {
  const fixture = new DatapathFixture();
  const both = (address: string) => [address, address];

  // One test, because everything takes its time to start.
  it(
    'pods are seen as who they are, what leaves the VPC as the node, NodePorts and host ports are answered',
    async () => {
      await using stack = new AsyncDisposableStack();
      const { serve, startProxy, people, seen } = await ipvsBed(fixture, stack);
      const near = await serve('near', B, { nodePort: NODE_PORT, externalTrafficPolicy: 'Local' });
      const [far, away] = [await serve('far', FAR), await serve('away', OUTSIDE_ADDRESS)];
      const [near6, far6] = [await serve('near6', B6), await serve('far6', FABRIC_IPV6)];
      const away6 = await serve('away6', OUTSIDE_IPV6);
      await startProxy(14);
      await people('a', 'b', 'fabric', 'outside', 'node');
      expect(fixture.node.exec('node', 'nft', 'list', 'ruleset')).toContain('KUBE-NODE-PORT');

      // In the VPC, on this node and elsewhere: as who they are.
      expect(await seen('a', near)).toEqual(both(A));
      expect(await seen('a', far)).toEqual(both(A));
      expect(await seen('b', far)).toEqual(both(B));
      expect(await seen('a', near6)).toEqual(both(A6));
      expect(await seen('a', far6)).toEqual(both(A6));
      expect(await seen('b', far6)).toEqual(both(B6));
      // A pod that reaches itself sees its node.
      expect(await seen('b', near)).toEqual(both(PRIMARY_ADDRESS));
      // Outside of the VPC, by a Service or not: IPv4 as the node, IPv6 as who they are.
      for (const to of [away, OUTSIDE_ADDRESS]) expect(await seen('b', to)).toEqual(both(PRIMARY_ADDRESS));
      expect(await seen('a', away)).toEqual(both(PRIMARY_ADDRESS));
      expect(await seen('b', away6)).toEqual(both(B6));
      // The NodePort of a pod on the second ENI is answered by the first.
      expect(await seen('outside', PRIMARY_ADDRESS, NODE_PORT)).toEqual(both(OUTSIDE_ADDRESS));
      expect((await seen('a', PRIMARY_ADDRESS, NODE_PORT))[1]).not.toBe('no answer');
      // The node itself; by TCP, because the fabric answers datagrams with the address of the link that it answers by.
      expect((await seen('node', far))[1]).toBe(PRIMARY_ADDRESS);
      expect(await seen('node', near)).toEqual(both(PRIMARY_ADDRESS));
      // Host ports are the node's own: everything above had a port that one leads nowhere.
      expect(await seen('outside', PRIMARY_ADDRESS, HOST_PORT)).toEqual(both(OUTSIDE_ADDRESS));
      expect(await seen('b', PRIMARY_ADDRESS, HOST_PORT)).toEqual(both(B));
      expect(await seen('b', PRIMARY_IPV6, HOST_PORT)).toEqual(both(B6));
      expect((await seen('b', PRIMARY_ADDRESS))[1]).toBe('ECONNREFUSED');
    },
    TEST_MS,
  );
}

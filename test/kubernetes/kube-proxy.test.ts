/** Services and NodePorts through a real kube-proxy, to and from pods of both ENIs: who sees whom, and what is left intact. */
import { afterAll, beforeAll, describe } from '@jest/globals';
import { describeWith } from '#test/support/require.ts';
import { builtApiServer, builtKubeProxy } from './build.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { type ProxyBed, proxyBed } from './proxy/bed.ts';
import { connections } from './proxy/connections.ts';
import { settings } from './proxy/settings.ts';
import { traffic } from './proxy/traffic.ts';

const BUILD_MS = 30 * 60_000;

describeWith(['root', 'ip', 'nft', 'iptables', 'conntrack', 'go', 'etcd'], 'beside kube-proxy', () => {
  let api: ControlPlane;
  let program: string;
  beforeAll(async () => {
    api = await startControlPlane(await builtApiServer());
    program = await builtKubeProxy();
  }, BUILD_MS);
  afterAll(() => api?.[Symbol.asyncDispose]());

  describe.each(['iptables', 'nftables'] as const)('in %s mode', (mode) => {
    let bed: ProxyBed;
    beforeAll(async () => {
      bed = await proxyBed({ api, program, mode, family: 'dual' });
    });
    afterAll(() => bed?.[Symbol.asyncDispose]());

    traffic(() => bed);
    connections(mode, () => bed);
    settings(() => bed);
  });
});

/** Pods with ENIs of their own in what the daemon shows: beside the others, and explained as what they are. */
import { describe, expect, it } from '@jest/globals';
import { attachmentKey, emptyLedger } from '#warm-pool/ledger.ts';
import type { StoredAssignment, StoredBranch } from '../store/records.ts';
import { Pool } from '../pool.ts';
import { explainAddress, explainPod } from './explain-pod.ts';
import { podRows } from './explain-rows.ts';

const NOW = 1_000_000;
const stored = (containerId: string, address: string, interfaceId: string): StoredAssignment => ({
  attachment: { networkName: 'net', containerId, ifName: 'eth0' },
  pod: { namespace: 'default', name: containerId, uid: `uid-${containerId}` },
  address,
  interfaceId,
  cidr: '',
  assignedAt: NOW,
  hostIfName: `eni${containerId}`,
  netns: `/run/netns/${containerId}`,
});
const branch: StoredBranch = {
  ...stored('secure', '10.0.7.20', 'eni-branch'),
  ipv6Address: '2001:db8:7::20',
  branch: { mac: '02:00:00:00:00:07', vlanId: 7, trunkMac: '02:00:00:00:00:03', mode: 'strict' },
};

function source() {
  const limits = { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: 29 };
  const pool = new Pool(emptyLedger({ mode: 'address', limits, coolDownMs: 0 }), () => NOW);
  const plain = stored('plain', '10.0.0.20', 'eni-1');
  const byKey = <T extends StoredAssignment>(one: T) => new Map([[attachmentKey(one.attachment), one]]);
  return { pool, attachments: byKey(plain), branches: byKey(branch) };
}

describe('pods with ENIs of their own', () => {
  it('have rows like others, with the table of their ENI', () => {
    expect(podRows(source())).toMatchObject([
      { name: 'plain', routeTable: 'main', vlanId: null, enforcingMode: null },
      {
        name: 'secure',
        address: '10.0.7.20',
        ipv6Address: '2001:db8:7::20',
        eni: 'eni-branch',
        routeTable: 107,
        vlanId: 7,
        enforcingMode: 'strict',
      },
    ]);
  });

  it('are not said to have lost an address that no ENI of the pool holds', () => {
    const from = source();
    const [plain, secure] = podRows(from);
    if (plain === undefined || secure === undefined) throw new Error('two rows');
    expect(explainPod(plain, from, NOW).fix).toMatch(/kubectl delete pod/);
    const answer = explainPod(secure, from, NOW);
    expect(answer.fix).toBe('Nothing.');
    expect(answer.sentences.join(' ')).toContain('eni-branch, an ENI of its own, VLAN 7 on the trunk ENI');
  });

  it.each(['10.0.7.20', '2001:db8:7:0::20'])('are found by %s', (address) => {
    expect(explainAddress(address, source(), NOW)).toMatchObject({
      state: 'assigned',
      eni: 'eni-branch',
      pod: { name: 'secure' },
      fix: 'Nothing.',
    });
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { adoptPeerPods } from '../start/peer-pods.ts';
import { parsePeerCheckpoint } from '../store/peer-checkpoint.ts';
import { replay, type StoredAssignment } from '../store/records.ts';
import { peerIfName, planBack } from './back-plan.ts';

const HOW = { vethPrefix: 'eni', branches: [] };

function stored(n: number, changes: Partial<StoredAssignment> = {}): StoredAssignment {
  return {
    attachment: { networkName: 'wellspring', containerId: `c${n}`, ifName: 'eth0' },
    pod: { namespace: 'default', name: `pod-${n}`, uid: '' },
    address: `10.0.${n >> 8}.${n & 255}`,
    interfaceId: 'eni-1',
    cidr: `10.0.${n >> 8}.${n & 255}/32`,
    assignedAt: 1_700_000_000_123,
    hostIfName: `eniours${n}`,
    netns: '',
    ...changes,
  };
}

const stateOf = (assignments: readonly StoredAssignment[]) =>
  replay([
    ...[0, 1].map((networkCardIndex) => ({
      kind: 'interface' as const,
      subnetCidr: '10.0.0.0/16',
      networkInterface: {
        id: `eni-${networkCardIndex + 1}`,
        subnetId: 'subnet-1',
        mac: '02:00:00:00:00:01',
        primaryAddress: '10.0.255.1',
        isPrimary: false,
        deviceIndex: 1,
        networkCardIndex,
        attachmentId: 'a',
        phase: 'ready' as const,
        managed: true,
        since: 0,
        blocks: [],
      },
    })),
    ...assignments.map((assignment) => ({ kind: 'assign' as const, assignment })),
  ]);
const linksOf = (assignments: readonly StoredAssignment[]) => new Set(assignments.map(({ hostIfName }) => hostIfName));
const planFor = (...assignments: readonly StoredAssignment[]) =>
  planBack(stateOf(assignments), linksOf(assignments), HOW);

describe('planBack', () => {
  it('writes a checkpoint from which the same pods are adopted again, whichever they are', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 60_000 }), { maxLength: 40 }), (numbers) => {
        const pods = numbers.map((n) => stored(n));
        const plan = planFor(...pods);
        expect(plan.obstacles).toEqual([]);
        const read = parsePeerCheckpoint(plan.checkpoints.get(0) ?? '', 'it');
        const links = new Set(plan.pods.map(({ peerIfName: name }) => name));
        const { assignments, coolDowns } = adoptPeerPods(read, links, { now: 0, coolDownMs: 1 });
        expect(coolDowns).toEqual([]);
        const facts = ({ address, attachment, pod, assignedAt }: StoredAssignment) => [
          address,
          attachment.containerId,
          attachment.ifName,
          pod,
          assignedAt,
        ];
        expect(assignments.map(facts)).toEqual(pods.map(facts));
      }),
    );
  });

  it('files each interface of a multi-NIC pod under its card, by the name of the first, and finds it by its own link', () => {
    const first = stored(1);
    const second = stored(2, {
      attachment: { ...first.attachment, ifName: 'mNicIf1' },
      pod: first.pod,
      parent: 'eth0',
      interfaceId: 'eni-2',
    });
    const { checkpoints, pods } = planFor(first, second);
    const read = [...checkpoints].flatMap(([card, text]) =>
      parsePeerCheckpoint(text, 'it').map((one) => ({ ...one, networkCardIndex: card })),
    );
    expect(read.map(({ ifName, networkCardIndex }) => [ifName, networkCardIndex])).toEqual([
      ['eth0', 0],
      ['eth0', 1],
    ]);
    const links = new Set(pods.map(({ peerIfName: name }) => name));
    const { assignments } = adoptPeerPods(read, links, { now: 0, coolDownMs: 1 });
    expect(assignments.map(({ attachment, parent }) => [attachment.ifName, parent])).toEqual([
      ['eth0', undefined],
      ['mNicIf1', 'eth0'],
    ]);
    expect(checkpoints.get(0)).toContain('"interfacesCount":2');
  });

  it('leaves out a pod whose link is gone, and writes a checkpoint even without pods', () => {
    const gone = stored(1);
    const { pods, checkpoints } = planBack(stateOf([gone]), new Set(), HOW);
    expect(pods).toEqual([]);
    expect(JSON.parse(checkpoints.get(0) ?? '')).toEqual({ version: 'vpc-cni-ipam/1', allocations: [] });
  });

  it('still finds a pod whose link has its new name already: a repetition after a crash', () => {
    const pod = stored(1);
    const { pods } = planBack(stateOf([pod]), new Set([peerIfName(pod, 'eni')]), HOW);
    expect(pods).toHaveLength(1);
  });

  it('names what cannot go back', () => {
    const reasons = (changes: Partial<StoredAssignment>) =>
      planFor(stored(1, changes)).obstacles.map(({ why, accept }) => [why, accept]);
    expect(reasons({ pod: { namespace: '', name: '', uid: '' } })).toEqual([
      [expect.stringMatching(/name is not known/), undefined],
    ]);
    expect(reasons({ ipv6Address: '2001:db8::1' })).toEqual([[expect.stringMatching(/two addresses/), undefined]]);
    expect(reasons({ portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'tcp', hostIp: '' }] })).toEqual([
      [expect.stringMatching(/host ports/), 'host-ports'],
    ]);
    const twice = [stored(1), stored(2, { pod: stored(1).pod })];
    expect(planFor(...twice).obstacles.map(({ why }) => why)).toEqual([
      expect.stringMatching(/another sandbox/),
      expect.stringMatching(/another sandbox/),
    ]);
    const branches = [{ key: 'c9/eth0', hostIfName: 'x', ifIndex: 1, addresses: [], mode: 'strict' as const }];
    expect(planBack(stateOf([]), new Set(), { ...HOW, branches }).obstacles).toHaveLength(1);
  });
});

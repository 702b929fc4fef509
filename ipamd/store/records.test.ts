import { describe, expect, it } from '@jest/globals';
import { compact, decodeJournal, encodeRecord, type JournalRecord, replay, type StoredAssignment } from './records.ts';

const attachment = (n: number) => ({ networkName: 'net', containerId: `c${n}`, ifName: 'eth0' });
const stored = (n: number, address: string, ipv6Address?: string): StoredAssignment => ({
  attachment: attachment(n),
  pod: { namespace: 'd', name: `p${n}`, uid: '' },
  address,
  ...(ipv6Address === undefined ? {} : { ipv6Address }),
  interfaceId: 'eni-1',
  cidr: `${address}/32`,
  assignedAt: n,
  hostIfName: `eni${n}`,
  netns: `/run/netns/${n}`,
});
const assign = (assignment: StoredAssignment): JournalRecord => ({ kind: 'assign', assignment });
const rest = (address: string) => ({ address, until: 99_000 });

describe('the journal of a dual-stack node', () => {
  it('lets both addresses rest when a pod goes, and neither while somebody has it', () => {
    const gone: JournalRecord = {
      kind: 'unassign',
      attachment: attachment(1),
      coolDown: rest('10.0.0.5'),
      ipv6CoolDown: rest('2001:db8::1'),
    };
    const first = replay([assign(stored(1, '10.0.0.5', '2001:db8::1')), gone]);
    expect([...first.coolDowns.keys()]).toEqual(['10.0.0.5', '2001:db8::1']);
    expect(first.assignments.size).toBe(0);
    const again = replay([
      assign(stored(1, '10.0.0.5', '2001:db8::1')),
      gone,
      assign(stored(2, '10.0.0.6', '2001:db8::1')),
      { kind: 'cool-down', coolDown: rest('2001:db8::1') },
    ]);
    expect([...again.coolDowns.keys()]).toEqual(['10.0.0.5']);
  });

  it('takes an assignment as gone when either of its addresses is given to somebody else', () => {
    const state = replay([
      assign(stored(1, '10.0.0.5', '2001:db8::1')),
      assign(stored(2, '2001:db8::1')),
      assign(stored(3, '10.0.0.7', '2001:db8::3')),
    ]);
    expect([...state.assignments.values()].map(({ address }) => address)).toEqual(['2001:db8::1', '10.0.0.7']);
  });

  it('is the same after it was compacted, written and read', () => {
    const state = replay([
      assign(stored(1, '10.0.0.5', '2001:db8::1')),
      assign(stored(2, '2001:db8::2')),
      { kind: 'cool-down', coolDown: rest('2001:db8::9') },
    ]);
    const { records, damaged } = decodeJournal(compact(state, 0).map(encodeRecord).join(''));
    expect(damaged).toBe(0);
    const again = replay(records);
    expect([...again.assignments.values()]).toEqual([...state.assignments.values()]);
    expect(again.coolDowns).toEqual(state.coolDowns);
  });

  it('reads what a daemon of one family wrote before there were two', () => {
    const lines = [
      '{"kind":"assign","assignment":{"attachment":{"networkName":"net","containerId":"c1","ifName":"eth0"},"pod":{"namespace":"d","name":"p1","uid":""},"address":"10.0.0.5","interfaceId":"eni-1","cidr":"10.0.0.5/32","assignedAt":1,"hostIfName":"eni1","netns":"/run/netns/1"}}',
      '{"kind":"unassign","attachment":{"networkName":"net","containerId":"c1","ifName":"eth0"},"coolDown":{"address":"10.0.0.5","until":99000}}',
    ].map((line) => JSON.parse(line) as JournalRecord);
    const { records, damaged } = decodeJournal(lines.map(encodeRecord).join(''));
    expect(damaged).toBe(0);
    const state = replay(records);
    expect(state.assignments.size).toBe(0);
    expect([...state.coolDowns.values()]).toEqual([rest('10.0.0.5')]);
    expect(replay(records.slice(0, 1)).assignments.get('net\u0000c1\u0000eth0')).toEqual(stored(1, '10.0.0.5'));
  });
});

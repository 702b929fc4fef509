import { describe, expect, it } from '@jest/globals';
import { explain } from './explain.ts';
import type { Action, BlockUse, InterfaceUse, NetworkInterface, Snapshot, WarmTargets } from './model.ts';
import { plan } from './plan.ts';

const NOW = 1_000_000;
const TARGETS: WarmTargets = { warmEniTarget: 0, warmIpTarget: 1, minimumIpTarget: undefined, warmPrefixTarget: 0 };

type Use = Partial<Pick<BlockUse, 'assigned' | 'cooling' | 'coolUntil'>>;

function excluded(n: number, uses: readonly Use[], changes: Partial<NetworkInterface> = {}): InterfaceUse {
  const blocks = uses.map((use, index) => ({
    block: { cidr: `10.0.${n}.${index + 10}/32`, kind: 'address' as const },
    assigned: 0,
    cooling: 0,
    free: Object.keys(use).length === 0 ? 1 : 0,
    ...use,
  }));
  return {
    networkInterface: {
      id: `eni-${n}`,
      subnetId: 'subnet-x',
      mac: '02:00:00:00:00:00',
      primaryAddress: `10.0.${n}.4`,
      isPrimary: n === 0,
      deviceIndex: n,
      networkCardIndex: 0,
      attachmentId: `attach-${n}`,
      phase: 'ready',
      managed: true,
      excludedFromPods: true,
      since: 0,
      blocks: blocks.map(({ block }) => block),
      ...changes,
    },
    blocks,
  };
}

/** No subnet is offered, so growth is refused and what is planned is the excluded interfaces' alone. */
function planFor(interfaces: readonly InterfaceUse[], inFlight: readonly Action[] = []) {
  const limits = { maxInterfaces: 4, ipv4PerInterface: 5, maxPods: 50 };
  const rest = { subnets: [], inFlight, waiting: 0, cloudBackOffUntil: 0 };
  const snapshot: Snapshot = { mode: 'address', limits, interfaces, ...rest };
  const made = plan(snapshot, TARGETS, NOW);
  for (const { why } of [...made.actions, ...made.refusals]) expect(explain(why)).not.toMatch(/undefined|unknown|NaN/);
  return made;
}

describe('an excluded interface', () => {
  it('gives back what no pod has, below target too, and goes when it is empty', () => {
    const { actions } = planFor([
      excluded(0, [{ assigned: 1 }, {}]),
      excluded(1, [{ assigned: 1 }, {}]),
      excluded(2, [{}]),
    ]);
    expect(actions).toMatchObject([
      { kind: 'release', interfaceId: 'eni-0', cidrs: ['10.0.0.11/32'], why: { reason: 'interface-excluded' } },
      { kind: 'release', interfaceId: 'eni-1', cidrs: ['10.0.1.11/32'] },
      { kind: 'delete-interface', interfaceId: 'eni-2' },
    ]);
  });

  it('waits for its cool-downs, and the plan wakes when one ends', () => {
    const cooling = { cooling: 1, coolUntil: NOW + 700 };
    for (const n of [0, 1]) {
      const { actions, wakeAt } = planFor([excluded(n, [cooling])]);
      expect({ actions, wakeAt }).toEqual({ actions: [], wakeAt: NOW + 700 });
    }
  });

  it('is left alone while a call for it is under way, while it attaches, and where it is not ours', () => {
    const why = { reason: 'pods-waiting', inputs: {} } as const;
    const assign: Action = { kind: 'assign', interfaceId: 'eni-1', mode: 'address', count: 2, why };
    const release: Action = { kind: 'release', interfaceId: 'eni-1', cidrs: ['10.0.1.10/32'], why };
    const gone: Action = { kind: 'delete-interface', interfaceId: 'eni-1', why };
    for (const call of [assign, release, gone]) expect(planFor([excluded(1, [{}, {}])], [call]).actions).toEqual([]);
    expect(planFor([excluded(1, [{}], { phase: 'attaching' })]).actions).toEqual([]);
    expect(planFor([excluded(1, [{}], { managed: false })]).actions).toEqual([]);
  });
});

/** The largest nodes that a plan is made for, in two states. */
import { addPod, freshBlocks, type World } from '#warm-pool/granting-cloud.ts';
import { emptyLedger, withInterface, withSubnets } from '#warm-pool/ledger.ts';
import type { AllocationMode, WarmTargets } from '#warm-pool/model.ts';

export interface LargeNode {
  readonly name: string;
  /** All that it may hold, which is what the targets ask for. */
  readonly settled: World;
  /** Its last interface holds nothing yet. */
  readonly growing: World;
  readonly targets: WarmTargets;
}

interface Shape {
  readonly name: string;
  readonly mode: AllocationMode;
  readonly interfaces: number;
  readonly perInterface: number;
  readonly pods: number;
}

const NOW = 1_000_000_000;
const SUBNETS = ['subnet-a', 'subnet-b', 'subnet-c'];

/** m5.24xlarge; and more prefixes than any instance type holds today (82 interfaces of 49). */
export const LARGE_NODES: readonly LargeNode[] = [
  largeNode({ name: '15x50', mode: 'address', interfaces: 15, perInterface: 50, pods: 600 }),
  largeNode({ name: '4000-prefixes', mode: 'prefix', interfaces: 82, perInterface: 50, pods: 600 }),
];

function largeNode(shape: Shape): LargeNode {
  const room = shape.perInterface - 1;
  const blocks = shape.interfaces * room;
  const minimumIpTarget = blocks * (shape.mode === 'prefix' ? 16 : 1);
  const targets = { warmEniTarget: 0, warmIpTarget: undefined, minimumIpTarget, warmPrefixTarget: 0 };
  return {
    name: shape.name,
    settled: world(shape, room, shape.pods),
    growing: world(shape, 0, shape.pods),
    targets,
  };
}

/** Every interface but the last is full of blocks; that one has so many. */
function world({ mode, interfaces, perInterface }: Shape, last: number, pods: number): World {
  const capacity = interfaces * (perInterface - 1) * (mode === 'prefix' ? 16 : 1);
  const limits = { maxInterfaces: interfaces, ipv4PerInterface: perInterface, maxPods: capacity };
  const subnets = SUBNETS.map((id, index) => ({
    id,
    cidr: `10.${index * 64}.0.0/10`,
    availableAddresses: 100_000,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  }));
  let ledger = withSubnets(emptyLedger({ mode, family: 'ipv4', limits, coolDownMs: 30_000 }), subnets);
  for (let index = 0; index < interfaces; index += 1) {
    const count = index === interfaces - 1 ? last : perInterface - 1;
    ledger = withInterface(ledger, {
      id: `eni-${index}`,
      subnetId: SUBNETS[index % SUBNETS.length] ?? '',
      mac: '02:00:00:00:00:00',
      primaryAddress: `172.31.${index}.4`,
      isPrimary: index === 0,
      deviceIndex: index,
      networkCardIndex: 0,
      attachmentId: `attach-${index}`,
      phase: 'ready',
      managed: true,
      since: 0,
      blocks: freshBlocks(mode, count, index * perInterface),
    });
  }
  let full: World = { ledger, now: NOW, waiting: [], fragmented: new Set(), made: interfaces * perInterface };
  for (let pod = 0; pod < pods; pod += 1)
    full = addPod(full, { networkName: 'bench', containerId: `c${pod}`, ifName: 'eth0' });
  return full;
}

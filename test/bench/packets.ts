/** What the node spends on a packet that a pod sends out by a secondary ENI, with more and more pods beside it. */
import { type Figure, ratios, Samples } from './figures.ts';
import { type Layout, PacketNode, prepareSurroundings } from './packets/node.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { atMost } from './reach.ts';

const PODS = [1, 110, 250, 700];
const ROUNDS = 20;
const PACKETS = 20_000;

export const packetsPart: Part = {
  about: `processor time of a forwarded packet at ${PODS.join(', ')} pods: our layout, the peer's rules, routes alone`,
  run: runPackets,
};

async function runPackets({ say, signal }: PartOptions): Promise<Measured> {
  await using stack = new AsyncDisposableStack();
  await prepareSurroundings();
  const nodes: PacketNode[] = [];
  const build = async (layout: Layout, pods: number): Promise<void> => {
    signal.throwIfAborted();
    say(`  a node with ${pods} pods, ${layout}`);
    nodes.push(stack.use(await PacketNode.create(layout, pods)));
  };
  for (const pods of PODS) {
    await build('wellspring', pods);
    await build('peer', pods);
  }
  for (const layout of ['plain', 'tracked'] as const) await build(layout, 1);
  const samples = new Samples();
  for (let round = 0; round < ROUNDS; round += 1) {
    signal.throwIfAborted();
    // In another order each time, so that nobody is always the one who finds the caches cold.
    const first = round % nodes.length;
    for (const node of [...nodes.slice(first), ...nodes.slice(0, first)]) {
      const { packets, cpuNs } = await node.send(PACKETS);
      samples.add(idOf(node.layout, node.pods), cpuNs / packets / 1000);
    }
  }
  return { figures: [...samples.figures('us'), ...comparisons(samples)], reach: reachOf(samples) };
}

function idOf(layout: Layout, pods: number): string {
  return `packet/${layout}-${pods}`;
}

/** Round by round: with so many pods against one. */
function growth(samples: Samples, layout: Layout, pods: number): Figure | undefined {
  const id = `packet/${layout}-${pods}:1`;
  return ratios(id, samples.of(idOf(layout, pods)), samples.of(idOf(layout, 1)));
}

function comparisons(samples: Samples): readonly Figure[] {
  const grown = (['wellspring', 'peer'] as const).flatMap((layout) =>
    PODS.slice(1).flatMap((pods) => growth(samples, layout, pods) ?? []),
  );
  const overRoutes = (['plain', 'tracked'] as const).flatMap((layout) => {
    const ours = samples.of(idOf('wellspring', 1));
    return ratios(`packet/wellspring-1:${layout}`, ours, samples.of(idOf(layout, 1))) ?? [];
  });
  return [...grown, ...overRoutes];
}

function reachOf(samples: Samples) {
  return [
    atMost('packet.250-vs-1', 1.15, growth(samples, 'wellspring', 250)),
    atMost('packet.700-vs-1', 1.3, growth(samples, 'wellspring', 700)),
  ];
}

/** What the node spends on a packet that a pod sends out by a secondary ENI, with more and more pods beside it. */
import { type Figure, ratios, Samples } from './figures.ts';
import { type Flow, type Layout, PacketNode, prepareSurroundings } from './packets/node.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { atMost } from './reach.ts';

const PODS = [1, 110, 250, 700];
const ROUNDS = 20;
const PACKETS = 20_000;
const FLOWS: readonly Flow[] = ['ipv4', 'unanswered', 'ipv6'];

export const packetsPart: Part = {
  about: `processor time of a forwarded packet at ${PODS.join(', ')} pods: our layout, the peer's rules, routes alone`,
  run: runPackets,
};

async function runPackets({ say, signal }: PartOptions): Promise<Measured> {
  await using stack = new AsyncDisposableStack();
  await prepareSurroundings();
  const nodes: (readonly [PacketNode, Flow])[] = [];
  const build = async (layout: Layout, pods: number, flows: readonly Flow[]): Promise<void> => {
    signal.throwIfAborted();
    say(`  a node with ${pods} pods, ${layout}`);
    const node = stack.use(await PacketNode.create(layout, pods));
    for (const flow of flows) {
      await node.begin(flow);
      nodes.push([node, flow]);
    }
  };
  for (const pods of PODS) {
    await build('wellspring', pods, pods === 1 ? FLOWS : ['ipv4', 'ipv6']);
    await build('peer', pods, ['ipv4']);
  }
  for (const layout of ['plain', 'tracked'] as const) await build(layout, 1, FLOWS);
  const samples = new Samples();
  for (let round = 0; round < ROUNDS; round += 1) {
    signal.throwIfAborted();
    // In another order each time, so that nobody is always the one who finds the caches cold.
    const first = round % nodes.length;
    for (const [node, flow] of [...nodes.slice(first), ...nodes.slice(0, first)]) {
      const { packets, cpuNs } = await node.send(flow, PACKETS);
      samples.add(idOf(node.layout, node.pods, flow), cpuNs / packets / 1000);
    }
  }
  return { figures: [...samples.figures('us'), ...comparisons(samples)], reach: reachOf(samples) };
}

function idOf(layout: Layout, pods: number, flow: Flow): string {
  return `packet/${flow === 'ipv4' ? '' : `${flow}/`}${layout}-${pods}`;
}

/** Round by round: with so many pods against one. */
function growth(samples: Samples, layout: Layout, pods: number, flow: Flow = 'ipv4'): Figure | undefined {
  const id = `${idOf(layout, pods, flow)}:1`;
  return ratios(id, samples.of(idOf(layout, pods, flow)), samples.of(idOf(layout, 1, flow)));
}

/** Round by round: our layout, with one pod, against routes. */
function overRoutes(samples: Samples, layout: 'plain' | 'tracked', flow: Flow): Figure | undefined {
  const ours = idOf('wellspring', 1, flow);
  return ratios(`${ours}:${layout}`, samples.of(ours), samples.of(idOf(layout, 1, flow)));
}

function comparisons(samples: Samples): readonly Figure[] {
  const grown = [
    ...PODS.slice(1).flatMap((pods) => growth(samples, 'wellspring', pods) ?? []),
    ...PODS.slice(1).flatMap((pods) => growth(samples, 'wellspring', pods, 'ipv6') ?? []),
    ...PODS.slice(1).flatMap((pods) => growth(samples, 'peer', pods) ?? []),
  ];
  const over = FLOWS.flatMap((flow) =>
    (['plain', 'tracked'] as const).flatMap((layout) => overRoutes(samples, layout, flow) ?? []),
  );
  return [...grown, ...over];
}

function reachOf(samples: Samples) {
  return [
    atMost('packet.250-vs-1', 1.15, growth(samples, 'wellspring', 250)),
    atMost('packet.700-vs-1', 1.3, growth(samples, 'wellspring', 700)),
    atMost('packet.vs-plain', 1.1, overRoutes(samples, 'plain', 'ipv4')),
    atMost('packet.vs-tracked', 1.1, overRoutes(samples, 'tracked', 'ipv4')),
    atMost('packet.ipv6-vs-tracked', 1.1, overRoutes(samples, 'tracked', 'ipv6')),
  ];
}

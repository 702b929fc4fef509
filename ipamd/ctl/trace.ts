/** `trace POD DESTINATION`: the way of a packet, judged from the kernel's state and compared with the kernel's own word. */
import { parseArgs } from 'node:util';
import type { DatapathFacts, JournalPod } from '../check-node/facts.ts';
import { routeLine } from '../check-node/kernel-facts.ts';
import { isAddress } from '../check-node/trace/cidr.ts';
import type { Protocol } from '../check-node/trace/packet.ts';
import { PROTOCOL_NUMBERS } from '../check-node/trace/packet.ts';
import type { Step, TracedPod, TraceInput, TraceResult, Verdict } from '../check-node/trace/steps.ts';
import { trace } from '../check-node/trace/trace.ts';
import { enisOf, marksOf, podLinks, podsOf, rulesetOf } from '../check-node/view.ts';
import { nearest } from '../observe/explain-nearest.ts';
import { bundleAt, parsed } from './doctor.ts';
import { Failure, usage } from './failure.ts';
import type { Paint } from './output.ts';
import { aligned } from './table.ts';
import type { WorkContext, Worked } from './work.ts';

/** What `--json` prints. */
export interface TraceAnswer extends TraceResult {
  /** The kernel's own answer for the packet as it is routed; null where it was not asked. */
  readonly kernel: { readonly agrees: boolean; readonly says: string } | null;
}

interface Asked {
  readonly pod: string;
  readonly destination: string;
  readonly protocol: Protocol | undefined;
  readonly port: number | undefined;
  readonly bundle: string | undefined;
}

/** Ends with 3 where the packet is dropped. Throws Failure for what is not known. */
export async function traceCommand(argv: readonly string[], context: WorkContext): Promise<Worked> {
  const asked = question(argv);
  const facts = asked.bundle === undefined ? await liveFacts(context) : (await bundleAt(asked.bundle)).facts;
  if (!('value' in facts.kernel))
    throw new Failure(1, {
      what: "the kernel's state is not known",
      why: `${facts.kernel.unknown}.`,
      fix:
        asked.bundle === undefined
          ? 'Run it as root, in the network namespace of the node.'
          : 'Make the bundle as root.',
    });
  const nft = rulesetOf(facts);
  if (nft === undefined)
    throw new Failure(1, {
      what: 'the nftables rules are not known',
      why: 'unknown' in facts.nft ? `${facts.nft.unknown}.` : 'those of the bundle cannot be read.',
      fix:
        'unknown' in facts.nft && !/EPERM/.test(facts.nft.unknown)
          ? 'The kernel needs its module nf_tables: modprobe nf_tables.'
          : asked.bundle === undefined
            ? 'Run it as root, in the network namespace of the node.'
            : 'Make the bundle as root.',
    });
  const pod = podNamed(asked.pod, facts);
  const destination = destinationOf(asked.destination, facts);
  const { kernel, sysctls } = { kernel: facts.kernel.value, sysctls: facts.sysctls };
  const { protocol, port } = asked;
  const common = { destination, protocol, port, kernel, nft, sysctls, marks: marksOf(facts), enis: enisOf(facts) };
  const answer = asked.bundle === undefined ? await live(pod, common) : offline(pod, common);
  return { answer, show: (paint) => showTrace(answer, paint), exitCode: answer.verdict.kind === 'dropped' ? 3 : 0 };
}

async function liveFacts({ socket, environment }: WorkContext): Promise<DatapathFacts> {
  const { collectDatapath } = await import('../check-node/collect.ts');
  return collectDatapath({ socket, environment });
}

function offline(pod: JournalPod, input: Omit<TraceInput, 'pod'>): TraceAnswer {
  return { ...trace({ ...input, pod: traced(pod, undefined) }), kernel: null };
}

/** With the inside of the pod, and the kernel's word on where it would route the packet. */
async function live(pod: JournalPod, input: Omit<TraceInput, 'pod'>): Promise<TraceAnswer> {
  const [{ openKernel }, { askRoute, podKernel }, { DatapathError }] = await Promise.all([
    import('../datapath/kernel.ts'),
    import('../check-node/collect/kernel.ts'),
    import('../datapath/datapath.ts'),
  ]);
  using kernel = await openKernel();
  let inside: TracedPod['inside'];
  try {
    inside = pod.netns === '' ? undefined : podKernel(kernel, pod.netns);
  } catch (error) {
    // Gone, or in another mount namespace: the trace says that it could not be read.
    if (!(error instanceof DatapathError)) throw error;
  }
  const result = trace({ ...input, pod: traced(pod, inside) });
  const { links } = input.kernel;
  const inLink = links.find(({ name }) => name === pod.hostIfName)?.index;
  const isRouted = result.steps.some(({ station }) => station === 'routing' || station === 'source check');
  if (!isRouted || inLink === undefined) return { ...result, kernel: null };
  const question = { source: result.source, destination: result.translatedTo, inLink, mark: result.mark };
  const said = askRoute(kernel.route, question);
  if ('refused' in said) {
    const ended =
      result.verdict.kind === 'dropped' &&
      ['routing', 'source check', 'forwarding'].includes(result.verdict.drop.station);
    return { ...result, kernel: { agrees: ended, says: said.refused } };
  }
  const says = routeLine(said.route, links);
  const step = result.steps.find(({ station, outcome }) => station === 'routing' && outcome === 'passes');
  const isSame =
    step?.says.includes(`dev ${links.find(({ index }) => index === said.route.link)?.name} `) === true ||
    said.route.type === 'local';
  return { ...result, kernel: { agrees: isSame, says } };
}

function traced(
  { namespace, name, addresses, hostIfName, ifName }: JournalPod,
  inside: TracedPod['inside'],
): TracedPod {
  return { name: namespace === '' ? name : `${namespace}/${name}`, addresses, hostIfName, ifName, inside };
}

function question(argv: readonly string[]): Asked {
  const { values, positionals } = parsed('trace', () =>
    parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { protocol: { type: 'string' }, port: { type: 'string' }, bundle: { type: 'string' } },
    }),
  );
  const [pod, destination, ...more] = positionals;
  if (pod === undefined || destination === undefined)
    throw usage(
      '`trace` lacks its POD or DESTINATION',
      'it follows a packet from a pod of this node to an address or another pod.',
    );
  if (more.length > 0) throw usage(`${JSON.stringify(more[0])} does not go here`, '`trace` takes POD and DESTINATION.');
  const { protocol, port } = values;
  if (protocol !== undefined && !(protocol in PROTOCOL_NUMBERS))
    throw usage(
      `--protocol ${JSON.stringify(protocol)} is not known`,
      `it is ${Object.keys(PROTOCOL_NUMBERS).join(', ')}.`,
    );
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535))
    throw usage(`--port ${JSON.stringify(port)} is no port`, 'it is a number from 1 to 65535.');
  if (port !== undefined && protocol !== 'tcp' && protocol !== 'udp')
    throw usage('--port needs --protocol', 'only tcp and udp have ports.');
  return {
    pod,
    destination,
    protocol: protocol as Protocol | undefined,
    port: port === undefined ? undefined : Number(port),
    bundle: values.bundle,
  };
}

/** Pods of the daemon or its journal; where neither speaks, the kernel's links. */
function podNamed(name: string, facts: DatapathFacts): JournalPod {
  const pods = podsOf(facts);
  const known = pods.length > 0 ? pods : podsOfKernel(facts);
  const isIt = (pod: JournalPod): boolean =>
    [`${pod.namespace}/${pod.name}`, pod.name, pod.containerId, pod.hostIfName, ...pod.addresses].includes(name);
  const found = known.filter(isIt);
  // A multi-NIC pod has several links; its first is the one that all else goes by.
  const [first] = found;
  if (first !== undefined && found.every(({ containerId }) => containerId === first.containerId)) return first;
  const names = known.map((pod) => (pod.name === '' ? pod.hostIfName : `${pod.namespace}/${pod.name}`));
  if (found.length > 1)
    throw new Failure(1, {
      what: `${JSON.stringify(name)} is the name of ${found.length} pods`,
      why: `they are ${found.map((pod) => `${pod.namespace}/${pod.name} (${pod.containerId.slice(0, 12)})`).join(', ')}.`,
      fix: 'Name it with its namespace, or by its container id or host link.',
    });
  const near = nearest(name, names, 5);
  throw new Failure(1, {
    what: `this node knows no pod ${JSON.stringify(name)}`,
    why: names.length === 0 ? 'it has no pod with an address.' : `it has ${names.length} pods, none of that name.`,
    fix: near.length === 0 ? '`wellspringctl pods` lists them.' : `Nearest names: ${near.join(', ')}.`,
  });
}

/** A link tells its container by its alias, and its addresses by the routes to it. */
function podsOfKernel(facts: DatapathFacts): readonly JournalPod[] {
  const routes = 'value' in facts.kernel ? facts.kernel.value.routes : [];
  return podLinks(facts).map(({ name, alias, index }) => {
    const [containerId = '', ifName = 'eth0'] = alias.split('/');
    const addresses = routes
      .filter((route) => route.link === index && route.table === marksOf(facts).podTable)
      .map(({ destination }) => destination);
    return { namespace: '', name, containerId, ifName, addresses, hostIfName: name, netns: '' };
  });
}

/** An address, or a pod of this node. */
function destinationOf(text: string, facts: DatapathFacts): string {
  if (isAddress(text)) return text;
  if (/^[0-9a-f:.]+$/i.test(text) && /[.:]/.test(text))
    throw usage(
      `${JSON.stringify(text)} is no address`,
      'DESTINATION is an IPv4 or IPv6 address, or a pod of this node.',
    );
  try {
    const [address] = podNamed(text, facts).addresses;
    if (address !== undefined) return address;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  throw new Failure(1, {
    what: `${JSON.stringify(text)} is neither an address nor a pod of this node`,
    why: 'names of DNS and of Services are not looked up.',
    fix: 'Name the address: `kubectl get pods,services,endpointslices -o wide` lists them.',
  });
}

const SIGNS: Readonly<Record<Step['outcome'], readonly [sign: string, colour: Parameters<Paint>[1]]>> = {
  passes: ['+', 'green'],
  doubtful: ['?', 'yellow'],
  dropped: ['x', 'red'],
};

export function showTrace({ pod, source, destination, steps, verdict, kernel }: TraceAnswer, paint: Paint): string {
  const rows = aligned(steps.map(({ station, outcome, says }) => [SIGNS[outcome][0], station, says]))
    .split('\n')
    .map((line, index) => {
      const step = steps[index];
      return step === undefined ? line : `${paint(line.slice(0, 1), SIGNS[step.outcome][1])}${line.slice(1)}`;
    })
    .join('\n');
  const word =
    kernel === null || kernel.agrees
      ? ''
      : `\n${paint('The kernel says otherwise', 'yellow')}: ${kernel.says}. Believe the kernel, and please report this with \`wellspringctl bundle\`.\n`;
  return `${pod} (${source}) to ${destination}\n\n${rows}\n${ending(verdict, paint)}\n${word}`;
}

function ending(verdict: Verdict, paint: Paint): string {
  switch (verdict.kind) {
    case 'dropped': {
      const { station, why, cure, runbook } = verdict.drop;
      return `${paint('Dropped', 'red')} at ${station}: ${why}\n  do:  ${cure}\n  see: docs/runbooks/${runbook}`;
    }
    case 'stays in the pod':
      return 'It stays in the pod: the address is its own.';
    case 'reaches the node':
      return 'It reaches the node.';
    case 'reaches a pod':
      return `It reaches the pod behind ${verdict.hostIfName}.`;
    case 'leaves the node':
      return `It leaves by ${verdict.link}${verdict.via === null ? '' : ` to ${verdict.via}`} with the source ${verdict.source}${verdict.translated ? ' (translated)' : ''}.`;
    default:
      return verdict satisfies never;
  }
}

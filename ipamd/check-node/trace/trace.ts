/**
 * The way of the first packet of a connection from a pod, station by station: what the kernel's rules, tables and nftables
 * rules do with it, and where it ends. Pure: it judges a document, live or out of a bundle.
 */
import { familyOf } from '../../datapath/ip.ts';
import { type LinkFact, routeLine, ruleLine } from '../kernel-facts.ts';
import { lookUp, type Lookup } from './fib.ts';
import { leavePod } from './from-pod.ts';
import { judgedByVpc, nextHop, type Passed, reply } from './leave-node.ts';
import { evaluateHook, type Hook, type HookOutcome, placeText, type RulePlace } from './nft-hook.ts';
import { type Packet, PROTOCOL_NUMBERS } from './packet.ts';
import { checkSource } from './source-check.ts';
import type { Drop, Station, Step, TraceInput, TraceResult, Verdict } from './steps.ts';

/** Never throws for addresses of IPv4 and IPv6; what cannot be judged is a doubtful step. */
export function trace(input: TraceInput): TraceResult {
  const way = new Way(input);
  const verdict = way.walk();
  const { pod, destination } = input;
  const { source, packet, steps } = way;
  return {
    pod: pod.name,
    source,
    destination,
    translatedTo: packet?.destination ?? destination,
    steps,
    verdict,
    mark: way.routedMark,
  };
}

/** Thrown within this file alone: the packet ends here. */
class Dropped {
  readonly drop: Drop;
  constructor(drop: Drop) {
    this.drop = drop;
  }
}

class Way {
  readonly #input: TraceInput;
  readonly steps: Step[] = [];
  source = '';
  packet: Packet | undefined;
  routedMark = 0;

  constructor(input: TraceInput) {
    this.#input = input;
  }

  walk(): Verdict {
    try {
      return this.#walk();
    } catch (error) {
      if (!(error instanceof Dropped)) throw error;
      const { drop } = error;
      if (this.steps.at(-1)?.outcome !== 'dropped')
        this.steps.push({ station: drop.station, outcome: 'dropped', says: drop.why });
      return { kind: 'dropped', drop };
    }
  }

  #walk(): Verdict {
    const { pod, destination } = this.#input;
    const departure = leavePod(pod, destination);
    this.source = departure.source;
    if (departure.kind === 'dropped') throw new Dropped(departure.drop);
    this.steps.push(departure.step);
    if (departure.kind === 'own') return { kind: 'stays in the pod' };
    const link = this.#hostLink();
    const { protocol, port } = this.#input;
    let packet = this.#hook('prerouting', 'prerouting', {
      source: departure.source,
      destination,
      mark: 0,
      connectionMark: 0,
      inLink: link,
      outLink: undefined,
      protocol,
      port,
      sourceTranslated: false,
      destinationTranslated: false,
    });
    this.routedMark = packet.mark;
    const { route } = this.#route(packet, link);
    if (route.type === 'local') {
      this.#hook('input', 'input rules', packet);
      return { kind: 'reaches the node' };
    }
    this.#forwards(link);
    const out = this.#linkOf(route.link);
    packet = this.#hook('forward', 'forward rules', { ...packet, outLink: out });
    packet = this.#hook('postrouting', 'postrouting', packet);
    this.#pass(nextHop(this.#input, route, packet));
    if (route.table === this.#input.marks.podTable) return this.#toPod(out, route.link, packet);
    this.#pass(judgedByVpc(this.#input, link, out, packet));
    this.#pass(reply(this.#input, link, out, departure.source, packet.destination));
    const { source, sourceTranslated: translated } = packet;
    return { kind: 'leaves the node', link: out.name, source, translated, via: route.gateway };
  }

  #hostLink(): LinkFact {
    const { kernel, pod } = this.#input;
    const link = kernel.links.find(({ name }) => name === pod.hostIfName);
    if (link === undefined)
      return this.#drop('host link', `the link ${pod.hostIfName} is gone`, 'Delete the pod, so that it is made anew.');
    if (!link.up) return this.#drop('host link', `${link.name} is down`, `ip link set ${link.name} up`);
    this.#say('host link', 'passes', `comes in by ${link.name}, group 0x${link.group.toString(16)}, MTU ${link.mtu}`);
    return link;
  }

  #hook(hook: Hook, station: Station, packet: Packet): Packet {
    const { kernel, nft } = this.#input;
    const outcome = evaluateHook(hook, kernel, nft, packet);
    for (const { at, what } of outcome.changes) this.#say(station, 'passes', `${what}: ${placeText(at)}`);
    for (const sentence of doubts(outcome)) this.#say(station, 'doubtful', sentence);
    this.packet = outcome.packet;
    if (outcome.droppedBy !== undefined) {
      const { why, cure } = this.#blame(outcome.droppedBy, packet);
      return this.#drop(station, why, cure);
    }
    if (outcome.changes.length === 0) this.#say(station, 'passes', 'no rule changes or drops it');
    return outcome.packet;
  }

  #blame(at: RulePlace, { source }: Packet): { readonly why: string; readonly cure: string } {
    const isOurs = at.table === `inet ${this.#input.marks.nftTable}`;
    if (isOurs && at.chain === 'anti-spoof') {
      const { podTable, protocol } = this.#input.marks;
      return {
        why: `anti-spoof drops it: no route leads back to ${source} by the pod's link (${placeText(at)})`,
        cure: `ip route get ${source}; ip rule add pref 512 lookup ${podTable} protocol ${protocol} where that rule is missing.`,
      };
    }
    const [family = '', table = ''] = at.table.split(' ');
    return { why: `dropped by ${placeText(at)}`, cure: `nft -a list chain ${family} ${table} ${at.chain}` };
  }

  #route(packet: Packet, link: LinkFact): Extract<Lookup, { kind: 'route' }> {
    const { kernel, sysctls, destination } = this.#input;
    const { source, mark, protocol } = packet;
    const ipProtocol = protocol === undefined ? undefined : PROTOCOL_NUMBERS[protocol];
    const to = packet.destination;
    const found = lookUp(kernel, { source, destination: to, inInterface: link.name, mark, ipProtocol });
    for (const rule of found.unsure)
      this.#say('routing', 'doubtful', `whether this rule applies cannot be seen: ${ruleLine(rule)}`);
    const check = checkSource(kernel, sysctls, { source, destination: to, inLink: link, mark });
    if (!check.passes)
      return this.#drop(
        'source check',
        `the kernel drops it: ${check.says}`,
        `ip route get ${source}; wellspringctl drift`,
      );
    this.#say('source check', 'passes', check.says);
    if (found.kind === 'refused') {
      const by = found.rule === undefined ? 'no rule leads to a route' : `by ${ruleLine(found.rule)}`;
      const named = to === destination ? to : `${to} (for ${destination})`;
      return this.#drop(
        'routing',
        `${named} is not reachable (${found.how}): ${by}`,
        `ip rule; ip route show table all`,
      );
    }
    const marked = mark === 0 ? '' : ` (mark 0x${mark.toString(16)})`;
    this.#say('routing', 'passes', `${ruleLine(found.rule)}${marked} → ${routeLine(found.route, kernel.links)}`);
    return found;
  }

  #forwards(link: LinkFact): void {
    const isIpv4 = familyOf(this.source) === 'ipv4';
    const name = isIpv4 ? `net/ipv4/conf/${link.name}/forwarding` : 'net/ipv6/conf/all/forwarding';
    const value = this.#input.sysctls[name];
    if (value === '0')
      this.#drop(
        'forwarding',
        `the node does not forward what comes in by ${link.name} (${name.replaceAll('/', '.')} = 0)`,
        isIpv4 ? 'sysctl -w net.ipv4.ip_forward=1' : 'sysctl -w net.ipv6.conf.all.forwarding=1',
      );
    if (value === undefined) this.#say('forwarding', 'doubtful', `${name.replaceAll('/', '.')} is not known`);
    else this.#say('forwarding', 'passes', `${name.replaceAll('/', '.')} = ${value}`);
  }

  #linkOf(index: number): LinkFact {
    const link = this.#input.kernel.links.find((one) => one.index === index);
    if (link === undefined)
      return this.#drop('next hop', `the route's link (index ${index}) is gone`, 'ip route show table all');
    if (!link.up) return this.#drop('next hop', `${link.name} is down`, `ip link set ${link.name} up`);
    return link;
  }

  #toPod(out: LinkFact, index: number, { destination }: Packet): Verdict {
    const neighbour = this.#input.kernel.neighbours.find((one) => one.link === index && one.address === destination);
    if (neighbour?.state !== 'permanent')
      this.#say('next hop', 'doubtful', `${destination} has no permanent neighbour on ${out.name}`);
    return { kind: 'reaches a pod', hostIfName: out.name };
  }

  #pass({ step, drop }: Passed): void {
    this.steps.push(step);
    if (drop !== undefined) throw new Dropped(drop);
  }

  #say(station: Station, outcome: Step['outcome'], says: string): void {
    this.steps.push({ station, outcome, says });
  }

  #drop(station: Station, why: string, cure: string): never {
    throw new Dropped({ station, why, cure, runbook: 'pod-connectivity.md' });
  }
}

/** One sentence a table, however many of its rules could not be judged. */
function doubts({ unsure }: HookOutcome): readonly string[] {
  const byTable = Map.groupBy(unsure, ({ table, chain }) => `chain ${chain}, table ${table}`);
  return [...byTable].map(([where, rules]) => {
    const which = [...new Set(rules.map(({ rule }) => rule))].join(', ');
    return `cannot be judged and is taken not to apply: ${where}, rule ${which}`;
  });
}

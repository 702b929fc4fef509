/** `explain`: facts in aligned lines, then the reasons as sentences. */
import type { Explained, ExplainAnswer } from '../observe/explain-subject.ts';
import { aligned } from './table.ts';
import { relative, withRelativeTimes } from './words.ts';

type Fact = readonly [string, string];

export function showExplanation({ matches }: ExplainAnswer, now: number): string {
  return matches.map((match) => `${aligned(facts(match, now))}\n${reasons(match, now)}`).join('\n');
}

function reasons({ sentences, fix }: Explained, now: number): string {
  const said = sentences.map((sentence) => `${withRelativeTimes(sentence, now)}\n`).join('');
  return fix === 'Nothing.' ? said : `${said}do: ${fix}\n`;
}

function facts(match: Explained, now: number): readonly Fact[] {
  switch (match.kind) {
    case 'pod':
      return [
        ['pod', `${match.namespace}/${match.name}`],
        ['address', match.address],
        ['eni', match.eni],
        ['subnet', match.subnetId ?? 'unknown'],
        ['block', match.block === null ? 'none' : `${match.block.cidr} (${match.block.kind})`],
        ['table', String(match.routeTable)],
        ['link', `${match.hostIfName} -> ${match.ifName} in ${match.netns}`],
        ['container', match.containerId],
        ['since', relative(match.since, now)],
      ];
    case 'waiting':
      return [
        ['pod', `${match.namespace}/${match.name}`],
        ['address', 'none'],
        ['state', match.position === null ? 'failed' : `waiting, number ${match.position} of the queue`],
        ['container', match.containerId],
        ['since', relative(match.since, now)],
      ];
    case 'eni':
      return [
        ['eni', `${match.id}${match.isPrimary ? ' (primary)' : ''}`],
        ['phase', match.phase],
        ['device', `${match.deviceIndex} on network card ${match.networkCardIndex}, ${match.mac}`],
        ['subnet', match.subnetId],
        ['address', `${match.primaryAddress} (its own)`],
        ['table', String(match.routeTable)],
        ['pool', `${match.addresses}: ${match.assigned} assigned, ${match.cooling} cooling down, ${match.free} free`],
        ['prefixes', String(match.blocks.filter(({ kind }) => kind === 'prefix').length)],
        ['seen', `first ${relative(match.since, now)}`],
      ];
    case 'subnet':
      return [
        ['subnet', match.id],
        ['cidr', match.cidr ?? 'not described'],
        ['available', match.availableAddresses === null ? 'not described' : String(match.availableAddresses)],
        ['enis', match.interfaces.join(', ') || 'none'],
        ['held', `${match.held}, ${match.assigned} of them assigned`],
        ['back-off', backOff(match.backOffUntil, now)],
        ['prefix back-off', backOff(match.prefixBackOffUntil, now)],
      ];
    case 'address':
      return [
        ['address', match.address],
        ['state', match.state],
        ['eni', match.eni ?? 'none of this node'],
        ['block', match.block === null ? 'none' : `${match.block.cidr} (${match.block.kind})`],
        ['pod', match.pod === null ? 'none' : `${match.pod.namespace}/${match.pod.name}`],
      ];
    default:
      return match satisfies never;
  }
}

function backOff(until: string | null, now: number): string {
  return until === null ? 'none' : `asked again ${relative(until, now)}`;
}

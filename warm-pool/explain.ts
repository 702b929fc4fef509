/** Reasons as sentences for logs, CNI messages and the operator's command. */

import type { Explanation, ReasonCode } from './model.ts';

type Inputs = Explanation['inputs'];

/** One English sentence that says what happened and, where something can be done about it, what. */
export function explain({ reason, inputs }: Explanation): string {
  return SENTENCES[reason](inputs);
}

const SENTENCES: Readonly<Record<ReasonCode, (inputs: Inputs) => string>> = {
  'below-warm-ip-target': (i) =>
    `The pool has ${count(i, 'free', 'free address')} and WARM_IP_TARGET is ${i['warmIpTarget']}: ${say(i, 'missing')} more needed.`,
  'below-minimum-ip-target': (i) =>
    `The node holds ${count(i, 'total', 'address')} and MINIMUM_IP_TARGET is ${i['minimumIpTarget']}: ${say(i, 'missing')} more needed.`,
  'below-warm-eni-target': (i) =>
    `The pool has ${count(i, 'free', 'free address')}, fewer than WARM_ENI_TARGET=${i['warmEniTarget']} keeps ` +
    `(${count(i, 'perInterface', 'address')} an interface, and never none): ${say(i, 'missing')} more needed.`,
  'below-warm-prefix-target': (i) =>
    `The pool has ${count(i, 'free', 'free address')}, fewer than WARM_PREFIX_TARGET=${i['warmPrefixTarget']} keeps ` +
    `(16 a prefix, and never none): ${say(i, 'missing')} more needed.`,
  'pods-waiting': (i) =>
    `${count(i, 'waiting', 'pod')} waiting and ${count(i, 'free', 'address')} free: ${say(i, 'missing')} more needed.`,
  'above-warm-ip-target': (i) =>
    `The pool has ${count(i, 'free', 'free address')} of ${say(i, 'total')}, more than WARM_IP_TARGET=${i['warmIpTarget']} ` +
    `and MINIMUM_IP_TARGET=${i['minimumIpTarget']} keep.`,
  'above-warm-eni-target': (i) =>
    `The pool has ${count(i, 'free', 'free address')}, and WARM_ENI_TARGET=${i['warmEniTarget']} is still met without this interface.`,
  'above-warm-prefix-target': (i) =>
    `The pool has ${count(i, 'free', 'free address')}, more than WARM_PREFIX_TARGET=${i['warmPrefixTarget']} keeps.`,
  'wrong-mode': (i) =>
    `${count(i, 'blocks', 'unused block')} left over from the other allocation mode; the node is in ${i['mode']} mode.`,
  'interface-excluded': (i) =>
    `${i['interfaceId']} is in ${i['subnetId']}, which is excluded from pods, and holds ${count(i, 'idle', 'address')} that no pod uses.`,
  'interface-limit': (i) =>
    `${count(i, 'missing', 'more block')} needed, but all ${say(i, 'maxInterfaces')} interfaces this node may have are attached and full ` +
    `(${say(i, 'perInterface')} each): use a larger instance type, raise MAX_ENI if it is set, or turn on prefix delegation.`,
  'address-limit': (i) =>
    `${count(i, 'missing', 'more block')} needed, but this instance type allows ${count(i, 'ipv4PerInterface', 'address')} an interface, ` +
    `which is its own: use a larger instance type.`,
  'subnet-exhausted': (i) =>
    `${count(i, 'missing', 'more block')} needed, but none of ${count(i, 'subnets', 'known subnet')} can give any ` +
    `(${count(i, 'available', 'address')} reported available): free addresses, or add and tag a larger subnet.`,
  'no-free-prefix': (i) =>
    `${count(i, 'missing', 'more address')} needed, but ${count(i, 'subnets', 'subnet')} had no free /28 block: single addresses ` +
    `are asked for until prefixes may be asked for again; a CIDR reservation of type prefix keeps a subnet whole.`,
  'cloud-back-off': (i) =>
    `${count(i, 'withheld', 'action')} held back until ${time(i['until'])}, because EC2 refused or did not answer: ` +
    `look for throttling, missing IAM permissions or an outage in the daemon's log.`,
  'max-pods-reached': (i) =>
    `No further addresses are asked for: the node may run ${count(i, 'maxPods', 'pod')}, holds ${count(i, 'total', 'address')} ` +
    `and has assigned ${say(i, 'assigned')} with ${count(i, 'waiting', 'pod')} waiting; raise max pods if the node should run more.`,
  'interface-too-young': (i) =>
    `${i['interfaceId']} is not needed, but is removed only once it is ${seconds(i['minimumAgeMs'])} old (it is ${seconds(i['ageMs'])}).`,
  'cooling-down': (i) =>
    `${i['interfaceId']} is not needed, but ${count(i, 'cooling', 'address')} of it still rest after a pod was deleted.`,
};

function say(inputs: Inputs, name: string): string {
  return String(inputs[name] ?? 'an unknown number');
}

function count(inputs: Inputs, name: string, noun: string): string {
  const value = inputs[name];
  const plural = noun.endsWith('s') ? `${noun}es` : `${noun}s`;
  return `${value ?? 'an unknown number of'} ${value === 1 ? noun : plural}`;
}

function seconds(value: number | string | undefined): string {
  return typeof value === 'number' ? `${Math.round(value / 1000)} s` : 'an unknown time';
}

function time(value: number | string | undefined): string {
  return typeof value === 'number' ? new Date(value).toISOString() : 'an unknown time';
}

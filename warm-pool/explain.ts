/** Reasons as sentences for logs, CNI messages and the operator's command. */

import type { Explanation, ReasonCode } from './model.ts';

type Inputs = Explanation['inputs'];

/** One English sentence that says what happened and, where something can be done about it, what. */
export function explain({ reason, inputs }: Explanation): string {
  const sentence = SENTENCES[reason](inputs);
  const { networkCard } = inputs;
  return networkCard === undefined ? sentence : `On network card ${networkCard}: ${sentence}`;
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
  'no-ipv6-prefix': (i) =>
    i['interfaceId'] === undefined
      ? `No interface of this node may give its pods IPv6 addresses (${i['family']} node): one with a /80 prefix is needed.`
      : `${i['interfaceId']} has no /80 prefix, and pods of this ${i['family']} node get their IPv6 address from one.`,
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
    `${i['interfaceId']} in ${i['subnetId']} hosts no new pods (tags exclude its subnet, or custom networking puts pods elsewhere), ` +
    `and holds ${count(i, 'idle', 'address')} that no pod uses.`,
  'interface-not-needed': (i) =>
    `${i['interfaceId']} holds no pod, and an IPv6 node needs no interface beside ${i['hostId']}, whose /80 prefix is enough for all.`,
  'interrupted-deletion': (i) =>
    `${i['interfaceId']} was being removed when the daemon stopped, and its removal is carried on.`,
  'interface-limit': (i) =>
    `${count(i, 'missing', 'more block')} needed, but ${i['maxInterfaces'] === 1 ? 'the one interface this node may have is' : `all ${say(i, 'maxInterfaces')} interfaces this node may have are`} attached and full ` +
    `(${say(i, 'perInterface')} ${i['mode'] === 'prefix' ? 'prefixes ' : ''}each): use a larger instance type` +
    (i['mode'] === 'prefix'
      ? ', or raise MAX_ENI if it is set.'
      : ', raise MAX_ENI if it is set, or turn on prefix delegation.'),
  'address-limit': (i) =>
    `${count(i, 'missing', 'more block')} needed, but this instance type allows ${count(i, 'ipv4PerInterface', 'address')} an interface, ` +
    `which is its own: use a larger instance type.`,
  'subnet-exhausted': (i) =>
    `${count(i, 'missing', 'more block')} needed, but none of ${count(i, 'subnets', 'known subnet')} can give any ` +
    `(${count(i, 'available', 'address')} reported available): free addresses, or add and tag a larger subnet.`,
  'no-free-prefix': (i) =>
    `${count(i, 'missing', 'more address')} needed, but ${count(i, 'subnets', 'subnet')} had no free /28 block: single addresses ` +
    `are asked for until prefixes may be asked for again; a CIDR reservation of type prefix keeps a subnet whole.`,
  'no-ipv6-cidr': (i) =>
    `Pods of this ${i['family']} node get an IPv6 address, but ${i['subnetIds']} has no IPv6 CIDR block: associate one with it ` +
    `(AssociateSubnetCidrBlock), tag a subnet that has one, or set ENABLE_IPv6=false.`,
  'ipv6-back-off': (i) =>
    `${i['interfaceId']} needs a /80 prefix, but ${i['subnetId']} refused one: it is asked again after a while; ` +
    `look for reservations and for the limit of IPv6 addresses an interface may hold.`,
  'cloud-back-off': (i) =>
    `${count(i, 'withheld', 'action')} held back until ${time(i['until'])}, because EC2 refused or did not answer: ` +
    `look for throttling, missing IAM permissions or an outage in the daemon's log.`,
  'provisioning-disabled': (i) =>
    `Nothing is asked of the cloud and nothing is given back, because ${i['setting']} is set: another program gives this node its ENIs and addresses.`,
  'node-unschedulable': () =>
    'The node is unschedulable, or its Node was deleted, so it takes no more addresses and gives no ENI back: uncordon it, or set AWS_MANAGE_ENIS_NON_SCHEDULABLE=true.',
  'eniconfig-unknown': (i) =>
    `Custom networking is on (AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG), and the subnet for new ENIs is not known yet: it waits for ${i['waitsFor']}.`,
  'eniconfig-unusable': (i) =>
    `Custom networking is on (AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG), and no ENI is made as long as ENIConfig ${i['eniConfig']} cannot be used: ${i['problem']}`,
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

/** An action of the planner for people: what it does, why, and which EC2 calls it takes. */
import { explain } from '#warm-pool/explain.ts';
import type { Action } from '#warm-pool/model.ts';

/** By EC2's name of the operation. */
export type CallCounts = Readonly<Record<string, number>>;

export type ExplainedAction = Action & {
  /** In the imperative: "give back 5 addresses of eni-1". */
  readonly does: string;
  /** Why, as one sentence. */
  readonly sentence: string;
  /** In the order in which they are made. EC2 may ask for repetitions: a deletion is tried until the ENI is detached. */
  readonly calls: readonly string[];
};

/** What the executor does for each action (ipamd/execute), as data. */
export function callsOf(action: Action): readonly string[] {
  switch (action.kind) {
    case 'create-interface':
      return ['CreateNetworkInterface', 'AttachNetworkInterface', 'ModifyNetworkInterfaceAttribute'];
    case 'assign':
      return ['AssignPrivateIpAddresses'];
    case 'assign-ipv6-prefix':
      return ['AssignIpv6Addresses'];
    case 'release': {
      const kinds = new Set(action.cidrs.map((cidr) => cidr.endsWith('/32')));
      return Array.from(kinds, () => 'UnassignPrivateIpAddresses');
    }
    case 'delete-interface':
      return ['DescribeNetworkInterfaces', 'DetachNetworkInterface', 'DeleteNetworkInterface'];
    default:
      return action satisfies never;
  }
}

/** How often each call is made for some actions. */
export function countCalls(actions: readonly Action[]): CallCounts {
  const counts: Record<string, number> = {};
  for (const call of actions.flatMap(callsOf)) counts[call] = (counts[call] ?? 0) + 1;
  return counts;
}

export function explainAction(action: Action): ExplainedAction {
  return { ...action, does: does(action), sentence: explain(action.why), calls: callsOf(action) };
}

function does(action: Action): string {
  switch (action.kind) {
    case 'create-interface':
      return `create an ENI in ${action.subnetId}, device ${action.deviceIndex}${onCard(action)}, with ${contents(action)}`;
    case 'assign':
      return `ask for ${blocks(action)} for ${action.interfaceId}`;
    case 'assign-ipv6-prefix':
      return `ask for an IPv6 prefix (/80) for ${action.interfaceId}`;
    case 'release':
      return `give back ${released(action.cidrs)} of ${action.interfaceId}`;
    case 'delete-interface':
      return `detach and delete ${action.interfaceId}`;
    default:
      return action satisfies never;
  }
}

function onCard({ networkCardIndex }: Extract<Action, { kind: 'create-interface' }>): string {
  return networkCardIndex === 0 ? '' : ` on network card ${networkCardIndex}`;
}

function contents(action: Extract<Action, { kind: 'create-interface' }>): string {
  const ipv6 = (action.ipv6PrefixCount ?? 0) > 0 ? ['an IPv6 prefix (/80)'] : [];
  const ipv4 = action.count > 0 || ipv6.length === 0 ? [blocks(action)] : [];
  return [...ipv4, ...ipv6].join(' and ');
}

function blocks({ mode, count }: Extract<Action, { kind: 'assign' | 'create-interface' }>): string {
  return mode === 'prefix' ? counted(count, '/28 prefix') : counted(count, 'address');
}

function released(cidrs: readonly string[]): string {
  const singles = cidrs.filter((cidr) => cidr.endsWith('/32')).length;
  const parts = [
    ...(singles > 0 ? [counted(singles, 'address')] : []),
    ...(cidrs.length > singles ? [counted(cidrs.length - singles, '/28 prefix')] : []),
  ];
  return parts.join(' and ');
}

/** "1 address", "2 addresses", "3 /28 prefixes", "4 pods". */
export function counted(value: number, noun: string): string {
  if (value === 1) return `1 ${noun}`;
  return `${value} ${noun}${/[sx]$/.test(noun) ? 'es' : 's'}`;
}

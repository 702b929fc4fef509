/** What is known of the subnets of this node. */
import type { Explanation, InterfaceUse, Subnet } from '#warm-pool/model.ts';
import type { Pool } from '../pool.ts';
import { counted } from './explain-action.ts';
import { fixOf } from './explain-fix.ts';

export interface SubnetAnswer {
  readonly id: string;
  readonly cidr: string | null;
  /** As last described; null where it never was. What this node took since is not in it. */
  readonly availableAddresses: number | null;
  readonly interfaces: readonly string[];
  /** Addresses of this node in it, by use. */
  readonly held: number;
  readonly assigned: number;
  /** Nothing, or no prefix, is asked of it before these times; null where that is not so. */
  readonly backOffUntil: string | null;
  readonly prefixBackOffUntil: string | null;
}

/** Every subnet that the planner may ask, and every other one in which this node has an ENI. */
export function subnetsOf(pool: Pick<Pool, 'snapshot'>, now: number): readonly SubnetAnswer[] {
  const { subnets, interfaces } = pool.snapshot();
  const known = new Map(subnets.map((subnet) => [subnet.id, subnet]));
  const ids = new Set([...known.keys(), ...interfaces.map(({ networkInterface }) => networkInterface.subnetId)]);
  return [...ids].sort().map((id) => answerFor(id, known.get(id), interfaces, now));
}

/** What follows from a subnet's state. `lastCloudError` is the cloud's last refusal, of whatever it was asked. */
export function subnetSentences(subnet: SubnetAnswer, lastCloudError: unknown): readonly string[] {
  const sentences = [
    subnet.availableAddresses === null
      ? 'The planner does not create ENIs in it: it is not among the subnets that this node may ask.'
      : `EC2 reported ${counted(subnet.availableAddresses, 'free address')} when it was last described.`,
    `This node has ${counted(subnet.interfaces.length, 'ENI')} in it with ${counted(subnet.held, 'address')}, ${subnet.assigned} of them in use by pods.`,
  ];
  if (subnet.backOffUntil !== null)
    sentences.push(
      `Nothing is asked of it until ${subnet.backOffUntil}, because it refused for want of free addresses. (subnet-exhausted)`,
    );
  if (subnet.prefixBackOffUntil !== null)
    sentences.push(
      `No prefix is asked of it until ${subnet.prefixBackOffUntil}, because it had no free /28 block; single addresses are used meanwhile. (no-free-prefix)`,
    );
  const backsOff = subnet.backOffUntil !== null || subnet.prefixBackOffUntil !== null;
  if (backsOff && lastCloudError instanceof Error) sentences.push(`EC2's last refusal: ${lastCloudError.message}`);
  return sentences;
}

/** The planner's codes for a subnet that cannot serve. */
export function subnetReasons(subnet: SubnetAnswer): readonly Explanation[] {
  const { id, availableAddresses, backOffUntil, prefixBackOffUntil } = subnet;
  const until = (time: string | null) => (time === null ? {} : { until: Date.parse(time) });
  const inputs = { subnetId: id, ...(availableAddresses === null ? {} : { available: availableAddresses }) };
  return [
    ...(backOffUntil !== null || availableAddresses === 0
      ? [{ reason: 'subnet-exhausted', inputs: { ...inputs, ...until(backOffUntil) } } as const]
      : []),
    ...(prefixBackOffUntil !== null
      ? [{ reason: 'no-free-prefix', inputs: { ...inputs, ...until(prefixBackOffUntil) } } as const]
      : []),
  ];
}

/** What to do about a subnet that cannot serve. */
export function subnetFix({ backOffUntil, prefixBackOffUntil, availableAddresses }: SubnetAnswer): string {
  if (backOffUntil !== null || availableAddresses === 0) return fixOf('subnet-exhausted');
  if (prefixBackOffUntil !== null) return fixOf('no-free-prefix');
  if (availableAddresses === null)
    return 'Nothing; should new ENIs be in it, tag it with kubernetes.io/role/cni=1: it must be of this VPC and zone.';
  return 'Nothing.';
}

function answerFor(id: string, known: Subnet | undefined, all: readonly InterfaceUse[], now: number): SubnetAnswer {
  const interfaces = all.filter(({ networkInterface }) => networkInterface.subnetId === id);
  const blocks = interfaces.flatMap((use) => use.blocks);
  const end = (time: number | undefined) => (time !== undefined && time > now ? new Date(time).toISOString() : null);
  return {
    id,
    cidr: known?.cidr || null,
    availableAddresses: known === undefined || known.cidr === '' ? null : known.availableAddresses,
    interfaces: interfaces.map(({ networkInterface }) => networkInterface.id),
    held: blocks.reduce((sum, { assigned, cooling, free }) => sum + assigned + cooling + free, 0),
    assigned: blocks.reduce((sum, { assigned }) => sum + assigned, 0),
    backOffUntil: end(known?.backOffUntil),
    prefixBackOffUntil: end(known?.prefixBackOffUntil),
  };
}

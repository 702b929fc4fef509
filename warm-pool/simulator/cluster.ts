/** What is simulated: the nodes, their subnets, the cloud's pace, and the pods' coming and going. All of it plain data. */

import type { Ipv4Block } from '../address.ts';
import type { AllocationMode, InstanceLimits, WarmTargets } from '../model.ts';
import type { Rate } from '../tokens.ts';
import type { AddressPlacement } from './subnet-space.ts';

export interface SimulatedSubnet {
  readonly id: string;
  readonly range: Ipv4Block;
}

/** What nodes of one group have in common. */
export interface NodeKind {
  readonly group: string;
  readonly mode: AllocationMode;
  readonly limits: InstanceLimits;
  /** Pods with an address of their own that kubelet admits. */
  readonly podCapacity: number;
  readonly targets: WarmTargets;
  readonly coolDownMs: number;
  /** Between a node's own looks at the cloud, whatever happens; 0 for never. */
  readonly looksMs: PeriodicLooks;
}

export interface PeriodicLooks {
  readonly reconcile: number;
  readonly leaks: number;
  readonly subnets: number;
}

/** One node's place and time. */
export interface SimulatedNode {
  readonly kind: NodeKind;
  /** Its own subnet, then those in which further interfaces may be made; indexes of `Cluster.subnets`. */
  readonly subnets: readonly number[];
  /** When it joins and when it is gone, ms; Infinity for never. */
  readonly from: number;
  readonly until: number;
}

export const CLOUD_CALLS = [
  'DescribeNetworkInterfaces',
  'DescribeSubnets',
  'DescribeInstances',
  'CreateNetworkInterface',
  'AttachNetworkInterface',
  'ModifyNetworkInterfaceAttribute',
  'DetachNetworkInterface',
  'DeleteNetworkInterface',
  'AssignPrivateIpAddresses',
  'UnassignPrivateIpAddresses',
  'CreateTags',
] as const;

export type CloudCall = (typeof CLOUD_CALLS)[number];

/** Milliseconds, evenly spread between the two. */
export interface Span {
  readonly least: number;
  readonly most: number;
}

export interface CloudPace {
  /** How long a call takes; by call where one differs. */
  readonly latency: Span;
  readonly latencyOf: Readonly<Partial<Record<CloudCall, Span>>>;
  /** From the answer of the attachment to the link in the node. */
  readonly link: Span;
  /** From the answer of the detachment until the interface may be deleted. */
  readonly detach: Span;
  /** What the account may send of each call, all nodes together. */
  readonly account: Readonly<Record<CloudCall, Rate>>;
}

export interface Cluster {
  readonly subnets: readonly SimulatedSubnet[];
  readonly nodes: readonly SimulatedNode[];
  readonly placement: AddressPlacement;
  readonly pace: CloudPace;
  readonly durationMs: number;
}

/** Pods in order of their start. Times in whole ms; `stop` is Infinity for a pod that outlives the run. */
export interface PodSchedule {
  readonly start: Float64Array;
  readonly stop: Float64Array;
  /** The node it must run on; -1 where the scheduler chooses. */
  readonly node: Int32Array;
}

/** How kubelet and the CNI binary ask. */
export interface Kubelet {
  /** How long one ADD may wait. */
  readonly addDeadlineMs: number;
  /** From a failed ADD to the next one. */
  readonly retry: Span;
}

export const KUBELET: Kubelet = { addDeadlineMs: 30_000, retry: { least: 10_000, most: 15_000 } };

/** What stands between the engine and a policy: one agent for each node, and what the agents share. */

import type { Account } from './account.ts';
import type { Kubelet, SimulatedNode } from './cluster.ts';
import type { Measures } from './measures.ts';
import type { Timeline } from './timeline.ts';

/** The CNI of one node under one policy. */
export interface NodeAgent {
  /** The node has booted, with its primary interface and no other address. */
  start(): void;
  /** CNI ADD; answered by `PodDesk.served` or `failed`, at once or later, unless the pod is removed before. */
  add(pod: number): void;
  /** CNI DEL. */
  remove(pod: number): void;
  /** Called once at the end of each instant in which the agent asked for it by `Site.wake`. */
  reconcile(): void;
  /** The instance is terminated: what it holds goes back to the subnets, and nothing of it happens any more. */
  stop(): void;
}

export interface PodDesk {
  served(pod: number): void;
  /** The ADD failed; kubelet will ask again. */
  failed(pod: number, reason: string): void;
}

/** What an agent stands on. */
export interface Site {
  readonly timeline: Timeline;
  readonly account: Account;
  readonly measures: Measures;
  readonly desk: PodDesk;
  readonly kubelet: Kubelet;
  /** The CNI serves; kubelet reports the node Ready. */
  readonly ready: () => void;
  /** The agent is to plan at the end of this instant. */
  readonly wake: () => void;
}

/** Makes the agent of a node. */
export type Policy = (node: SimulatedNode, site: Site, name: string) => NodeAgent;

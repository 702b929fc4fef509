/** A cluster and its workload as people write them down: the shape of the JSON files and of the presets. */

import type { AddressPlacement } from './subnet-space.ts';
import type { Span } from './cluster.ts';
import type { Generator } from './workload.ts';

export interface ClusterDescription {
  readonly durationHours: number;
  /** Settings of the daemon under their environment names; a group's own go before them. */
  readonly settings: Readonly<Record<string, string>>;
  readonly subnets: readonly { readonly id: string; readonly cidr: string }[];
  readonly groups: readonly GroupDescription[];
  /** Absent is `random`. */
  readonly placement?: AddressPlacement;
  /** Milliseconds; absent are 150 to 450 for a call, 1500 to 3500 for a link, 2000 to 6000 for a detachment. */
  readonly pace?: { readonly latency?: Span; readonly link?: Span; readonly detach?: Span };
}

export interface GroupDescription {
  readonly name: string;
  readonly instanceType: string;
  readonly count: number;
  /** Ids of the subnets in which its nodes are, by turns; absent is all. */
  readonly subnets?: readonly string[];
  /** Ids of subnets in which further interfaces may be made beside the node's own. */
  readonly podSubnets?: readonly string[];
  /** The nodes join one after the other over so many seconds; absent is all at once. */
  readonly joinSeconds?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Preset {
  readonly summary: string;
  readonly cluster: ClusterDescription;
  readonly workload: readonly Generator[];
}

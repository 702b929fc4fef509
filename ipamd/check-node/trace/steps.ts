/** What a trace consists of. */
import type { OwnershipMarks } from '../../datapath/datapath.ts';
import type { KernelFacts } from '../kernel-facts.ts';
import type { NftRuleset } from '../nft-ruleset.ts';
import type { Protocol } from './packet.ts';

/** The stations of a packet, in their order. */
export type Station =
  | 'pod'
  | 'host link'
  | 'prerouting'
  | 'source check'
  | 'routing'
  | 'forwarding'
  | 'forward rules'
  | 'input rules'
  | 'postrouting'
  | 'next hop'
  | 'VPC'
  | 'reply';

export interface Step {
  readonly station: Station;
  /** `doubtful`: it passes as far as can be seen, and something is not as it should be or not known. */
  readonly outcome: 'passes' | 'dropped' | 'doubtful';
  readonly says: string;
}

export interface Drop {
  readonly station: Station;
  readonly why: string;
  /** A command, or what to look at. */
  readonly cure: string;
  /** Page below docs/runbooks. */
  readonly runbook: string;
}

export type Verdict =
  | { readonly kind: 'dropped'; readonly drop: Drop }
  /** It never leaves the pod: its own address. */
  | { readonly kind: 'stays in the pod' }
  | { readonly kind: 'reaches the node' }
  | { readonly kind: 'reaches a pod'; readonly hostIfName: string }
  | {
      readonly kind: 'leaves the node';
      readonly link: string;
      /** As the VPC sees it. */
      readonly source: string;
      readonly translated: boolean;
      readonly via: string | null;
    };

export interface TraceResult {
  readonly pod: string;
  readonly source: string;
  readonly destination: string;
  /** Where it goes after a translation of the destination; the destination itself without one. */
  readonly translatedTo: string;
  readonly steps: readonly Step[];
  readonly verdict: Verdict;
  /** The mark with which the packet is routed: what to ask the kernel with. */
  readonly mark: number;
}

/** The pod that sends. */
export interface TracedPod {
  readonly name: string;
  readonly addresses: readonly string[];
  /** The host's end of its link. */
  readonly hostIfName: string;
  readonly ifName: string;
  /** Its own namespace; undefined where it cannot be read. */
  readonly inside: KernelFacts | undefined;
}

export interface KnownEni {
  readonly id: string;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly mac: string;
}

export interface TraceInput {
  readonly pod: TracedPod;
  readonly destination: string;
  readonly protocol: Protocol | undefined;
  readonly port: number | undefined;
  readonly kernel: KernelFacts;
  readonly nft: NftRuleset;
  /** By their paths below /proc/sys. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly marks: OwnershipMarks;
  /** As the daemon or the journal knows them; empty where neither is there. */
  readonly enis: readonly KnownEni[];
}

/** Everything that is sent for a pod, in the order in which it is sent. Pure. */
import type { OwnershipMarks, PodAttachment } from '../datapath.ts';
import { limitLink } from '../bandwidth/pod-limits.ts';
import { openToLoopback } from '../host-port/loopback.ts';
import { type Batch, batchOf, type NetlinkRequest } from '../netlink/message.ts';
import { createVeth } from '../netlink/route/link.ts';
import { hostSide, type NodeAddresses, podSide, podVeth } from './desired.ts';

/** Numbers of the two ends of a pod's link. */
export interface Indexes {
  readonly host: number;
  readonly pod: number;
}

/** What a pod's messages follow from. */
export interface PodPlace {
  readonly marks: OwnershipMarks;
  readonly pod: PodAttachment;
  readonly indexes: Indexes;
  /** The pod's namespace, as the process that sends has it open. */
  readonly netnsFd: number;
  readonly node: NodeAddresses;
}

/** The pair is made first; then the host's side is set up, then the pod's, by a socket in its namespace. */
export type Step = 'pair' | 'host' | 'inside';
export const STEPS: readonly Step[] = ['pair', 'host', 'inside'];

export type PodMessages = Readonly<Record<Step, Batch>>;

/** The requests of a step. Throws `DatapathError` for addresses that a pod cannot have. */
export function requestsOf(step: Step, { marks, pod, indexes, netnsFd, node }: PodPlace): readonly NetlinkRequest[] {
  switch (step) {
    case 'pair':
      return [createVeth(podVeth(marks, pod, netnsFd, indexes))];
    case 'host':
      return [
        ...hostSide(marks, pod, indexes.host, node),
        ...openToLoopback(pod, indexes.host),
        ...limitLink(pod, 'ingress', indexes.host, pod.hostIfName),
      ];
    case 'inside':
      // Before the link comes up: a queueing discipline that takes another's place waits for RCU.
      return [...limitLink(pod, 'egress', indexes.pod, pod.ifName), ...podSide(pod, indexes.pod)];
    default:
      return step satisfies never;
  }
}

/** All of it, encoded. Throws as `requestsOf`. */
export function podMessages(place: PodPlace): PodMessages {
  return {
    pair: batchOf(requestsOf('pair', place)),
    host: batchOf(requestsOf('host', place)),
    inside: batchOf(requestsOf('inside', place)),
  };
}

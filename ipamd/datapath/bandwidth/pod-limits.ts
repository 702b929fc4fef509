/**
 * A pod's limits on its link. To the pod: a bucket before the host's end. From it: a bucket before the pod's own end, where
 * senders wait for their turn instead of losing packets (docs/decisions/0013). Both go with the link.
 */
import type { Bandwidth } from '#cni/spec/runtime-config.ts';
import { dump, type NetlinkSocket } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { tokenBucket, type Direction } from './limits.ts';
import { bucketText, decodeQdisc, dumpQdiscs, isBucket, replaceTokenBucket } from './qdisc.ts';

/** A pod as far as its limits go. */
export interface LimitedPod {
  readonly bandwidth?: Bandwidth;
}

/** The message that limits one direction, for the namespace that its end of the link is in; none without a limit. */
export function limitLink(
  { bandwidth }: LimitedPod,
  direction: Direction,
  link: number,
  label: string,
): readonly NetlinkRequest[] {
  const bucket = tokenBucket(bandwidth, direction);
  return bucket === undefined ? [] : [replaceTokenBucket(link, bucket, label)];
}

/** A promise as CHECK compares it: object, what should be, what is. Empty without a limit. */
export function limitPromises(
  socket: NetlinkSocket,
  { bandwidth }: LimitedPod,
  direction: Direction,
  link: number,
  label: string,
): readonly (readonly [object: string, expected: string, found: string])[] {
  const wanted = tokenBucket(bandwidth, direction);
  if (wanted === undefined) return [];
  const root = dump(socket, dumpQdiscs())
    .map(({ body }) => decodeQdisc(body))
    .find((qdisc) => qdisc.link === link && qdisc.isRoot);
  const found = root?.bucket === undefined ? (root?.kind ?? 'none') : bucketText(root.bucket);
  const expected = bucketText(wanted);
  return [[`${label} ${direction} limit`, expected, isBucket(root?.bucket, wanted) ? expected : found]];
}

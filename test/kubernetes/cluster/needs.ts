import type { Need } from '#test/support/needs.ts';

const PROGRAMS_OF_NODES: readonly Need[] = ['ip', 'nft', 'iptables', 'conntrack', 'containerd', 'runc', 'etcd'];
const FOR_BUILDING: readonly Need[] = ['gcc', 'go', 'curl', 'dig', 'nc'];

/** What a cluster of real parts needs of the machine. */
export const CLUSTER_NEEDS: readonly Need[] = ['root', ...PROGRAMS_OF_NODES, ...FOR_BUILDING];

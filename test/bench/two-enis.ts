/** The node of the benchmarks that need no cloud: two ENIs, and the datapath's settings for it. */
import type { Datapath } from '#ipamd/datapath/datapath.ts';

/** The primary ENI and one more. */
export const [PRIMARY, SECONDARY] = [
  { mac: '02:57:00:00:01:01', address: '10.0.0.10' },
  { mac: '02:57:00:00:01:02', address: '10.0.1.10' },
] as const;

/** What a node of two ENIs has; the second is in a subnet of its own. */
export interface NodeEnis {
  readonly primary: { readonly mac: string; readonly address: string };
  readonly secondary: { readonly mac: string; readonly address: string };
  readonly subnetCidr: string;
}

const ENIS: NodeEnis = { primary: PRIMARY, secondary: SECONDARY, subnetCidr: '10.0.1.0/24' };

/** What the datapath makes of a node with two ENIs, for both families. */
export async function setUpNode(
  datapath: Datapath,
  { primary, secondary, subnetCidr }: NodeEnis = ENIS,
): Promise<void> {
  await datapath.setUpHost({
    primaryMac: primary.mac,
    primaryAddress: primary.address,
    noSnatCidrs: ['10.0.0.0/16'],
    externalSnat: false,
    randomizeSnat: 'prng',
    nodePortSupport: true,
    eniMtu: 1500,
    family: 'dual',
  });
  await datapath.setUpInterface({
    id: 'eni-2',
    mac: secondary.mac,
    primaryAddress: secondary.address,
    subnetCidr,
    deviceIndex: 1,
    networkCardIndex: 0,
  });
}

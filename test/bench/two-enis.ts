/** The node of the benchmarks that need no cloud: two ENIs, and the datapath's settings for it. */
import type { Datapath } from '#ipamd/datapath/datapath.ts';

/** The primary ENI and one more. */
export const [PRIMARY, SECONDARY] = [
  { mac: '02:57:00:00:01:01', address: '10.0.0.10' },
  { mac: '02:57:00:00:01:02', address: '10.0.1.10' },
] as const;

/** What the datapath makes of a node with these ENIs, for both families. */
export async function setUpNode(datapath: Datapath): Promise<void> {
  await datapath.setUpHost({
    primaryMac: PRIMARY.mac,
    primaryAddress: PRIMARY.address,
    noSnatCidrs: ['10.0.0.0/16'],
    externalSnat: false,
    randomizeSnat: 'prng',
    nodePortSupport: true,
    eniMtu: 1500,
    family: 'dual',
  });
  await datapath.setUpInterface({
    id: 'eni-2',
    mac: SECONDARY.mac,
    primaryAddress: SECONDARY.address,
    subnetCidr: '10.0.1.0/24',
    deviceIndex: 1,
    networkCardIndex: 0,
  });
}

/** What the kernel of this node is set up with, by settings and by who the node is. */
import type { InstanceIdentity } from '#cloud/provider.ts';
import type { Ledger } from '#warm-pool/ledger.ts';
import type { Config } from '../config/config.ts';
import type { HostConfig } from '../datapath/datapath.ts';
import { familyOf } from './family.ts';

export function hostConfigOf(
  config: Config,
  identity: InstanceIdentity,
  { interfaces }: Pick<Ledger, 'interfaces'>,
): HostConfig {
  const primary = interfaces.get(identity.primaryInterfaceId)?.networkInterface;
  const family = familyOf(config);
  return {
    primaryMac: identity.primaryMac,
    primaryAddress: identity.primaryAddress,
    noSnatCidrs: [...identity.vpcCidrs, ...config.excludeSnatCidrs],
    externalSnat: config.externalSnat,
    randomizeSnat: config.randomizeSnat,
    nodePortSupport: config.nodePortSupport,
    eniMtu: config.eniMtu,
    family,
    primaryIpv6Address: primary?.ipv6Address,
    ipv4Egress: config.ipv4Egress && family === 'ipv6',
    ipv6Egress: config.ipv6Egress && family === 'ipv4',
    externalServiceCidrs: config.externalServiceCidrs,
    disablePodIpv6: config.disablePodIpv6,
    branchMode: config.podEni ? config.podEniMode : undefined,
    disableTcpEarlyDemux: config.disableTcpEarlyDemux,
  };
}

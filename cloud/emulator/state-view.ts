import type { CloudState } from './api/contract.ts';
import type { Region } from './region.ts';

/** All that a region holds, as the region itself views it, in the present. */
export function stateOf(region: Region): CloudState & { readonly region: string } {
  return {
    region: region.name,
    vpcs: region.vpcs(),
    subnets: region.subnets(),
    securityGroups: region.securityGroups(),
    instances: region.instances(),
    networkInterfaces: region.networkInterfaces(),
  };
}

import type { NetworkInterfaceDescription, SubnetDescription } from '#cloud/provider.ts';
import type { FabricSource } from './follow.ts';
import { fabricState, type DescribedVpc } from './mapping.ts';
import { EMPTY_STATE } from './state.ts';

/** What the fabric reads of the emulator's `Region`. */
export interface ObservableRegion {
  vpcs(): readonly Pick<DescribedVpc, 'id' | 'cidrs' | 'ipv6Cidrs'>[];
  subnets(): readonly SubnetDescription[];
  networkInterfaces(): readonly NetworkInterfaceDescription[];
  onChange(listener: () => void): () => void;
}

/** One VPC of an emulated region as the source of a fabric; nothing at all while the region has no such VPC. */
export function regionSource(region: ObservableRegion, vpcId: string): FabricSource {
  return {
    read() {
      const vpc = region.vpcs().find((each) => each.id === vpcId);
      if (vpc === undefined) return EMPTY_STATE;
      return fabricState({ ...vpc, subnets: region.subnets(), networkInterfaces: region.networkInterfaces() });
    },
    onChange: (listener) => region.onChange(listener),
  };
}

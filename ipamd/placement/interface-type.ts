/**
 * Whether an interface of this type can host pods (DescribeNetworkInterfaces, InterfaceType). A trunk carries branches and
 * belongs to the VPC resource controller, as do the branches; an EFA-only interface has no address; further types are
 * services' own. An EFA interface (`efa`) has addresses like any other.
 */
export function hostsPods(interfaceType: string): boolean {
  return interfaceType === 'interface' || interfaceType === 'efa';
}

/** Whether a node could host one more pod, by the cloud's truth. */
import type { NetworkInterfaceDescription } from '#cloud/provider.ts';
import { given, type World } from './world.ts';

const NO_MANAGE = 'node.k8s.amazonaws.com/no_manage';

/** Where there is room, in words; undefined where there is none, or it is not certain. */
export function roomForOneMore({ cloud, cluster, settings, daemon, subnetIds, targets }: World): string | undefined {
  const { region } = cloud;
  const interfaces = cloud.held.interfaces.filter(({ attachment }) => attachment?.networkCardIndex === 0);
  const type = given(region.types.get(settings.instanceType));
  const slots = type.ipv4PerInterface - 1;
  const most = Math.min(given(type.networkCards[0]).maxInterfaces, Number(settings.env['MAX_ENI'] ?? Infinity));
  const freeIn = new Map(region.subnets().map(({ id, availableAddresses }) => [id, availableAddresses]));
  const onCard =
    daemon?.core?.pool.summary().byInterface.filter(({ networkCardIndex }) => networkCardIndex === 0) ?? [];
  const assignable = onCard.reduce((sum, one) => sum + one.assignable, 0);
  if (assignable > 0) return `${assignable} addresses are free`;
  // What a node of two families still lacks is not for IPv4 alone to say.
  if ((daemon?.core?.pool.ledger.config.family ?? 'ipv4') !== 'ipv4') return undefined;
  // What another program may still give the node is not known.
  if (targets['DISABLE_NETWORK_RESOURCE_PROVISIONING'] === 'true') return undefined;
  const isForPods = (subnetId: string) => cluster === undefined || subnetId === cluster.subnetId;
  const taken = ({ secondaryAddresses, ipv4Prefixes }: NetworkInterfaceDescription) =>
    secondaryAddresses.length + ipv4Prefixes.length;
  const roomy = interfaces.find(
    (each) =>
      each.tags[NO_MANAGE] !== 'true' &&
      taken(each) < slots &&
      (freeIn.get(each.subnetId) ?? 0) > 0 &&
      (cluster === undefined || (each.attachment?.deviceIndex !== 0 && isForPods(each.subnetId))),
  );
  if (roomy !== undefined) return `${roomy.id} and its subnet have room for an address`;
  const subnet = subnetIds.find((id) => (freeIn.get(id) ?? 0) > 1 && isForPods(id));
  return interfaces.length < most && subnet !== undefined
    ? `${subnet} has room for an interface, and the node for one of ${most}`
    : undefined;
}

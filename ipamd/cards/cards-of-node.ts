/** Which network cards of this node host pods, by setting and instance type. Pure. */
import { hostsPods } from '../placement/interface-type.ts';
import { isManaged } from '#cloud/aws/tags.ts';
import type { InstanceTypeDescription, NetworkInterfaceDescription } from '#cloud/provider.ts';
import type { Card } from '#warm-pool/ledger.ts';
import type { Config } from '../config/config.ts';

type Settings = Pick<Config, 'multiNic' | 'maxEni' | 'eniMarkMask'>;

/** The daemon does not start: with these settings its cards cannot be told apart. */
export class CardsRefused extends Error {
  readonly code = 'too-few-marks';
  constructor(message: string) {
    super(message);
    this.name = 'CardsRefused';
  }
}

/** Interfaces that a card may have attached: what the type allows on it, lowered by MAX_ENI, which counts for each card. */
export function maxInterfacesOn(
  networkCardIndex: number,
  { networkCards }: Pick<InstanceTypeDescription, 'networkCards'>,
  { maxEni }: Pick<Config, 'maxEni'>,
): number {
  const byType = networkCards.find((card) => card.networkCardIndex === networkCardIndex)?.maximumInterfaces ?? 1;
  return maxEni > 0 ? Math.min(maxEni, byType) : byType;
}

/** The cards beside card 0; none without ENABLE_MULTI_NIC. */
export function furtherCards(type: Pick<InstanceTypeDescription, 'networkCards'>, config: Settings): readonly Card[] {
  if (!config.multiNic) return [];
  return type.networkCards
    .map(({ networkCardIndex }) => networkCardIndex)
    .filter((networkCardIndex) => networkCardIndex > 0)
    .toSorted((a, b) => a - b)
    .map((networkCardIndex) => ({
      networkCardIndex,
      maxInterfaces: maxInterfacesOn(networkCardIndex, type, config),
    }));
}

/**
 * Every secondary ENI needs a mark of its own, or the pods of one would leave by another. Throws CardsRefused where the mask
 * has fewer values than all cards together may have ENIs.
 */
export function checkMarks(
  type: Pick<InstanceTypeDescription, 'instanceType' | 'networkCards'>,
  config: Settings,
): void {
  const further = furtherCards(type, config);
  if (further.length === 0) return;
  const onFirst = maxInterfacesOn(0, type, config) - 1;
  const needed = further.reduce((sum, { maxInterfaces }) => sum + maxInterfaces, onFirst);
  const { eniMarkMask: mask } = config;
  const values = mask >>> (31 - Math.clz32(mask & -mask));
  if (needed <= values) return;
  const bits = Math.ceil(Math.log2(needed + 1));
  throw new CardsRefused(
    `ENABLE_MULTI_NIC=true lets ${type.instanceType} have ${needed} secondary ENIs on ${further.length + 1} network cards, and ` +
      `WELLSPRING_ENI_MARK_MASK=0x${mask.toString(16)} tells ${values} apart: give the mask ${bits} bits, or lower MAX_ENI.`,
  );
}

/** What the log should say once at start where the setting changes nothing; undefined where it does, or is off. */
export function withoutFurtherCards(
  { instanceType, networkCards }: Pick<InstanceTypeDescription, 'instanceType' | 'networkCards'>,
  { multiNic }: Pick<Config, 'multiNic'>,
): string | undefined {
  if (!multiNic || networkCards.length > 1) return undefined;
  return `ENABLE_MULTI_NIC has no effect: ${instanceType} has one network card`;
}

/** Whether an attached interface other than the primary is the pool's to use: by its type, its card and its tags. */
export function isOfThePool(
  { interfaceType, attachment, tags }: Pick<NetworkInterfaceDescription, 'interfaceType' | 'attachment' | 'tags'>,
  instanceId: string,
  { multiNic, manageUntaggedEni }: Pick<Config, 'multiNic' | 'manageUntaggedEni'>,
): boolean {
  if (!hostsPods(interfaceType)) return false;
  return (multiNic || (attachment?.networkCardIndex ?? 0) === 0) && isManaged(tags, instanceId, manageUntaggedEni);
}

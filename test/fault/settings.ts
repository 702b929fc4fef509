/** What differs from seed to seed: the node, its settings, the subnets. */
import { type Config, parseConfig } from '#ipamd/config/config.ts';
import type { Dice } from './dice.ts';

export interface Settings {
  readonly instanceType: string;
  /** Sizes of the subnets, as prefix lengths: the node's own, then those that tags offer. */
  readonly subnets: readonly number[];
  /** The node has further network cards, and some of its pods want an interface on each. */
  readonly hasCards: boolean;
  /** How many of the last subnets ENIConfigs name; 0 without custom networking. */
  readonly eniConfigSubnets: number;
  /** The daemon's environment, without what a restart may change. */
  readonly env: Readonly<Record<string, string>>;
}

/** `kinds` says alone whether the node is a special one, so that the seeds of others stay as they are. */
export function drawSettings(dice: Dice, kinds: Dice): Settings {
  const hasCards = kinds.chance(0.15);
  const eniConfigSubnets = !hasCards && kinds.chance(0.2) ? kinds.int(1, 2) : 0;
  const podSubnets = Array.from({ length: eniConfigSubnets }, () => kinds.pick([24, 27, 28]));
  const coolDown = dice.pick(['30', '30', '5', '0']);
  const oneCard = dice.pick(['t3.micro', 't3.small', 't3.medium', 'm5.large']);
  return {
    hasCards,
    eniConfigSubnets,
    instanceType: hasCards ? 'c6in.32xlarge' : oneCard,
    subnets: [dice.pick([24, 26, 27, 28]), ...(dice.chance(0.3) ? [dice.pick([26, 28])] : []), ...podSubnets],
    env: {
      IP_COOLDOWN_PERIOD: coolDown,
      WELLSPRING_ENI_MINIMUM_AGE: String(dice.pick([1, 10, 60])),
      WELLSPRING_LEAKED_ENI_INTERVAL: '60',
      ...(eniConfigSubnets > 0 ? { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: 'true' } : {}),
      ...(hasCards ? { ENABLE_MULTI_NIC: 'true', MAX_ENI: '2' } : {}),
      ...(dice.chance(0.3) ? { MAX_ENI: String(dice.int(1, 3)) } : {}),
      ...(dice.chance(0.3) ? { CLUSTER_NAME: 'fault' } : {}),
    },
  };
}

/** Drawn anew at each start: an operator changes them and restarts the daemon. */
export function drawTargets(dice: Dice): Readonly<Record<string, string>> {
  const kind = dice.pick(['default', 'addresses', 'none', 'eni', 'prefix'] as const);
  const prefixes = { ENABLE_PREFIX_DELEGATION: String(dice.chance(0.4)) };
  if (kind === 'default') return prefixes;
  if (kind === 'eni') return { ...prefixes, WARM_ENI_TARGET: String(dice.int(0, 2)) };
  if (kind === 'prefix') return { ENABLE_PREFIX_DELEGATION: 'true', WARM_PREFIX_TARGET: String(dice.int(0, 2)) };
  if (kind === 'none') return { ...prefixes, WARM_IP_TARGET: '0', WARM_ENI_TARGET: '0' };
  return { ...prefixes, WARM_IP_TARGET: String(dice.int(1, 6)), MINIMUM_IP_TARGET: String(dice.int(0, 10)) };
}

/** Whether another program gives the node its interfaces; drawn anew at a start now and then. */
export function drawProvisioning(dice: Dice): Readonly<Record<string, string>> {
  return dice.chance(0.1) ? { DISABLE_NETWORK_RESOURCE_PROVISIONING: 'true' } : {};
}

/** The families of the node's pods; drawn anew at a start now and then, where the node has one network card. */
export function drawFamily(dice: Dice): Readonly<Record<string, string>> {
  const family = dice.pick(['ipv4', 'ipv4', 'ipv6', 'dual', 'dual'] as const);
  if (family === 'ipv4') return {};
  if (family === 'dual') return { ENABLE_IPv6: 'true' };
  return { ENABLE_IPv6: 'true', ENABLE_IPv4: 'false', ENABLE_PREFIX_DELEGATION: 'true' };
}

export function configOf(settings: Settings, targets: Readonly<Record<string, string>>): Config {
  return parseConfig({ ...settings.env, ...targets });
}

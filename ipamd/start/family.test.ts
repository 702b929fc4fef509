import { describe, expect, it } from '@jest/globals';
import type { InstanceTypeDescription } from '#cloud/provider.ts';
import type { InterfaceUse, NetworkInterface, Subnet } from '#warm-pool/model.ts';
import { ConfigError, parseConfig } from '../config/config.ts';
import { checkInstanceType, checkSubnets, familyOf, FamilyRefused, lacksIpv6Prefix } from './family.ts';

const familyIn = (env: Readonly<Record<string, string>>) => familyOf(parseConfig(env));

function problemsOf(env: Readonly<Record<string, string>>): string {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
}

function refusalOf(check: () => void): string | undefined {
  try {
    check();
  } catch (error) {
    if (error instanceof FamilyRefused) return error.code;
    throw error;
  }
  return undefined;
}

const type = (changes: Partial<InstanceTypeDescription>): InstanceTypeDescription => ({
  instanceType: 'm5.large',
  hypervisor: 'nitro',
  bareMetal: false,
  ipv4PerInterface: 10,
  ipv6PerInterface: 10,
  ipv6Supported: true,
  defaultNetworkCardIndex: 0,
  networkCards: [{ networkCardIndex: 0, maximumInterfaces: 3 }],
  ...changes,
});

const eni: NetworkInterface = {
  id: 'eni-1',
  subnetId: 'subnet-1',
  mac: '02:00:00:00:00:01',
  primaryAddress: '10.0.0.4',
  isPrimary: true,
  deviceIndex: 0,
  networkCardIndex: 0,
  attachmentId: 'attach-1',
  phase: 'ready',
  managed: true,
  since: 0,
  blocks: [],
};
const use = (changes: Partial<NetworkInterface> = {}): InterfaceUse => ({
  networkInterface: { ...eni, ...changes },
  blocks: [],
});
const subnet = (id: string, hasIpv6?: boolean): Subnet => ({
  id,
  cidr: '10.0.0.0/24',
  availableAddresses: 250,
  backOffUntil: 0,
  prefixBackOffUntil: 0,
  ...(hasIpv6 === undefined ? {} : { hasIpv6 }),
});

describe('the family of a node', () => {
  it('follows ENABLE_IPv4 and ENABLE_IPv6', () => {
    expect(familyIn({})).toBe('ipv4');
    expect(familyIn({ ENABLE_IPv6: 'true' })).toBe('dual');
    expect(familyIn({ ENABLE_IPv4: 'true', ENABLE_IPv6: 'true', ENABLE_PREFIX_DELEGATION: 'true' })).toBe('dual');
    expect(familyIn({ ENABLE_IPv4: 'false', ENABLE_IPv6: 'true', ENABLE_PREFIX_DELEGATION: 'true' })).toBe('ipv6');
  });

  it.each([
    [{ ENABLE_IPv4: 'false' }, /ENABLE_IPv4=false with ENABLE_IPv6=false is not allowed: at least one/],
    [{ ENABLE_IPv4: 'false', ENABLE_IPv6: 'true' }, /needs ENABLE_PREFIX_DELEGATION=true: pods of an IPv6 node/],
    [
      { ENABLE_IPv6: 'true', AWS_VPC_ENI_MTU: '1279' },
      /AWS_VPC_ENI_MTU=1279 is not allowed with ENABLE_IPv6=true.*1280/,
    ],
    [{ ENABLE_IPv6: 'true', POD_MTU: '1000' }, /POD_MTU=1000 is not allowed with ENABLE_IPv6=true/],
    [
      {
        ENABLE_IPv4: 'false',
        ENABLE_IPv6: 'true',
        ENABLE_PREFIX_DELEGATION: 'true',
        AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: 'true',
      },
      /AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true is not allowed with ENABLE_IPv4=false/,
    ],
  ])('refuses %j with a sentence', (env, sentence) => expect(problemsOf(env)).toMatch(sentence));

  it.each([
    [type({ hypervisor: 'xen' }), 'instance-type-without-prefixes'],
    [type({ ipv6Supported: false }), 'instance-type-without-ipv6'],
    [type({ ipv6Supported: false, bareMetal: true, hypervisor: 'unknown' }), 'instance-type-without-ipv6'],
  ])('is refused on a type that cannot serve it: %j', (instanceType, code) => {
    for (const family of ['ipv6', 'dual'] as const) {
      expect(refusalOf(() => checkInstanceType(family, instanceType))).toBe(code);
    }
    expect(() => checkInstanceType('ipv4', instanceType)).not.toThrow();
  });

  it('is served by Nitro and by bare metal', () => {
    checkInstanceType('ipv6', type({}));
    checkInstanceType('dual', type({ bareMetal: true, hypervisor: 'unknown' }));
  });

  it('is refused where no subnet has IPv6, but not where one has, may have, or is not needed', () => {
    const pool = { family: 'dual', interfaces: [use()], subnets: [subnet('b', false), subnet('a', false)] } as const;
    expect(() => checkSubnets(pool)).toThrow(/IPv6 CIDR block, and a, b has none/);
    checkSubnets({ ...pool, family: 'ipv4' });
    checkSubnets({ ...pool, subnets: [subnet('a', false), subnet('b', true)] });
    checkSubnets({ ...pool, subnets: [subnet('a', false), subnet('b')] });
    checkSubnets({ ...pool, subnets: [] });
    const prefixed = { ipv6Prefixes: ['2001:db8:0:0:1::/80'] };
    checkSubnets({ ...pool, interfaces: [use(prefixed)] });
    expect(lacksIpv6Prefix({ ...pool, interfaces: [use({ ...prefixed, excludedFromPods: true })] })).toBe(true);
    expect(lacksIpv6Prefix({ ...pool, interfaces: [use({ ...prefixed, managed: false })] })).toBe(true);
  });
});

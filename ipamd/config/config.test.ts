import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConfigError, parseConfig } from './config.ts';
import { helpText } from './help.ts';
import { OPTIONS } from './options.data.ts';
import { PEER_SETTINGS } from './peer-settings.data.ts';

function problemsOf(env: Readonly<Record<string, string>>): readonly string[] {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('parseConfig', () => {
  it("takes the peer's defaults from an empty environment", () => {
    expect(parseConfig({})).toMatchObject({
      warmEniTarget: 1,
      warmIpTarget: undefined,
      minimumIpTarget: undefined,
      coolDownSeconds: 30,
      prefixDelegation: false,
      connmark: 0x80,
      vethPrefix: 'eni',
      additionalEniTags: {},
      excludeSnatCidrs: [],
    });
  });

  it.each([
    ['WARM_IP_TARGET', '-1'],
    ['WARM_IP_TARGET', 'five'],
    ['WARM_IP_TARGET', '1.5'],
    ['ENABLE_PREFIX_DELEGATION', 'yes'],
    ['AWS_VPC_ENI_MTU', '9002'],
    ['AWS_VPC_K8S_CNI_VETHPREFIX', 'eth'],
    ['AWS_VPC_K8S_CNI_VETHPREFIX', 'toolong'],
    ['AWS_VPC_K8S_CNI_RANDOMIZESNAT', 'maybe'],
    ['AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS', '10.0.0.0/8,300.0.0.0/8'],
    ['AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS', 'fd00::/8'],
    ['AWS_EXTERNAL_SERVICE_CIDRS', '192.0.2.0/24,2001:db8::/129'],
    ['AWS_EXTERNAL_SERVICE_CIDRS', '192.0.2.1'],
    ['AWS_EXTERNAL_SERVICE_CIDRS', 'fe80::%eth0/64'],
    ['DISABLE_POD_V6', 'yes'],
    ['ADDITIONAL_ENI_TAGS', '{'],
    ['ADDITIONAL_ENI_TAGS', '{"node.k8s.amazonaws.com/x":"y"}'],
    ['ADDITIONAL_ENI_TAGS', '{"AWS:x":"y"}'],
    ['ADDITIONAL_ENI_TAGS', '{"":"y"}'],
    ['ADDITIONAL_ENI_TAGS', '{"x":1}'],
    ['WARM_IP_TARGET', '0x5'],
    ['WARM_ENI_TARGET', '-1'],
    ['MAX_ENI', '-2'],
    ['IP_COOLDOWN_PERIOD', '30s'],
    ['AWS_VPC_K8S_CNI_CONNMARK', '0'],
    ['AWS_VPC_K8S_CNI_CONNMARK', '0x100000000'],
    ['AWS_VPC_K8S_CNI_CONNMARK', '089'],
    ['AWS_VPC_K8S_CNI_BACKING_STORE', 'ipam.json'],
    ['POD_SECURITY_GROUP_ENFORCING_MODE', 'lenient'],
    ['NETWORK_POLICY_ENFORCING_MODE', 'strict'],
    ['INTROSPECTION_BIND_ADDRESS', 'localhost'],
    ['WELLSPRING_SOCKET', 'relative.sock'],
  ])('refuses %s=%s and names key, value and what is allowed', (key, value) => {
    expect(() => parseConfig({ [key]: value })).toThrow(ConfigError);
    const [sentence] = problemsOf({ [key]: value });
    expect(sentence).toMatch(new RegExp(`^${key}=.*is not allowed: it must be .+`));
    expect(sentence).toContain(JSON.stringify(value));
  });

  it.each([
    ...['1', 't', 'T', 'TRUE', 'true', 'True'].map((text) => [text, true] as const),
    ...['0', 'f', 'F', 'FALSE', 'false', 'False'].map((text) => [text, false] as const),
  ])('reads %j as Go does', (text, value) => {
    expect(parseConfig({ ENABLE_PREFIX_DELEGATION: text })).toMatchObject({ prefixDelegation: value });
  });

  it('refuses every other form of a boolean, tRUE as well', () => {
    const known = new Set('1 t T TRUE true True 0 f F FALSE false False'.split(' '));
    const text = fc.oneof(fc.mixedCase(fc.constantFrom('true', 'false', 'yes', 'on')), fc.string());
    fc.assert(
      fc.property(text, (value) => {
        fc.pre(value.trim() !== '' && !known.has(value.trim()));
        expect(() => parseConfig({ ENABLE_PREFIX_DELEGATION: value })).toThrow(/ENABLE_PREFIX_DELEGATION/);
      }),
    );
  });

  it.each([
    ['128', 0x80],
    ['0200', 0x80],
    ['0X80', 0x80],
    ['0b10000000', 0x80],
    ['0o200', 0x80],
  ])('reads the mark %j in the base that the peer reads it in', (text, mark) => {
    expect(parseConfig({ AWS_VPC_K8S_CNI_CONNMARK: text })).toMatchObject({ connmark: mark });
  });

  it('an empty value is not set', () => {
    const unset = Object.fromEntries(Object.values(OPTIONS).map(({ env }) => [env, ' ']));
    expect(parseConfig(unset)).toEqual(parseConfig({}));
  });

  it('reports every wrong value at once', () => {
    expect(() => parseConfig({ WARM_IP_TARGET: 'x', MAX_ENI: 'y' })).toThrow(/WARM_IP_TARGET[\s\S]*MAX_ENI/);
  });

  it('refuses marks that overlap', () => {
    expect(() => parseConfig({ WELLSPRING_ENI_MARK_MASK: '0xff' })).toThrow(/overlaps/);
    expect(() => parseConfig({ AWS_VPC_K8S_CNI_CONNMARK: '0x81' })).toThrow(/single bit/);
  });

  it('any text for any key gives a config or a ConfigError', () => {
    const keys = Object.values(OPTIONS).map((option) => option.env);
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.string(), (key, value) => {
        try {
          parseConfig({ [key]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
    );
  });

  it("takes the environment of the peer's own manifest as it is", () => {
    const manifest = {
      ADDITIONAL_ENI_TAGS: '{}',
      ANNOTATE_POD_IP: 'false',
      AWS_VPC_CNI_NODE_PORT_SUPPORT: 'true',
      AWS_VPC_ENI_MTU: '9001',
      AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: 'false',
      AWS_VPC_K8S_CNI_EXTERNALSNAT: 'false',
      AWS_VPC_K8S_CNI_LOGLEVEL: 'DEBUG',
      AWS_VPC_K8S_CNI_LOG_FILE: '/host/var/log/aws-routed-eni/ipamd.log',
      AWS_VPC_K8S_CNI_RANDOMIZESNAT: 'prng',
      AWS_VPC_K8S_CNI_VETHPREFIX: 'eni',
      AWS_VPC_K8S_PLUGIN_LOG_FILE: '/var/log/aws-routed-eni/plugin.log',
      AWS_VPC_K8S_PLUGIN_LOG_LEVEL: 'DEBUG',
      CLUSTER_NAME: 'my-cluster',
      DISABLE_INTROSPECTION: 'false',
      DISABLE_METRICS: 'false',
      DISABLE_NETWORK_RESOURCE_PROVISIONING: 'false',
      DISABLE_TCP_EARLY_DEMUX: 'false',
      ENABLE_IPv4: 'true',
      ENABLE_IPv6: 'false',
      ENABLE_POD_ENI: 'false',
      ENABLE_PREFIX_DELEGATION: 'false',
      ENABLE_SUBNET_DISCOVERY: 'true',
      NETWORK_POLICY_ENFORCING_MODE: 'standard',
      POD_SECURITY_GROUP_ENFORCING_MODE: 'strict',
      VPC_CNI_VERSION: 'v1.23.1',
      VPC_ID: 'vpc-0123456789abcdef0',
      WARM_ENI_TARGET: '1',
      WARM_PREFIX_TARGET: '1',
      MY_NODE_NAME: 'ip-10-0-0-10.ec2.internal',
    };
    expect(parseConfig(manifest)).toMatchObject({ warmEniTarget: 1, clusterName: 'my-cluster' });
  });

  it('takes services of both families, and switches IPv6 off only where no pod has an address of it', () => {
    const { externalServiceCidrs } = parseConfig({ AWS_EXTERNAL_SERVICE_CIDRS: '192.0.2.0/24, 2001:db8:aa::/48' });
    expect(externalServiceCidrs).toEqual(['192.0.2.0/24', '2001:db8:aa::/48']);
    expect(parseConfig({ DISABLE_POD_V6: 'true' }).disablePodIpv6).toBe(true);
    const six = { DISABLE_POD_V6: 'true', ENABLE_PREFIX_DELEGATION: 'true' };
    expect(() => parseConfig({ ...six, ENABLE_IPv6: 'true' })).toThrow(
      'DISABLE_POD_V6=true is not allowed with ENABLE_IPv6=true',
    );
    expect(() => parseConfig({ ...six, ENABLE_IPv4: 'true', ENABLE_V6_EGRESS: 'true' })).toThrow(
      'ENABLE_V6_EGRESS=true',
    );
  });

  it('--help names every setting', () => {
    for (const { env } of [...Object.values(OPTIONS), ...PEER_SETTINGS]) expect(helpText()).toContain(env);
  });
});

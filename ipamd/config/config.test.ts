import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConfigError, parseConfig } from './config.ts';
import { helpText } from './help.ts';
import { OPTIONS } from './options.data.ts';

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
    ['ADDITIONAL_ENI_TAGS', '{'],
    ['ADDITIONAL_ENI_TAGS', '{"node.k8s.amazonaws.com/x":"y"}'],
    ['INTROSPECTION_BIND_ADDRESS', 'localhost'],
    ['WELLSPRING_SOCKET', 'relative.sock'],
  ])('refuses %s=%s and names key, value and what is allowed', (key, value) => {
    expect(() => parseConfig({ [key]: value })).toThrow(ConfigError);
    expect(() => parseConfig({ [key]: value })).toThrow(new RegExp(`${key}=.*is not allowed: it must be .+`));
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

  it('--help names every setting', () => {
    for (const { env } of Object.values(OPTIONS)) expect(helpText()).toContain(env);
  });
});

import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseConfig } from '../config/config.ts';
import { QuestionRefused } from './explain-refused.ts';
import { SETTABLE, settingsWith } from './explain-settings.ts';

const LARGE = {
  instanceType: 'm5.large',
  hypervisor: 'nitro',
  bareMetal: false,
  ipv4PerInterface: 10,
  ipv6PerInterface: 10,
  ipv6Supported: true,
  defaultNetworkCardIndex: 0,
  networkCards: [{ networkCardIndex: 0, maximumInterfaces: 3 }],
} as const;

const current = {
  config: parseConfig({ WARM_IP_TARGET: '5' }),
  node: { instanceType: LARGE },
  targets: {
    warmEniTarget: 1,
    warmIpTarget: 5,
    minimumIpTarget: undefined,
    warmPrefixTarget: 1,
    interfaceMinimumAgeMs: 60_000,
  },
  ledgerConfig: {
    mode: 'address',
    limits: { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: Number.MAX_SAFE_INTEGER },
    coolDownMs: 30_000,
  },
} as const;

const refusal = (...sets: readonly string[]): string => {
  try {
    settingsWith(sets, current);
  } catch (error) {
    expect(error).toBeInstanceOf(QuestionRefused);
    return Object.values((error as QuestionRefused).refusal).join(' ');
  }
  throw new Error(`${sets.join()} is not refused`);
};

describe('settingsWith', () => {
  it('changes what is named and nothing else', () => {
    expect(settingsWith([], current)).toMatchObject({ targets: current.targets, ledgerConfig: current.ledgerConfig });
    expect(settingsWith(['WARM_ENI_TARGET=1', 'WARM_IP_TARGET=5'], current)).toMatchObject({
      targets: current.targets,
      ledgerConfig: current.ledgerConfig,
      changed: { WARM_IP_TARGET: { now: 5, after: 5 } },
    });
    expect(settingsWith(['WARM_IP_TARGET='], current).targets).toEqual({ ...current.targets, warmIpTarget: undefined });
    expect(settingsWith(['WELLSPRING_ENI_MINIMUM_AGE=5'], current).targets.interfaceMinimumAgeMs).toBe(5000);
    expect(settingsWith(['IP_COOLDOWN_PERIOD=5'], current).ledgerConfig).toEqual({
      ...current.ledgerConfig,
      coolDownMs: 5000,
    });
  });

  it('lets limits and mode follow', () => {
    const { ledgerConfig } = settingsWith(['ENABLE_PREFIX_DELEGATION=true', 'MAX_ENI=2'], current);
    expect(ledgerConfig).toMatchObject({ mode: 'prefix', limits: { maxInterfaces: 2 } });
    expect(settingsWith(['WELLSPRING_MAX_PODS=4'], current).ledgerConfig.limits.maxPods).toBe(4);
  });

  it('refuses as the daemon would at start, and says what may be set', () => {
    expect(refusal('MAX_ENI=many')).toContain(
      'MAX_ENI="many" is not allowed: it must be a whole number from -1 to 1000.',
    );
    expect(refusal('WELLSPRING_SOCKET=/x')).toContain('WARM_ENI_TARGET');
    expect(refusal('=1')).toContain('KEY=VALUE');
    expect(refusal('__proto__=1')).toContain('cannot be set here');
  });

  it('refuses prefixes on Xen', () => {
    const xen = {
      ...current,
      node: { instanceType: { ...LARGE, hypervisor: 'xen' as const, instanceType: 't2.large' } },
    };
    expect(() => settingsWith(['ENABLE_PREFIX_DELEGATION=true'], xen)).toThrow(/t2\.large runs on Xen/);
  });

  it('any text is a setting or a refusal', () => {
    const set = fc.tuple(fc.constantFrom(...SETTABLE, 'OTHER'), fc.string()).map(([key, value]) => `${key}=${value}`);
    fc.assert(
      fc.property(fc.array(fc.oneof(set, fc.string()), { maxLength: 3 }), (sets) => {
        try {
          expect(settingsWith(sets, current).ledgerConfig.limits.maxInterfaces).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(QuestionRefused);
        }
      }),
    );
  });
});

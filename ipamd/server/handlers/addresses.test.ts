import { describe, expect, it } from '@jest/globals';
import { formatResult, parseResult } from '#cni/spec/result.ts';
import type { CniVersion } from '#cni/spec/version.ts';
import { ipsOf, routesOf } from './addresses.ts';

const DUAL = { address: '10.0.0.5', ipv6Address: '2001:db8::1' };
const SIX = { address: '2001:db8::1' };

const written = (stored: typeof DUAL | typeof SIX, version: CniVersion) =>
  formatResult(
    {
      interfaces: [{ name: 'eni1' }, { name: 'eth0', sandbox: '/run/netns/x' }],
      ips: ipsOf(stored).map((ip) => ({ ...ip, interface: 1 })),
      routes: routesOf(stored),
      dns: {},
    },
    version,
  );

describe('the result of ADD', () => {
  it('has an address and a default route for each family, IPv4 first', () => {
    expect(written(DUAL, '1.0.0')).toMatchObject({
      ips: [
        { interface: 1, address: '10.0.0.5/32' },
        { interface: 1, address: '2001:db8::1/128' },
      ],
      routes: [
        { dst: '0.0.0.0/0', gw: '169.254.1.1' },
        { dst: '::/0', gw: 'fe80::1' },
      ],
    });
    expect(written(SIX, '1.1.0')).toMatchObject({
      ips: [{ interface: 1, address: '2001:db8::1/128' }],
      routes: [{ dst: '::/0', gw: 'fe80::1' }],
    });
  });

  it.each(['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const)(
    'names the version of each address where version %s has such a field, and is read again as it was written',
    (version) => {
      const document = written(DUAL, version) as unknown as { readonly ips: readonly { readonly version?: string }[] };
      expect(document.ips.map((ip) => ip.version)).toEqual(
        version.startsWith('0.') ? ['4', '6'] : [undefined, undefined],
      );
      expect(parseResult(written(DUAL, version), version, 'prevResult').ips).toEqual([
        { address: '10.0.0.5/32', interface: 1 },
        { address: '2001:db8::1/128', interface: 1 },
      ]);
    },
  );
});

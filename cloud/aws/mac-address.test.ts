import { describe, expect, it } from '@jest/globals';
import { macAddressOf } from './mac-address.ts';

describe('macAddressOf', () => {
  it('is what EC2 says, in lower case', () => {
    expect(macAddressOf('eni-1', '0A:FF:00:11:22:33')).toBe('0a:ff:00:11:22:33');
  });

  it('follows from the id where the answer has none: unicast, locally administered, another for another id', () => {
    const broken = '02:00:00:19802x:17602x:16802x';
    const macs = Array.from({ length: 500 }, (_, n) => macAddressOf(`eni-${String(n)}`, broken));
    expect(new Set(macs).size).toBe(500);
    expect(macs.every((mac) => /^02(:[0-9a-f]{2}){5}$/.test(mac))).toBe(true);
    expect(macAddressOf('eni-7', '')).toBe(macs[7]);
  });
});

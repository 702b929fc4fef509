import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { POD_ENI, readPodEni, wantsPodEni } from './pod-eni.ts';
import { canHaveTrunk, Trunk } from './trunk.ts';

const whole = {
  eniId: 'eni-0123456789abcdef0',
  ifAddress: '02:AB:00:00:00:07',
  privateIp: '10.0.7.20',
  ipv6Addr: '2001:DB8:7:0::20',
  vlanID: 7,
  subnetCidr: '10.0.7.0/24',
  subnetV6Cidr: '2001:db8:7::/64',
};
const read = (value: unknown, family: 'ipv4' | 'ipv6' | 'dual' = 'ipv4') =>
  readPodEni({ [POD_ENI]: typeof value === 'string' ? value : JSON.stringify(value) }, family);

describe('a pod that asks for an ENI', () => {
  it('does so by a limit whose name begins so', () => {
    expect(wantsPodEni({ limits: ['cpu', 'vpc.amazonaws.com/pod-eni'] })).toBe(true);
    expect(wantsPodEni({ limits: ['cpu', 'vpc.amazonaws.com/PrivateIPv4Address'] })).toBe(false);
  });
});

describe('the annotation', () => {
  it('is read as the families of the node need it', () => {
    const common = { eniId: whole.eniId, mac: '02:ab:00:00:00:07', vlanId: 7 };
    const { subnetCidr } = whole;
    expect(read([whole, { eniId: 'another' }])).toEqual({
      kind: 'found',
      eni: { ...common, addresses: ['10.0.7.20'], subnetCidr },
    });
    expect(read([whole], 'ipv6')).toEqual({
      kind: 'found',
      eni: { ...common, addresses: ['2001:db8:7::20'], subnetCidr: undefined },
    });
    expect(read([whole], 'dual')).toMatchObject({ eni: { addresses: ['10.0.7.20', '2001:db8:7::20'], subnetCidr } });
    expect(read([{ ...whole, ipv6Addr: '' }], 'dual')).toMatchObject({ eni: { addresses: ['10.0.7.20'] } });
  });

  it('may not be there yet', () => {
    expect(readPodEni({}, 'ipv4')).toEqual({ kind: 'absent' });
    expect([read(' '), read([])]).toEqual([{ kind: 'absent' }, { kind: 'absent' }]);
  });

  it.each([
    ['{', 'is no JSON: '],
    ['{}', 'is no JSON array'],
    ['[1]', 'has something other than an object as its first element'],
    [[{ ...whole, eniId: 'x' }], 'has eniId "x", which must be an ENI id'],
    [[{ ...whole, ifAddress: undefined }], 'has ifAddress left out, which must be a MAC'],
    [[{ ...whole, vlanID: '7' }], 'has vlanID "7", which must be a number from 1 to 4094'],
    [[{ ...whole, vlanID: 4095 }], 'has vlanID 4095, which must be a number from 1 to 4094'],
    [
      [{ ...whole, vlanID: 154 }],
      'has vlanID 154, which must be another: its routing table would be 254, which is the kernel',
    ],
    [[{ ...whole, privateIp: '10.0.7.20/32' }], 'has privateIp "10.0.7.20/32", which must be an IPv4 address'],
    [[{ ...whole, subnetCidr: '10.0.7.0' }], 'has subnetCidr "10.0.7.0", which must be an IPv4 CIDR'],
  ])('%j is refused: %s', (value, problem) => {
    const reading = read(value);
    expect(reading.kind).toBe('malformed');
    expect(reading).toMatchObject({ problem: expect.stringContaining(`the annotation ${POD_ENI} ${problem}`) });
  });

  it('whatever it holds, is read or refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((text) => `[${text}]`),
        ),
        fc.constantFrom('ipv4', 'ipv6', 'dual'),
        (text, family) => {
          expect(['found', 'absent', 'malformed']).toContain(readPodEni({ [POD_ENI]: text }, family).kind);
        },
      ),
    );
  });
});

describe('the trunk', () => {
  const one = (interfaceType: string, mac: string, status = 'attached' as 'attached' | 'detaching') => ({
    interfaceType,
    mac,
    attachment: {
      attachmentId: 'a',
      instanceId: 'i',
      deviceIndex: 1,
      networkCardIndex: 0,
      deleteOnTermination: true,
      status,
    },
  });

  it('is the attached interface of that type, and each change is told once', () => {
    const told: (string | undefined)[] = [];
    const trunk = new Trunk((mac) => told.push(mac));
    let waited = 0;
    const end = trunk.onChange(() => (waited += 1));
    trunk.seen([one('interface', 'a')]);
    trunk.seen([one('interface', 'a'), one('trunk', 'b')]);
    trunk.seen([one('trunk', 'b')]);
    expect(trunk.mac).toBe('b');
    trunk.seen([one('trunk', 'b', 'detaching')]);
    end();
    trunk.seen([one('trunk', 'c')]);
    expect(told).toEqual(['b', undefined, 'c']);
    expect(waited).toBe(2);
  });

  it.each([
    ['m5.large', 'nitro', false, true],
    ['m5.metal', 'unknown', true, true],
    ['t3.medium', 'nitro', false, false],
    ['m4.large', 'xen', false, false],
    ['z9.new', 'unknown', false, true],
  ] as const)('%s (%s, metal: %s) can have one: %s', (instanceType, hypervisor, bareMetal, expected) => {
    expect(canHaveTrunk({ instanceType, hypervisor, bareMetal })).toBe(expected);
  });
});

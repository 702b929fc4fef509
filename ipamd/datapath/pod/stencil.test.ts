import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { PodAttachment } from '../datapath.ts';
import { DEFAULT_MARKS } from '../marks.ts';
import { decodeMessages, wordsOf } from '../netlink/message.ts';
import { podMessages, type PodPlace, STEPS } from './messages.ts';
import { PodStencils } from './stencil.ts';

const ipv6 = fc.ipV6().filter((text) => !text.includes('.'));
const mac = fc
  .array(fc.nat(255), { minLength: 6, maxLength: 6 })
  .map((octets) => octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':'));
const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: 'grapheme', minLength: 1, maxLength });
/** Of few lengths, so that shapes come again; now and then of anything. */
const name = (lengths: readonly number[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...lengths).chain((length) => hex(length)) },
    { weight: 1, arbitrary: text(12) },
  );
const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .array(fc.nat(15), { minLength: length, maxLength: length })
    .map((digits) => digits.map((digit) => digit.toString(16)).join(''));

const pod: fc.Arbitrary<PodAttachment> = fc.record(
  {
    containerId: name([64, 13]),
    ifName: fc.constantFrom('eth0', 'net1', 'ü'),
    netns: fc.constant('/run/netns/x'),
    addresses: fc.oneof(fc.tuple(fc.ipV4()), fc.tuple(ipv6), fc.tuple(fc.ipV4(), ipv6), fc.tuple(ipv6, fc.ipV4())),
    hostIfName: name([14, 15]),
    deviceIndex: fc.nat(2),
    networkCardIndex: fc.nat(1),
    mtu: fc.constantFrom(1500, 9001),
    index: fc.nat(1),
    macs: fc.record({ host: mac, pod: mac }),
    bandwidth: fc.constant({ ingressRate: 1e6, ingressBurst: 1e6, egressRate: 2e6, egressBurst: 1e6 }),
    portMappings: fc.constantFrom(
      [],
      [{ hostPort: 80, containerPort: 8080, protocol: 'tcp' as const, hostIp: undefined }],
    ),
  },
  {
    requiredKeys: [
      'containerId',
      'ifName',
      'netns',
      'addresses',
      'hostIfName',
      'deviceIndex',
      'networkCardIndex',
      'mtu',
    ],
  },
);

const place: fc.Arbitrary<PodPlace> = fc.record({
  marks: fc.constant(DEFAULT_MARKS),
  pod,
  indexes: fc.record({ host: fc.integer({ min: 1, max: 0x7fffffff }), pod: fc.constantFrom(2, 3) }),
  netnsFd: fc.integer({ min: 0, max: 1_000_000 }),
  node: fc.record({ ipv4: fc.constantFrom(undefined, '10.0.0.5'), ipv6: fc.constantFrom(undefined, '2001:db8::5') }),
});

describe('messages by a stencil', () => {
  it('are those that are made anew, byte for byte, pod after pod', () =>
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 12 }), (places) => {
        const stencils = new PodStencils();
        for (const each of places) {
          const [got, wanted] = [stencils.messages(each), podMessages(each)];
          for (const step of STEPS) {
            expect(got[step].bytes.toString('hex')).toBe(wanted[step].bytes.toString('hex'));
            expect(got[step].starts).toEqual(wanted[step].starts);
            expect(got[step].requests().map(wordsOf)).toEqual(wanted[step].requests().map(wordsOf));
          }
        }
      }),
    ));

  it('share their bytes from pod to pod of one shape, so that it is the stencil that made them', () => {
    const stencils = new PodStencils();
    const of = (number: number): PodPlace => ({
      marks: DEFAULT_MARKS,
      pod: {
        containerId: `sandbox-${number}`,
        ifName: 'eth0',
        netns: '/run/netns/x',
        addresses: [`10.0.0.${number}`, `2001:db8::${number}`],
        hostIfName: `eni0000000000${number}`,
        deviceIndex: 1,
        networkCardIndex: 0,
        mtu: 1500,
      },
      indexes: { host: 1000 + number, pod: 2 },
      netnsFd: number,
      node: { ipv4: '10.0.0.5', ipv6: undefined },
    });
    const first = stencils.messages(of(7));
    const second = stencils.messages(of(8));
    for (const step of STEPS) {
      expect(second[step].bytes).toBe(first[step].bytes);
      expect(second[step].bytes).toEqual(podMessages(of(8))[step].bytes);
      expect(decodeMessages(second[step].bytes)).toHaveLength(second[step].starts.length);
    }
  });

  it('refuse what a pod cannot have, as those that are made anew', () => {
    const stencils = new PodStencils();
    const [wrong] = fc.sample(place, 1);
    if (wrong === undefined) throw new Error('no sample');
    for (const addresses of [[], ['10.0.0.1', '10.0.0.2'], ['pod']])
      expect(() => stencils.messages({ ...wrong, pod: { ...wrong.pod, addresses } })).toThrow(
        expect.objectContaining({ code: 'kernel-refused', message: expect.stringContaining(addresses.at(-1) ?? '') }),
      );
  });
});

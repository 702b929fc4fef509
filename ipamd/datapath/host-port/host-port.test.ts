import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { PortMapping } from '#cni/spec/runtime-config.ts';
import { DEFAULT_MARKS } from '../marks.ts';
import { addHashElements, decodeHashElements, deleteHashElements } from '../nftables/hash-set.ts';
import { createTable, type Table } from '../nftables/table.ts';
import golden from './nft-golden.data.json' with { type: 'json' };
import { mappingProblem, portKey, publishedPorts, takenPort } from './published.ts';
import { HOST_PORT_SETS, mappingOfElement, podElements, portElement, withHostPorts } from './ruleset.ts';

const bare: Table = {
  name: 'wellspring',
  sets: [],
  chains: [{ name: 'anti-spoof', type: 'filter', hook: 0, priority: -300, rules: [] }],
};
const rules = { marks: DEFAULT_MARKS, primaryLink: 'eth0', nodeAddress: '10.0.0.10' };
const mapping = (change: Partial<PortMapping> = {}): PortMapping => ({
  hostPort: 8080,
  containerPort: 80,
  protocol: 'tcp',
  hostIp: undefined,
  ...change,
});

describe('the table with host ports', () => {
  const ports = publishedPorts(
    [
      mapping({ hostIp: '0.0.0.0' }),
      mapping({ hostIp: '127.0.0.1', protocol: 'udp', hostPort: 53, containerPort: 5353 }),
      mapping({ hostIp: '::', protocol: 'sctp' }),
      mapping({ hostIp: 'fd00::1' }),
    ],
    ['10.0.0.21', 'fd00::21'],
  );

  it('is byte for byte what nft sends for the same text, but for the numbers of the sets', () => {
    const [, ...recorded] = golden.messages.slice(0, -1);
    // nft counts the sets of a batch from 1, ours begin at 101.
    const renumber = (all: string, head: string, id: string): string => {
      const number = Number.parseInt(id, 16);
      return number > 100 ? `${head}000000${(number - 100).toString(16).padStart(2, '0')}` : all;
    };
    const numbered = (body: string) => body.replaceAll(/(0800(?:0a|04)00)000000([0-9a-f]{2})/g, renumber);
    const ours = createTable(withHostPorts(bare, rules, ports)).map(({ type, flags, body }) => ({
      type,
      flags: flags | 1,
      body: numbered(Buffer.from(body).toString('hex')),
    }));
    expect(ours).toEqual(recorded);
  });

  it('has the same number of rules and of messages but elements, however many pods publish', () => {
    const many = Array.from({ length: 900 }, (_, index) => mapping({ hostPort: index + 1 }));
    const table = withHostPorts(bare, rules, publishedPorts(many, ['10.0.0.21', 'fd00::21']));
    const empty = withHostPorts(bare, rules, []);
    expect(table.chains).toEqual(empty.chains);
    const bodies = (table.hashSets ?? []).map(({ body }) => body.length);
    expect(Math.max(...bodies)).toBeLessThan(65_536);
    expect(bodies.length).toBe(6 + 3 + 3 + 2);
  });
});

describe('elements', () => {
  const address = fc.constantFrom('10.0.0.21', '10.255.0.1', 'fd00::21', '2001:db8::ff:1');
  const published = fc
    .record({
      hostPort: fc.integer({ min: 1, max: 65535 }),
      containerPort: fc.integer({ min: 1, max: 65535 }),
      protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'sctp' as const),
      hostIp: fc.constantFrom(undefined, '127.0.0.1', '10.0.0.10', 'fd00::1', '0.0.0.0', '::'),
    })
    .chain((one) => address.map((each) => publishedPorts([one], [each])));

  it('come back from a message as they went in, and are deleted by their keys alone', () => {
    fc.assert(
      fc.property(published, (ports) => {
        for (const { set, element } of podElements(ports)) {
          const [added] = addHashElements('wellspring', set, [element]);
          expect(decodeHashElements(Buffer.from(added?.body ?? []))).toEqual([element]);
          const [deleted] = deleteHashElements('wellspring', set, [element]);
          expect(decodeHashElements(Buffer.from(deleted?.body ?? []))).toEqual([{ key: element.key }]);
        }
      }),
    );
  });

  it('of maps say what they publish, and for whom', () => {
    fc.assert(
      fc.property(published, (ports) => {
        for (const port of ports) {
          const { set, element } = portElement(port);
          const { address: pod, mapping: found } = mappingOfElement(set, element) ?? {};
          expect(publishedPorts(found === undefined ? [] : [found], pod === undefined ? [] : [pod])).toEqual([port]);
        }
      }),
    );
  });

  it('are the same bytes exactly if the ports are the same port of the node', () => {
    fc.assert(
      fc.property(published, published, (one, other) => {
        const [a, b] = [one[0], other[0]];
        if (a === undefined || b === undefined) return;
        const [x, y] = [podElements([a])[0], podElements([b])[0]];
        const isSame = x?.set === y?.set && x?.element.key.equals(y?.element.key ?? Buffer.alloc(0)) === true;
        expect(isSame).toBe(portKey(a) === portKey(b));
        expect(takenPort([a], [{ name: 'web', ports: [b] }])).toEqual(
          isSame ? { port: portKey(a), by: 'web' } : undefined,
        );
      }),
    );
  });

  it('are decoded, or refused cleanly, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 96 }), (bytes) => {
        try {
          expect(Array.isArray(decodeHashElements(Buffer.from(bytes)))).toBe(true);
        } catch (error) {
          expect(error).toHaveProperty('name', 'NetlinkDecodeError');
        }
      }),
    );
  });

  it('stand in sets of different numbers', () => {
    expect(new Set(HOST_PORT_SETS.map(({ id }) => id)).size).toBe(6);
  });
});

describe('what a pod publishes', () => {
  const texts = (mappings: readonly PortMapping[], addresses: readonly string[]) =>
    publishedPorts(mappings, addresses).map((port) => `${portKey(port)} -> ${port.address} ${port.containerPort}`);

  it.each([
    [{}, ['10.0.0.21'], ['8080/tcp on every IPv4 address -> 10.0.0.21 80']],
    [
      {},
      ['10.0.0.21', 'fd00::21'],
      ['8080/tcp on every IPv4 address -> 10.0.0.21 80', '8080/tcp on every IPv6 address -> fd00::21 80'],
    ],
    [{ hostIp: '0.0.0.0' }, ['10.0.0.21', 'fd00::21'], ['8080/tcp on every IPv4 address -> 10.0.0.21 80']],
    [{ hostIp: '0:0::0' }, ['10.0.0.21', 'fd00::21'], ['8080/tcp on every IPv6 address -> fd00::21 80']],
    [{ hostIp: 'FD00:0::1' }, ['10.0.0.21', 'fd00::21'], ['8080/tcp on fd00::1 -> fd00::21 80']],
    [{ hostIp: '10.0.0.10' }, ['10.0.0.21', 'fd00::21'], ['8080/tcp on 10.0.0.10 -> 10.0.0.21 80']],
  ])('%j with %j', (change, addresses, expected) => {
    expect(texts([mapping(change), mapping(change)], addresses)).toEqual(expected);
  });

  it.each([
    [[mapping({ hostIp: 'localhost' })], ['10.0.0.21'], /hostIP of host port 8080\/tcp: "localhost" is not allowed/],
    [[mapping({ hostIp: 'fe80::1%eth0' })], ['fd00::21'], /without zone/],
    [[mapping({ hostIp: '224.0.0.1' })], [], /multicast/],
    [[mapping({ hostIp: 'ff02::1' })], [], /multicast/],
    [[mapping({ hostIp: '0::1' })], [], /no pod can be reached by ::1/],
    [[mapping({ hostIp: 'fd00::1' })], ['10.0.0.21'], /expected an address of the pod's own family: it has 10.0.0.21/],
    [
      [mapping(), mapping({ containerPort: 81 })],
      ['10.0.0.21'],
      /hostPort 8080\/tcp on every IPv4 address .* port 80 and port 81/,
    ],
    [[mapping(), mapping()], ['10.0.0.21'], undefined],
    [[mapping({ hostIp: '10.0.0.10' }), mapping({ containerPort: 81 })], ['10.0.0.21'], undefined],
    [[mapping(), mapping({ containerPort: 81, protocol: 'udp' })], ['10.0.0.21'], undefined],
    [[mapping({ hostIp: 'fd00::1' })], [], undefined],
  ])('%j for %j is refused by name, or not', (mappings, addresses, expected) => {
    const problem = mappingProblem(mappings, addresses);
    if (expected === undefined) expect(problem).toBeUndefined();
    else expect(problem).toMatch(expected);
  });
});

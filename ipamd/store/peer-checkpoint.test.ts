import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parsePeerCheckpoint, PEER_CHECKPOINT_VERSION, PeerCheckpointError } from './peer-checkpoint.ts';

const PATH = '/var/run/aws-node/ipam.json';
const parse = (document: unknown) => parsePeerCheckpoint(JSON.stringify(document), PATH);
const whole = (...allocations: readonly unknown[]) => ({ version: PEER_CHECKPOINT_VERSION, allocations });
const entry = (changes: object = {}) => ({
  networkName: 'aws-cni',
  containerID: 'c1',
  ifName: 'eth0',
  ipv4: '10.0.0.10',
  allocationTimestamp: 1_700_000_000_123_456_768,
  metadata: { k8sPodNamespace: 'default', k8sPodName: 'web', interfacesCount: 1 },
  ...changes,
});

function refusal(text: string): PeerCheckpointError {
  try {
    parsePeerCheckpoint(text, PATH);
  } catch (error) {
    if (error instanceof PeerCheckpointError) return error;
    throw error;
  }
  throw new Error(`${text} is not refused`);
}

describe('parsePeerCheckpoint', () => {
  it('reads what the peer writes', () => {
    expect(parse(whole(entry()))).toEqual([
      {
        containerId: 'c1',
        ifName: 'eth0',
        address: '10.0.0.10',
        namespace: 'default',
        name: 'web',
        allocatedAt: 1_700_000_000_123,
      },
    ]);
    expect(parse(whole(entry({ ipv4: undefined, ipv6: '2001:db8::1' })))).toMatchObject([{ address: '2001:db8::1' }]);
    expect(parse({ version: PEER_CHECKPOINT_VERSION, allocations: null })).toEqual([]);
  });

  it('reads entries of the days before checkpoints: no metadata, an interface without a name', () => {
    const legacy = entry({ networkName: '_migrated-from-cri', ifName: 'unknown', metadata: undefined });
    expect(parse(whole(legacy))).toMatchObject([{ ifName: 'eth0', namespace: '', name: '' }]);
  });

  it.each([
    ['', 'peer-checkpoint-malformed', 'is no JSON'],
    ['[]', 'peer-checkpoint-malformed', 'holds no JSON object'],
    ['{}', 'peer-checkpoint-version', 'is of version none; vpc-cni-ipam/1 is understood'],
    [JSON.stringify({ ...whole(), version: 'vpc-cni-ipam/2' }), 'peer-checkpoint-version', '"vpc-cni-ipam/2"'],
    [JSON.stringify({ ...whole(), allocations: {} }), 'peer-checkpoint-malformed', 'allocations that are no list'],
    [JSON.stringify(whole(entry({ containerID: '' }))), 'peer-checkpoint-malformed', 'number 1) without containerID'],
    [JSON.stringify(whole(entry({ ipv4: '10.0.0.300' }))), 'peer-checkpoint-malformed', '"10.0.0.300"'],
    [JSON.stringify(whole(entry({ ipv4: '' }))), 'peer-checkpoint-malformed', 'exactly one of ipv4 and ipv6'],
    [JSON.stringify(whole(entry({ ipv6: '::1' }))), 'peer-checkpoint-malformed', 'exactly one of ipv4 and ipv6'],
    [JSON.stringify(whole(entry(), entry({ containerID: 'c2' }))), 'peer-checkpoint-duplicate', 'has 10.0.0.10 twice'],
    [JSON.stringify(whole(entry(), entry({ ipv4: '10.0.0.11' }))), 'peer-checkpoint-duplicate', 'has c1/eth0 twice'],
  ])('refuses %j and says what to do', (text, code, problem) => {
    const error = refusal(text);
    expect(error.code).toBe(code);
    expect(error.message).toContain(`${PATH}, the checkpoint of amazon-vpc-cni-k8s, `);
    expect(error.message).toContain(problem);
    expect(error.message).toMatch(/restore the file, or drain this node, remove the file and reboot/);
  });

  it('gives back every address that was written, or an error: none is lost', () => {
    const octets = fc.uniqueArray(fc.nat(65_535), { maxLength: 40 });
    fc.assert(
      fc.property(octets, (hosts) => {
        const written = hosts.map((host) => `10.1.${host >> 8}.${host & 255}`);
        const entries = written.map((ipv4, n) => entry({ ipv4, containerID: `c${n}` }));
        expect(parse(whole(...entries)).map(({ address }) => address)).toEqual(written);
      }),
    );
  });

  it('reads or refuses any JSON and any damage', () => {
    const good = JSON.stringify(whole(entry(), entry({ containerID: 'c2', ipv4: '10.0.0.11' })));
    const damaged = fc.tuple(fc.nat(good.length), fc.nat(10), fc.string()).map(([at, cut, put]) => {
      return good.slice(0, at) + put + good.slice(at + cut);
    });
    const like = fc.record(
      { version: fc.constant(PEER_CHECKPOINT_VERSION), allocations: fc.array(fc.jsonValue()) },
      { requiredKeys: ['version'] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          damaged,
          fc.json(),
          like.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (text) => {
          try {
            for (const { address, containerId } of parsePeerCheckpoint(text, PATH)) {
              expect(address).not.toBe('');
              expect(containerId).not.toBe('');
            }
          } catch (error) {
            expect(error).toBeInstanceOf(PeerCheckpointError);
          }
        },
      ),
    );
  });
});

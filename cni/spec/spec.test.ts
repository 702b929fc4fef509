import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseArgs, parseCall } from './command.ts';
import { parseConfig } from './config.ts';
import { CNI_CODE, CNI_ERROR_TABLE, CniError, cniErrorKind } from './errors.ts';
import { formatResult, parseResult } from './result.ts';
import type { CniResult } from './result.ts';
import { SUPPORTED_CNI_VERSIONS, negotiateVersion, requireCommandInVersion, versionResult } from './version.ts';

const BASE = { cniVersion: '1.1.0', name: 'pods', type: 'wellspring-cni' };

function config(changes: object): string {
  return JSON.stringify({ ...BASE, ...changes });
}

/** The CniError of an action, as `code: msg`; any other error fails the test. */
function errorOf(action: () => unknown): string {
  try {
    action();
    return 'fine';
  } catch (error) {
    expect(error).toBeInstanceOf(CniError);
    return `${(error as CniError).code}: ${(error as CniError).msg}`;
  }
}

describe('the table of codes', () => {
  it('is ascending, unique and complete', () => {
    const codes = CNI_ERROR_TABLE.map((row) => row.code as number);
    expect(codes).toEqual([...new Set(codes)].sort((a, b) => a - b));
    expect(new Set(CNI_ERROR_TABLE.map((row) => row.name)).size).toBe(codes.length);
    for (const code of [1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 100, 101, 102, 103, 104, 999])
      expect(codes).toContain(code);
    for (const row of CNI_ERROR_TABLE)
      expect([row.cause, row.fix].every((text) => /^[A-Z].*\.$|\?$/.test(text))).toBe(true);
    expect(cniErrorKind(CNI_CODE['try-again-later'])?.code).toBe(11);
  });

  it('travels without an absent field', () => {
    expect(new CniError('subnet-exhausted', 'full').toWire()).toEqual({ code: 100, msg: 'full' });
    expect(new CniError('internal', 'bug', 'where').toWire()).toEqual({ code: 999, msg: 'bug', details: 'where' });
  });
});

describe('the call', () => {
  const env = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'a1',
    CNI_NETNS: '/run/netns/a',
    CNI_IFNAME: 'eth0',
    CNI_ARGS: '',
  };

  it('of each command needs what the specification says', () => {
    expect(parseCall(env)).toEqual({
      command: 'ADD',
      containerId: 'a1',
      netns: '/run/netns/a',
      ifName: 'eth0',
      args: {},
    });
    expect(parseCall({ ...env, CNI_COMMAND: 'DEL', CNI_NETNS: '' })).toMatchObject({
      command: 'DEL',
      netns: undefined,
    });
    for (const command of ['GC', 'STATUS', 'VERSION']) expect(parseCall({ CNI_COMMAND: command })).toEqual({ command });
    expect(errorOf(() => parseCall({ CNI_COMMAND: 'CHECK' }))).toMatch(/^4: .*CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME$/);
    expect(errorOf(() => parseCall({ CNI_COMMAND: 'DEL' }))).toMatch(/^4: .*CNI_CONTAINERID, CNI_IFNAME$/);
    expect(errorOf(() => parseCall({ ...env, CNI_NETNS: 'relative' }))).toMatch(/^4: CNI_NETNS "relative"/);
  });

  it.each(['.', '..', 'a/b', 'a:b', 'a b', 'ä', '0123456789abcdef', 'a\n'])('refuses interface name %j', (name) => {
    expect(errorOf(() => parseCall({ ...env, CNI_IFNAME: name }))).toMatch(/^4: CNI_IFNAME/);
  });

  it.each(['-a', '_a', '.a', 'a/b', 'a@b', 'ä', 'a\n', 'x'.repeat(193)])('refuses container id %j', (id) => {
    expect(errorOf(() => parseCall({ ...env, CNI_CONTAINERID: id }))).toMatch(/^4: CNI_CONTAINERID/);
  });

  it('reads CNI_ARGS in any order', () => {
    const key = fc.stringMatching(/^[A-Za-z0-9_]{1,12}$/).filter((text) => text !== 'IgnoreUnknown');
    const pairs = fc.dictionary(key, fc.stringMatching(/^[^;\0]{0,12}$/), { maxKeys: 8 });
    fc.assert(
      fc.property(pairs, fc.infiniteStream(fc.nat()), (wanted, random) => {
        const texts = Object.entries({ ...wanted, IgnoreUnknown: '1' }).map(([name, value]) => `${name}=${value}`);
        const shuffled = texts.map((text) => ({ text, at: random.next().value as number })).sort((a, b) => a.at - b.at);
        const args = parseArgs(shuffled.map(({ text }) => text).join(';'));
        expect(args).toEqual(Object.fromEntries(Object.entries({ ...wanted, IgnoreUnknown: '1' })));
      }),
    );
  });

  it.each([
    ['K8S_POD_NAME=a;K8S_POD_UID=b', 'fine'],
    ['FOO=1;IgnoreUnknown=true', 'fine'],
    ['FOO=1;IgnoreUnknown=0', '4: CNI_ARGS holds unknown keys ("FOO") and IgnoreUnknown is not true'],
    ['IgnoreUnknown=maybe;X=1', '4: CNI_ARGS: IgnoreUnknown must be 1, true, 0 or false, not "maybe"'],
    ['=1', '4: CNI_ARGS holds "=1", which is not KEY=VALUE'],
    ['K8S_POD_NAME=a;K8S_POD_NAME=b', '4: CNI_ARGS names "K8S_POD_NAME" twice'],
  ])('judges %s', (text, verdict) => {
    expect(errorOf(() => parseArgs(text))).toBe(verdict);
  });
});

describe('the version', () => {
  it('is negotiated by being known', () => {
    for (const version of SUPPORTED_CNI_VERSIONS) expect(negotiateVersion(version)).toBe(version);
    for (const version of ['0.2.0', '1.2.0', '', 'x', undefined]) {
      expect(errorOf(() => negotiateVersion(version))).toMatch(/^1: .*0\.3\.1, 0\.4\.0, 1\.0\.0, 1\.1\.0$/);
    }
    expect(versionResult('9.9.9').cniVersion).toBe('9.9.9');
    expect(versionResult('nine').cniVersion).toBe('1.1.0');
  });

  it('must know the command', () => {
    expect(errorOf(() => requireCommandInVersion('CHECK', '0.3.1'))).toMatch(/^1: .*CHECK.*0\.4\.0/);
    expect(errorOf(() => requireCommandInVersion('GC', '1.0.0'))).toMatch(/^1:/);
    expect(errorOf(() => requireCommandInVersion('STATUS', '1.1.0'))).toBe('fine');
    expect(errorOf(() => requireCommandInVersion('DEL', '0.3.1'))).toBe('fine');
  });
});

describe('the configuration', () => {
  it('gives what the daemon needs', () => {
    const runtimeConfig = {
      portMappings: [
        { hostPort: 80, containerPort: 8080, protocol: 'TCP', hostIP: '' },
        { hostPort: 0, containerPort: 1 },
      ],
      bandwidth: { ingressRate: 1000, ingressBurst: 2000 },
    };
    const read = parseConfig(
      config({ mtu: '9001', vethPrefix: 'eni', deadlineMs: 500, runtimeConfig, unknown: { a: 1 } }),
    );
    expect(read).toMatchObject({ name: 'pods', mtu: 9001, vethPrefix: 'eni', deadlineMs: 500, prevResult: undefined });
    expect(read.portMappings).toEqual([{ hostPort: 80, containerPort: 8080, protocol: 'tcp', hostIp: undefined }]);
    expect(read.bandwidth).toEqual({
      ingressRate: 1000,
      ingressBurst: 2000,
      egressRate: undefined,
      egressBurst: undefined,
    });
    const attachments = [{ containerID: 'a', ifname: 'eth0' }];
    expect(parseConfig(config({ 'cni.dev/valid-attachments': attachments })).validAttachments).toEqual([
      { containerId: 'a', ifName: 'eth0' },
    ]);
  });

  it('reads what containerd asks for, in the names of its Go fields', () => {
    const runtimeConfig = {
      portMappings: [{ HostPort: 80, ContainerPort: 8080, Protocol: 'udp', HostIP: '' }],
      bandwidth: { IngressRate: 1000, IngressBurst: 4294967295, EgressRate: 0, EgressBurst: 0 },
    };
    const read = parseConfig(config({ runtimeConfig }));
    expect(read.portMappings).toEqual([{ hostPort: 80, containerPort: 8080, protocol: 'udp', hostIp: undefined }]);
    expect(read.bandwidth).toEqual({ ingressRate: 1000, ingressBurst: 4294967295, egressRate: 0, egressBurst: 0 });
    expect(errorOf(() => parseConfig(config({ runtimeConfig: { portMappings: [{ HostPort: -1 }] } })))).toMatch(
      /runtimeConfig\.portMappings\[0\]\.hostPort: -1/,
    );
  });

  it('does not look at what the runtime asks for unless it is an ADD', () => {
    for (const runtimeConfig of [[], { portMappings: 5 }, { bandwidth: { ingressRate: 'x' } }]) {
      expect(parseConfig(config({ runtimeConfig }), { isAdd: false })).toMatchObject({ portMappings: [] });
      expect(errorOf(() => parseConfig(config({ runtimeConfig }), { isAdd: true }))).toMatch(/^7: /);
    }
  });

  it.each([
    [{ mtu: 12 }, '7: network configuration: mtu: 12 is not allowed; expected an integer of 576..9001'],
    [{ mtu: '1e3' }, '7: network configuration: mtu: "1e3" is not allowed; expected an integer of 576..9001'],
    [
      { socketPath: 'run/x' },
      '7: network configuration: socketPath: "run/x" is not allowed; expected an absolute path of at most 107 ASCII characters',
    ],
    [{ name: 'a b' }, expect.stringMatching(/^7: .*name: "a b"/)],
    [{ type: 5 }, expect.stringMatching(/^7: .*type: 5/)],
    [{ vethPrefix: 'eth' }, expect.stringMatching(/^7: .*vethPrefix/)],
    [{ runtimeConfig: [] }, expect.stringMatching(/^7: .*runtimeConfig: \[\]/)],
    [
      { runtimeConfig: { portMappings: [{ hostPort: 1 }] } },
      expect.stringMatching(/runtimeConfig\.portMappings\[0\]\.containerPort: nothing/),
    ],
    [
      { runtimeConfig: { portMappings: [{ containerPort: 1, protocol: 'icmp' }] } },
      expect.stringMatching(/tcp, udp or sctp/),
    ],
    [{ prevResult: 1 }, expect.stringMatching(/^7: .*prevResult: 1/)],
    [
      { prevResult: { ips: [{ address: '10.0.0.1/24', interface: 0 }] } },
      expect.stringMatching(/prevResult\.ips\[0\]\.interface/),
    ],
    [
      { 'cni.dev/valid-attachments': [{ containerID: '../x', ifname: 'eth0' }] },
      expect.stringMatching(/^7: cni\.dev\/valid-attachments\[0\]\.containerID/),
    ],
    [{ cniVersion: '3.0.0' }, expect.stringMatching(/^1:/)],
    [{ cniVersion: 1 }, expect.stringMatching(/^7: .*cniVersion: 1/)],
  ])('%j is refused by name', (changes, message) => {
    expect(errorOf(() => parseConfig(config(changes)))).toEqual(message);
  });

  it('is read or refused with a CniError, whatever it is', () => {
    const keys = [
      'cniVersion',
      'name',
      'type',
      'mtu',
      'socketPath',
      'runtimeConfig',
      'prevResult',
      'deadlineMs',
      '__proto__',
    ];
    const damaged = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue()).map((changes) => config(changes));
    fc.assert(fc.property(fc.oneof(damaged, fc.json(), fc.string()), (text) => void errorOf(() => parseConfig(text))));
  });
});

describe('results', () => {
  const result: CniResult = {
    interfaces: [
      { name: 'eni0a1', mac: '02:00:00:00:00:01' },
      { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/run/netns/a', mtu: 9001 },
    ],
    ips: [
      { address: '10.0.0.7/32', gateway: '169.254.1.1', interface: 1 },
      { address: 'fd00::7/128', interface: 1 },
    ],
    routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1', mtu: 1500, table: 254 }],
    dns: {},
  };

  it('differ by version as the specification says', () => {
    const shapes = SUPPORTED_CNI_VERSIONS.map((version) => JSON.parse(JSON.stringify(formatResult(result, version))));
    expect(shapes.map((shape) => shape.cniVersion)).toEqual(SUPPORTED_CNI_VERSIONS);
    expect(shapes.map((shape) => shape.ips[1].version)).toEqual(['6', '6', undefined, undefined]);
    expect(shapes.map((shape) => shape.interfaces[1].mtu)).toEqual([undefined, undefined, undefined, 9001]);
    expect(shapes.map((shape) => shape.routes[0].table)).toEqual([undefined, undefined, undefined, 254]);
    expect(shapes.map((shape) => shape.ips[0].interface)).toEqual([1, 1, 1, 1]);
    expect('gateway' in shapes[3].ips[1]).toBe(false);
  });

  it('come back from 1.1.0 as they were, and from the older without what these do not hold', () => {
    expect(parseResult(formatResult(result, '1.1.0'), '1.1.0', 'prevResult')).toEqual(result);
    for (const version of SUPPORTED_CNI_VERSIONS) {
      const once = formatResult(result, version);
      expect(formatResult(parseResult(once, version, 'prevResult'), version)).toEqual(once);
    }
  });

  it('with a wrong version of an address are refused', () => {
    const wrong = { ips: [{ version: '6', address: '10.0.0.7/32' }] };
    expect(errorOf(() => parseResult(wrong, '0.4.0', 'prevResult'))).toMatch(
      /^7: .*prevResult\.ips\[0\]\.version: "6"/,
    );
  });
});

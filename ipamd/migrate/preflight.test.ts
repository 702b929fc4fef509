import { describe, expect, it } from '@jest/globals';
import { hash } from 'node:crypto';
import type { PeerKernelFacts } from '../datapath/peer/node-facts.ts';
import { daemonSetOf } from './ask-cluster.ts';
import type { ClusterFacts, MigrationFacts } from './facts.ts';
import { LOSSES, preflight } from './preflight.ts';

const link = (name: string) => `eni${hash('sha1', `default.${name}`).slice(0, 11)}`;
const KERNEL: PeerKernelFacts = { links: [link('web')], withPrograms: [], branchLinks: [], ours: [], remains: [] };
const CLUSTER: ClusterFacts = {
  networkPolicies: { value: 0 },
  policyEndpoints: { value: 0 },
  securityGroupPolicies: { value: 0 },
  daemonSet: { value: undefined },
};
const pod = (name: string, address: string) => ({
  containerId: `c-${name}`,
  ifName: 'eth0',
  address,
  namespace: 'default',
  name,
  allocatedAt: 0,
});

interface Changes {
  readonly kernel?: Partial<PeerKernelFacts>;
  readonly cluster?: Partial<ClusterFacts>;
  readonly rest?: Partial<MigrationFacts>;
}

function facts({ kernel = {}, cluster = {}, rest = {} }: Changes = {}): MigrationFacts {
  return {
    checkpoint: { value: [pod('web', '10.0.0.4')] },
    checkpointPath: '/var/run/aws-node/ipam.json',
    peerRuns: false,
    policyAgentSocket: false,
    kernel: { value: { ...KERNEL, ...kernel } },
    legacyTables: [],
    kernelRelease: '6.12.1',
    cluster: { value: { ...CLUSTER, ...cluster } },
    ...rest,
  };
}

const refusedBy = (changes: Changes, ...without: Parameters<typeof preflight>[1]) =>
  preflight(facts(changes), without).findings.flatMap(({ check, level }) => (level === 'refuse' ? [check] : []));

describe('preflight', () => {
  it('tells what becomes of each pod', () => {
    const checkpoint = { value: [pod('web', '10.0.0.4'), pod('gone', '10.0.0.5'), pod('', '10.0.0.6')] };
    const { verdict, pods } = preflight(facts({ rest: { checkpoint } }), []);
    expect(verdict).toBe('ready');
    expect(pods.map(({ pod: name, fate, link: its }) => [name, fate, its])).toEqual([
      ['default/web', 'moved', link('web')],
      ['default/gone', 'rests', ''],
      ['c-', 'kept', ''],
    ]);
  });

  it('knows a node without anything of the peer', () => {
    expect(preflight(facts({ rest: { checkpoint: { value: [] } } }), []).verdict).toBe('nothing-to-migrate');
  });

  it.each<[string, Changes, string]>([
    ['NetworkPolicy objects', { cluster: { networkPolicies: { value: 3 } } }, 'network-policies'],
    ['PolicyEndpoint objects', { cluster: { policyEndpoints: { value: 1 } } }, 'policy-endpoints'],
    ['programs on links', { kernel: { withPrograms: [link('web')] } }, 'policy-programs'],
    [
      'the agent',
      { cluster: { daemonSet: { value: { env: {}, enforcesPolicies: true, image: 'x' } } } },
      'policy-agent',
    ],
    ['an API server that cannot be asked', { rest: { cluster: { unknown: 'no answer' } } }, 'network-policies'],
    ['a list that may not be read', { cluster: { networkPolicies: { unknown: '403' } } }, 'network-policies'],
  ])('refuses %s, unless network policies may end', (_name, changes, check) => {
    expect(refusedBy(changes)).toEqual([check]);
    expect(refusedBy(changes, 'branch-pods')).toEqual([check]);
    expect(refusedBy(changes, 'network-policy')).toEqual([]);
    const said = preflight(facts(changes), ['network-policy']).findings.find((one) => one.check === check);
    expect(said).toMatchObject({ level: 'warning', seen: expect.stringMatching(/accepted/) });
  });

  it('refuses running branch pods, and says of security groups for pods how they are served', () => {
    expect(refusedBy({ kernel: { branchLinks: ['vlan.eth.3'] } })).toEqual(['branch-pods']);
    expect(refusedBy({ kernel: { branchLinks: ['vlan.eth.3'] } }, 'branch-pods')).toEqual([]);
    const { verdict, findings } = preflight(facts({ cluster: { securityGroupPolicies: { value: 2 } } }), []);
    expect(verdict).toBe('ready');
    expect(findings).toContainEqual(
      expect.objectContaining({
        check: 'security-groups-for-pods',
        level: 'warning',
        cure: expect.stringMatching(/ENABLE_POD_ENI=true/),
      }),
    );
  });

  it('lets nothing overrule a checkpoint or a kernel that cannot be read', () => {
    expect(refusedBy({ rest: { checkpoint: { unknown: 'is no JSON' } } }, ...LOSSES)).toEqual(['checkpoint']);
    expect(refusedBy({ rest: { kernel: { unknown: 'EPERM' } } }, ...LOSSES)).toEqual(['kernel']);
  });

  it('gives the command for what only iptables-legacy sees', () => {
    const cureOf = (...legacyTables: readonly string[]) =>
      preflight(facts({ rest: { legacyTables } }), []).findings.find(({ check }) => check === 'iptables-legacy')?.cure;
    const [ipv4, ipv6] = ['iptables', 'ip6tables'].map(
      (command) => `${command}-legacy-save -c | grep -v AWS | ${command}-legacy-restore -c`,
    );
    expect(cureOf('iptables nat', 'iptables mangle')).toBe(`When all pods are moved: ${ipv4}`);
    expect(cureOf('ip6tables nat')).toBe(`When all pods are moved: ${ipv6}`);
    expect(cureOf('iptables nat', 'ip6tables nat')).toBe(`When all pods are moved: ${ipv4} && ${ipv6}`);
  });

  it('tells of kernels that rename no link that is up', () => {
    const told = (kernelRelease: string) =>
      preflight(facts({ rest: { kernelRelease } }), []).findings.some(({ check }) => check === 'way-back');
    expect(['5.10.225-213.878.amzn2', '6.1.112', '6.2.0', '6.12.1', '7.0.0'].map(told)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('daemonSetOf', () => {
  it('reads settings and whether the agent enforces', () => {
    const container = (name: string, more: object) => ({ name, image: `${name}:v1`, ...more });
    const of = (...args: readonly string[]) =>
      daemonSetOf({
        spec: {
          template: {
            spec: {
              containers: [
                container('aws-node', {
                  env: [{ name: 'WARM_ENI_TARGET', value: '1' }, { name: 'MY_NODE_NAME', valueFrom: {} }, null],
                }),
                container('aws-eks-nodeagent', { args }),
              ],
            },
          },
        },
      });
    expect(of('--enable-network-policy=true')).toEqual({
      env: { WARM_ENI_TARGET: '1' },
      enforcesPolicies: true,
      image: 'aws-node:v1',
    });
    expect(of('--enable-network-policy=false')?.enforcesPolicies).toBe(false);
    expect(daemonSetOf(undefined)).toBeUndefined();
    expect(daemonSetOf({ spec: 3 })).toMatchObject({ env: {}, enforcesPolicies: false });
  });
});

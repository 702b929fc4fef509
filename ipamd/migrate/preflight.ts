/** What a migration of this node would do, and what speaks against it. Pure. */
import { hash } from 'node:crypto';
import type { ClusterFacts, Known, MigrationFacts } from './facts.ts';

/** What a migration may switch off when it is told to. */
export type Loss = 'network-policy' | 'branch-pods';

export const LOSSES: readonly Loss[] = ['network-policy', 'branch-pods'];

/** One thing that was looked at. */
export interface PreflightFinding {
  /** The same in every version. */
  readonly check: string;
  /** refuse: ipamd does not start on this node. warning: read it before. info: what will be. */
  readonly level: 'refuse' | 'warning' | 'info';
  readonly seen: string;
  readonly cure: string | null;
  /** What `--without` and WELLSPRING_MIGRATE_WITHOUT must name to go ahead all the same; null: nothing helps. */
  readonly accept: Loss | null;
}

/** What becomes of a pod. */
export interface PodPlan {
  readonly pod: string;
  readonly address: string;
  /** moved: in place, without losing a packet. rests: its link is gone, so its address is free after the cool-down. */
  readonly fate: 'moved' | 'kept' | 'rests';
  readonly link: string;
}

export interface Preflight {
  readonly verdict: 'nothing-to-migrate' | 'ready' | 'refused';
  readonly pods: readonly PodPlan[];
  readonly findings: readonly PreflightFinding[];
  /** What of the peer is on the host, and goes when no pod needs it any more. */
  readonly remains: readonly string[];
}

/** Judges; `without` are the losses that were accepted. */
export function preflight(facts: MigrationFacts, without: readonly Loss[]): Preflight {
  const pods = podPlans(facts);
  const remains = 'value' in facts.kernel ? facts.kernel.value.remains.map(({ what }) => what) : [];
  const isIdle = 'value' in facts.checkpoint && 'value' in facts.kernel && pods.length === 0 && remains.length === 0;
  const findings = [
    ...checkpointFindings(facts),
    ...policyFindings(facts),
    ...branchFindings(facts),
    ...hostFindings(facts),
    ...clusterFindings(facts),
  ].map((finding) => accepted(finding, isIdle ? LOSSES : without, isIdle));
  const refused = findings.some(({ level }) => level === 'refuse');
  return { verdict: refused ? 'refused' : isIdle ? 'nothing-to-migrate' : 'ready', pods, findings, remains };
}

/** Where nothing of the peer is here, there is nothing to lose on this node, and nothing to accept. */
function accepted(finding: PreflightFinding, without: readonly Loss[], isIdle: boolean): PreflightFinding {
  const isAccepted = finding.level === 'refuse' && finding.accept !== null && without.includes(finding.accept);
  if (!isAccepted) return finding;
  return { ...finding, level: 'warning', seen: isIdle ? finding.seen : `${finding.seen} (accepted)` };
}

function refusal(check: string, seen: string, cure: string, accept: Loss | null = null): PreflightFinding {
  return { check, level: 'refuse', seen, cure, accept };
}

function note(level: 'warning' | 'info', check: string, seen: string, cure: string | null = null): PreflightFinding {
  return { check, level, seen, cure, accept: null };
}

function checkpointFindings({ checkpoint, checkpointPath, peerRuns }: MigrationFacts): readonly PreflightFinding[] {
  const runs = peerRuns
    ? [
        note(
          'info',
          'peer-running',
          'amazon-vpc-cni-k8s runs on this node; ipamd waits until it has ended',
          'kubectl -n kube-system delete daemonset aws-node',
        ),
      ]
    : [];
  if ('unknown' in checkpoint)
    return [
      ...runs,
      refusal(
        'checkpoint',
        checkpoint.unknown,
        `Restore ${checkpointPath}, or drain this node, remove the file and reboot.`,
      ),
    ];
  const all = checkpoint.value;
  const further = all.filter(({ networkCardIndex = 0 }) => networkCardIndex > 0).length;
  const ipv6 = all.filter(({ address }) => address.includes(':')).length;
  return [
    ...runs,
    note('info', 'checkpoint', `${checkpointPath} names ${all.length} address${all.length === 1 ? '' : 'es'}`),
    ...(further === 0
      ? []
      : [
          note(
            'info',
            'network-cards',
            `${further} addresses are of further network cards`,
            'Set ENABLE_MULTI_NIC=true, or ipamd does not start.',
          ),
        ]),
    ...(ipv6 === 0
      ? []
      : [
          note(
            'info',
            'ipv6',
            `${ipv6} addresses are of IPv6`,
            'Set ENABLE_IPv6=true, ENABLE_IPv4=false and ENABLE_PREFIX_DELEGATION=true, or ipamd does not start.',
          ),
        ]),
  ];
}

const POLICY_CURE =
  'This version enforces no NetworkPolicy: give that to another engine first, or name network-policy in WELLSPRING_MIGRATE_WITHOUT to do without.';

/** Policies that somebody relies on, or of which it cannot be told. */
export function policyFindings(facts: Pick<MigrationFacts, 'kernel' | 'cluster'>): readonly PreflightFinding[] {
  const refuse = (check: string, seen: string) => refusal(check, seen, POLICY_CURE, 'network-policy');
  const programs = 'value' in facts.kernel ? facts.kernel.value.withPrograms : [];
  const onLinks =
    programs.length === 0
      ? []
      : [
          refuse(
            'policy-programs',
            `programs of a policy agent stand on the links of ${programs.length} pods (${programs.slice(0, 3).join(', ')})`,
          ),
        ];
  const { cluster } = facts;
  if ('unknown' in cluster)
    return [
      ...onLinks,
      refuse('network-policies', `whether the cluster has network policies is not known: ${cluster.unknown}`),
    ];
  const { networkPolicies, policyEndpoints, daemonSet } = cluster.value;
  const counted = (check: string, what: string, known: Known<number>): readonly PreflightFinding[] => {
    if ('unknown' in known) return [refuse(check, `whether there are ${what} objects is not known: ${known.unknown}`)];
    return known.value === 0 ? [] : [refuse(check, `the cluster has ${what} objects (${known.value})`)];
  };
  const enforces = 'value' in daemonSet && daemonSet.value?.enforcesPolicies === true;
  return [
    ...onLinks,
    ...counted('network-policies', 'NetworkPolicy', networkPolicies),
    ...counted('policy-endpoints', 'PolicyEndpoint', policyEndpoints),
    ...(enforces ? [refuse('policy-agent', 'the policy agent of aws-node is switched on')] : []),
  ];
}

/** Running pods with ENIs of their own. */
export function branchFindings({ kernel }: Pick<MigrationFacts, 'kernel'>): readonly PreflightFinding[] {
  const links = 'value' in kernel ? kernel.value.branchLinks : [];
  if (links.length === 0) return [];
  const seen = `${links.length} running pods have ENIs of their own (${links.slice(0, 3).join(', ')}): they work on, with their security groups, but their links and rules stay when they are deleted, and block the VLAN's next pod`;
  return [
    refusal(
      'branch-pods',
      seen,
      'Drain this node of them first; new pods with security groups are served with ENABLE_POD_ENI=true.',
      'branch-pods',
    ),
  ];
}

/** Each family has commands of its own. */
function legacyCure(tables: readonly string[]): string {
  const commands = new Set(tables.map((table) => table.split(' ')[0] ?? ''));
  return [...commands]
    .map((command) => `${command}-legacy-save -c | grep -v AWS | ${command}-legacy-restore -c`)
    .join(' && ');
}

function hostFindings({
  kernel,
  legacyTables,
  kernelRelease,
  policyAgentSocket,
}: MigrationFacts): readonly PreflightFinding[] {
  const findings: PreflightFinding[] = [];
  if ('unknown' in kernel)
    return [
      refusal(
        'kernel',
        `the kernel could not be read: ${kernel.unknown}`,
        'Run it as root, in the network namespace of the node.',
      ),
    ];
  const ofPods = kernel.value.remains.filter(({ what }) => /CNI-(E[46]|DN)-/.test(what)).length;
  if (ofPods > 0)
    findings.push(
      note(
        'warning',
        'chains-of-pods',
        `${ofPods} chains of portmap or egress-cni belong to running pods: they work on, and stay when the pod is deleted`,
        'Recreate those pods after the migration, and then remove the chains.',
      ),
    );
  if (legacyTables.length > 0)
    findings.push(
      note(
        'warning',
        'iptables-legacy',
        `iptables-legacy has tables (${legacyTables.join(', ')}), which cannot be cleaned here; until then both translate, to the same address`,
        `When all pods are moved: ${legacyCure(legacyTables)}`,
      ),
    );
  if (policyAgentSocket)
    findings.push(
      note(
        'info',
        'policy-agent-socket',
        'the socket of the policy agent is there; it is deployed with aws-node whether it enforces or not',
      ),
    );
  if (isBefore(kernelRelease, [6, 2]))
    findings.push(
      note(
        'info',
        'way-back',
        `Linux ${kernelRelease} renames no link that is up: on the way back each pod loses the packets of some milliseconds`,
      ),
    );
  return findings;
}

function isBefore(release: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = release.split('.').map(Number.parseFloat);
  return a < major || (a === major && b < minor);
}

function clusterFindings({ cluster }: MigrationFacts): readonly PreflightFinding[] {
  if ('unknown' in cluster) return [];
  return [...securityGroupFindings(cluster.value), ...settingFindings(cluster.value)];
}

function securityGroupFindings({ securityGroupPolicies, daemonSet }: ClusterFacts): readonly PreflightFinding[] {
  const count = 'value' in securityGroupPolicies ? securityGroupPolicies.value : 0;
  const isOn = 'value' in daemonSet && daemonSet.value?.env['ENABLE_POD_ENI']?.toLowerCase() === 'true';
  if (count === 0 && !isOn) return [];
  const seen = `security groups for pods are in use (${count} SecurityGroupPolicy objects)`;
  return [
    note(
      'warning',
      'security-groups-for-pods',
      seen,
      'Served: set ENABLE_POD_ENI=true and POD_SECURITY_GROUP_ENFORCING_MODE as aws-node has them.',
    ),
  ];
}

/** What ipamd should be given; values that only the peer's own plumbing uses are left out. */
const PEER_ONLY = /^(AWS_VPC_K8S_(CNI_LOG|PLUGIN)|VPC_CNI_VERSION|VPC_ID|MY_|CLUSTER_ENDPOINT|AWS_VPC_K8S_EGRESS)/;

function settingFindings({ daemonSet }: ClusterFacts): readonly PreflightFinding[] {
  if ('unknown' in daemonSet || daemonSet.value === undefined) return [];
  const settings = Object.entries(daemonSet.value.env)
    .filter(([name, value]) => value !== '' && !PEER_ONLY.test(name))
    .map(([name, value]) => `${name}=${value}`);
  if (settings.length === 0) return [];
  return [
    note(
      'info',
      'settings',
      `aws-node (${daemonSet.value.image}) runs with ${settings.join(' ')}`,
      'Give ipamd the same: the names and their meanings are taken over (docs/configuration.md).',
    ),
  ];
}

function podPlans({ checkpoint, kernel }: MigrationFacts): readonly PodPlan[] {
  if ('unknown' in checkpoint) return [];
  const links = 'value' in kernel ? [...kernel.value.links, ...kernel.value.ours] : [];
  return checkpoint.value.map(({ namespace, name, containerId, address }) => {
    const named = name !== '';
    const digits = hash('sha1', `${namespace}.${name}`).slice(0, 11);
    const link = named ? links.find((each) => each.endsWith(digits)) : undefined;
    const pod = named ? `${namespace}/${name}` : containerId.slice(0, 13);
    return { pod, address, link: link ?? '', fate: !named ? 'kept' : link === undefined ? 'rests' : 'moved' };
  });
}

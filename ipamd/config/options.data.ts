/**
 * Every setting of the daemon, once. From this table come parsing, `--help`, docs/configuration.md and the tests.
 * Names, defaults and meanings are the peer's (amazon-vpc-cni-k8s) where it has the setting; `WELLSPRING_*` are ours.
 */

export type OptionType =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'cidrs' }
  | { readonly kind: 'tags' }
  | { readonly kind: 'text'; readonly pattern: RegExp; readonly allowed: string };

export interface Option {
  readonly env: string;
  readonly type: OptionType;
  /** As it would be written in the environment; `''` is "not set". */
  readonly default: string;
  readonly group: 'pool' | 'interfaces' | 'datapath' | 'operation';
  readonly doc: string;
}

const integer = (min: number, max: number) => ({ kind: 'integer', min, max }) as const;
const BOOLEAN = { kind: 'boolean' } as const;
const PATH = { kind: 'text', pattern: /^\/[^\0]*$/, allowed: 'an absolute path' } as const;
const LISTEN = {
  kind: 'text',
  pattern: /^(unix:\/[^\0]+|(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])?:\d{1,5})$/,
  allowed: 'ADDRESS:PORT, :PORT or unix:/path',
} as const;

export const OPTIONS = {
  warmEniTarget: {
    env: 'WARM_ENI_TARGET',
    type: integer(0, 1000),
    default: '1',
    group: 'pool',
    doc: "Keep this many ENIs' worth of free addresses. Not used when WARM_IP_TARGET or MINIMUM_IP_TARGET is set, nor in prefix mode.",
  },
  warmIpTarget: {
    env: 'WARM_IP_TARGET',
    type: integer(0, 100_000),
    default: '',
    group: 'pool',
    doc: 'Keep this many free addresses. When it or MINIMUM_IP_TARGET is above 0, it takes the place of the other warm targets.',
  },
  minimumIpTarget: {
    env: 'MINIMUM_IP_TARGET',
    type: integer(0, 100_000),
    default: '',
    group: 'pool',
    doc: 'Keep at least this many addresses on the node, used or free.',
  },
  warmPrefixTarget: {
    env: 'WARM_PREFIX_TARGET',
    type: integer(0, 10_000),
    default: '1',
    group: 'pool',
    doc: 'Prefix mode: keep this many free /28 prefixes. 0 asks for one only when no address is free.',
  },
  maxEni: {
    env: 'MAX_ENI',
    type: integer(-1, 1000),
    default: '-1',
    group: 'pool',
    doc: 'Use at most this many ENIs; -1 or 0: as many as the instance type allows.',
  },
  maxPods: {
    env: 'WELLSPRING_MAX_PODS',
    type: integer(1, 100_000),
    default: '',
    group: 'pool',
    doc: 'No more addresses than this are ever asked for. Not set: as many as the instance type can hold.',
  },
  prefixDelegation: {
    env: 'ENABLE_PREFIX_DELEGATION',
    type: BOOLEAN,
    default: 'false',
    group: 'pool',
    doc: 'Take addresses as /28 prefixes (Nitro and bare-metal instances only).',
  },
  coolDownSeconds: {
    env: 'IP_COOLDOWN_PERIOD',
    type: integer(0, 86_400),
    default: '30',
    group: 'pool',
    doc: 'Seconds for which a released address rests before another pod may have it.',
  },
  conntrackCoolDown: {
    env: 'WELLSPRING_CONNTRACK_COOLDOWN',
    type: BOOLEAN,
    default: 'true',
    group: 'pool',
    doc: 'Delete the connection entries of released addresses, and let an address that is still talked to rest longer (up to 6 times IP_COOLDOWN_PERIOD).',
  },
  eniMinimumAgeSeconds: {
    env: 'WELLSPRING_ENI_MINIMUM_AGE',
    type: integer(0, 86_400),
    default: '60',
    group: 'pool',
    doc: 'Seconds for which a new ENI is kept, however little it is used.',
  },
  additionalEniTags: {
    env: 'ADDITIONAL_ENI_TAGS',
    type: { kind: 'tags' },
    default: '{}',
    group: 'interfaces',
    doc: 'JSON object of tags for the ENIs that the daemon creates. Keys that contain k8s.amazonaws.com are refused.',
  },
  clusterName: {
    env: 'CLUSTER_NAME',
    type: { kind: 'text', pattern: /^[\w.@-]{0,100}$/, allowed: 'up to 100 letters, digits and ._@-' },
    default: '',
    group: 'interfaces',
    doc: 'Name of the cluster; adds the cluster and owner tags to ENIs.',
  },
  manageUntaggedEni: {
    env: 'MANAGE_UNTAGGED_ENI',
    type: BOOLEAN,
    default: 'true',
    group: 'interfaces',
    doc: "Use attached ENIs that do not carry this instance's tag.",
  },
  subnetDiscovery: {
    env: 'ENABLE_SUBNET_DISCOVERY',
    type: BOOLEAN,
    default: 'true',
    group: 'interfaces',
    doc: 'Create ENIs also in subnets of the same VPC and zone that carry the tag kubernetes.io/role/cni; its value 0 excludes a subnet, the primary included. Off: the primary subnet alone, whatever its tags.',
  },
  disableLeakedEniCleanup: {
    env: 'DISABLE_LEAKED_ENI_CLEANUP',
    type: BOOLEAN,
    default: 'false',
    group: 'interfaces',
    doc: 'Leave ENIs alone that nodes of this cluster (without CLUSTER_NAME: this node) created and lost.',
  },
  leakedEniIntervalSeconds: {
    env: 'WELLSPRING_LEAKED_ENI_INTERVAL',
    type: integer(1, 86_400),
    default: '3600',
    group: 'interfaces',
    doc: 'Seconds between two looks for leaked ENIs, one DescribeNetworkInterfaces each. The first comes after a twelfth to a sixth of that.',
  },
  eniMtu: {
    env: 'AWS_VPC_ENI_MTU',
    type: integer(576, 9001),
    default: '9001',
    group: 'datapath',
    doc: 'MTU of the ENIs, bytes.',
  },
  podMtu: {
    env: 'POD_MTU',
    type: integer(576, 9001),
    default: '',
    group: 'datapath',
    doc: 'MTU inside pods, bytes. Not set: that of the ENIs.',
  },
  vethPrefix: {
    env: 'AWS_VPC_K8S_CNI_VETHPREFIX',
    type: {
      kind: 'text',
      pattern: /^(?!(eth|lo|vlan)$)[a-z][a-z0-9]{0,3}$/,
      allowed: '1 to 4 letters or digits, not eth, lo or vlan',
    },
    default: 'eni',
    group: 'datapath',
    doc: 'First letters of the names of host-side links.',
  },
  externalSnat: {
    env: 'AWS_VPC_K8S_CNI_EXTERNALSNAT',
    type: BOOLEAN,
    default: 'false',
    group: 'datapath',
    doc: 'Somebody else translates what leaves the VPC: no SNAT on the node.',
  },
  randomizeSnat: {
    env: 'AWS_VPC_K8S_CNI_RANDOMIZESNAT',
    type: { kind: 'choice', values: ['prng', 'hashrandom', 'none'] },
    default: 'prng',
    group: 'datapath',
    doc: 'How SNAT chooses source ports.',
  },
  excludeSnatCidrs: {
    env: 'AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS',
    type: { kind: 'cidrs' },
    default: '',
    group: 'datapath',
    doc: 'Destinations beside the VPC, as CIDRs with commas, that see the address of the pod.',
  },
  nodePortSupport: {
    env: 'AWS_VPC_CNI_NODE_PORT_SUPPORT',
    type: BOOLEAN,
    default: 'true',
    group: 'datapath',
    doc: 'Mark connections that enter by the primary ENI to a NodePort, so that replies leave by it.',
  },
  connmark: {
    env: 'AWS_VPC_K8S_CNI_CONNMARK',
    type: integer(1, 0xffff_ffff),
    default: '0x80',
    group: 'datapath',
    doc: 'Connection-mark bit for flows that must use the primary ENI.',
  },
  eniMarkMask: {
    env: 'WELLSPRING_ENI_MARK_MASK',
    type: integer(1, 0xffff_ffff),
    default: '0x7f',
    group: 'datapath',
    doc: 'Packet-mark bits that choose the routing table of an ENI. Adjacent bits; must not overlap the connection mark nor 0x4000/0x8000 of kube-proxy.',
  },
  logLevel: {
    env: 'AWS_VPC_K8S_CNI_LOGLEVEL',
    type: { kind: 'choice', values: ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] },
    default: 'INFO',
    group: 'operation',
    doc: 'Least severe level that is logged.',
  },
  logFile: {
    env: 'AWS_VPC_K8S_CNI_LOG_FILE',
    type: { kind: 'text', pattern: /^(stdout|stderr|\/[^\0]*)$/, allowed: 'stdout, stderr or an absolute path' },
    default: 'stderr',
    group: 'operation',
    doc: 'Where the log goes.',
  },
  httpTimeoutSeconds: {
    env: 'HTTP_TIMEOUT',
    type: integer(1, 600),
    default: '10',
    group: 'operation',
    doc: 'Seconds after which an unanswered EC2 request is given up.',
  },
  metricsBind: {
    env: 'WELLSPRING_METRICS_BIND_ADDRESS',
    type: LISTEN,
    default: ':61678',
    group: 'operation',
    doc: 'Where /metrics, /healthz and /readyz are served.',
  },
  disableMetrics: {
    env: 'DISABLE_METRICS',
    type: BOOLEAN,
    default: 'false',
    group: 'operation',
    doc: 'Serve no metrics and no health.',
  },
  introspectionBind: {
    env: 'INTROSPECTION_BIND_ADDRESS',
    type: LISTEN,
    default: '127.0.0.1:61679',
    group: 'operation',
    doc: 'Where introspection is served, beside the unix socket that wellspringctl uses.',
  },
  disableIntrospection: {
    env: 'DISABLE_INTROSPECTION',
    type: BOOLEAN,
    default: 'false',
    group: 'operation',
    doc: 'Serve introspection on the unix socket only.',
  },
  socketPath: {
    env: 'WELLSPRING_SOCKET',
    type: PATH,
    default: '/run/wellspring/ipamd.sock',
    group: 'operation',
    doc: 'Socket on which the CNI binary is served. Its directory is made with mode 0700; introspect.sock stands beside it.',
  },
  stateDirectory: {
    env: 'WELLSPRING_STATE_DIRECTORY',
    type: PATH,
    default: '/var/lib/wellspring',
    group: 'operation',
    doc: 'Directory of the journal.',
  },
  spoolDirectory: {
    env: 'WELLSPRING_SPOOL_DIRECTORY',
    type: PATH,
    default: '/var/lib/wellspring/del-spool',
    group: 'operation',
    doc: 'Where the CNI binary leaves deletions while the daemon is away.',
  },
} as const satisfies Record<string, Option>;

/**
 * Every setting of the daemon, once. From this table come parsing, `--help`, docs/configuration.md and the tests.
 * Names, defaults and meanings are the peer's (amazon-vpc-cni-k8s) where it has the setting; `WELLSPRING_*` are ours.
 */

export type OptionType =
  | { readonly kind: 'integer'; readonly min: number; readonly max: number; readonly radix?: 'any' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'choice'; readonly values: readonly string[] }
  | { readonly kind: 'cidrs'; readonly families?: 'both' }
  | { readonly kind: 'tags' }
  | { readonly kind: 'text'; readonly pattern: RegExp; readonly allowed: string };

export interface Option {
  readonly env: string;
  readonly type: OptionType;
  /** As it would be written in the environment; `''` is "not set". */
  readonly default: string;
  readonly group: 'pool' | 'interfaces' | 'datapath' | 'kubernetes' | 'operation';
  readonly doc: string;
  /** Where the peer has the setting and this one is not the same: what is different, and why. */
  readonly differs?: string;
}

const integer = (min: number, max: number) => ({ kind: 'integer', min, max }) as const;
/** A mark, read as C does (strtoul, base 0): 128, 0x80 and 0200 are one. */
const MARK = { kind: 'integer', min: 1, max: 0xffff_ffff, radix: 'any' } as const;
const BOOLEAN = { kind: 'boolean' } as const;
const PATH = { kind: 'text', pattern: /^\/[^\0]*$/, allowed: 'an absolute path' } as const;
const LISTEN = {
  kind: 'text',
  pattern: /^(unix:\/[^\0]+|(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])?:\d{1,5})$/,
  allowed: 'ADDRESS:PORT, :PORT or unix:/path',
} as const;

const PATH_OR_NONE = { kind: 'text', pattern: /^(\/[^\0]*)?$/, allowed: 'an absolute path' } as const;
const LISTEN_OR_NONE = { ...LISTEN, pattern: new RegExp(`^$|${LISTEN.pattern.source}`) } as const;

/** Kubernetes: an optional DNS prefix, and a name. */
const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;

export const OPTIONS = {
  warmEniTarget: {
    env: 'WARM_ENI_TARGET',
    type: integer(0, 1000),
    default: '1',
    group: 'pool',
    doc: "Keep this many ENIs' worth of free addresses. Not used when WARM_IP_TARGET or MINIMUM_IP_TARGET is set, nor in prefix mode.",
    differs:
      'Addresses that cool down do not count as available, so a pool that only looks full is filled. A negative number is refused.',
  },
  warmIpTarget: {
    env: 'WARM_IP_TARGET',
    type: integer(0, 100_000),
    default: '',
    group: 'pool',
    doc: 'Keep this many free addresses. When it or MINIMUM_IP_TARGET is above 0, it takes the place of the other warm targets.',
    differs:
      'Addresses that cool down do not count as available: the peer refuses pods while its pool looks full. A negative number is refused.',
  },
  minimumIpTarget: {
    env: 'MINIMUM_IP_TARGET',
    type: integer(0, 100_000),
    default: '',
    group: 'pool',
    doc: 'Keep at least this many addresses on the node, used or free.',
    differs:
      'Alone it does not stop growth at the floor: a pod that waits always gets an address. A negative number is refused.',
  },
  warmPrefixTarget: {
    env: 'WARM_PREFIX_TARGET',
    type: integer(0, 10_000),
    default: '1',
    group: 'pool',
    doc: 'Prefix mode: keep this many free /28 prefixes. 0 asks for one only when no address is free.',
    differs:
      "The peer's program takes 0 where it is not set; its chart sets 1. With it, WARM_IP_TARGET and MINIMUM_IP_TARGET all 0 the peer ends its start; here 0 is a way to run.",
  },
  maxEni: {
    env: 'MAX_ENI',
    type: integer(-1, 1000),
    default: '-1',
    group: 'pool',
    doc: 'Use at most this many ENIs of each network card; -1 or 0: as many as the instance type allows.',
    differs: 'A number below -1 is refused.',
  },
  maxPods: {
    env: 'WELLSPRING_MAX_PODS',
    type: integer(1, 100_000),
    default: '',
    group: 'pool',
    doc: 'No more addresses than this are ever asked for. Not set: as many as the instance type can hold.',
  },
  enableIpv4: {
    env: 'ENABLE_IPv4',
    type: BOOLEAN,
    default: 'true',
    group: 'pool',
    doc: 'Pods get an IPv4 address. At least one of ENABLE_IPv4 and ENABLE_IPv6 must be true; with both, pods get one address of each family from the same ENI.',
    differs:
      'It is true unless it is set to false, as in the manifest of the peer; in its code it is false. Both families at once are served; the peer refuses them.',
  },
  enableIpv6: {
    env: 'ENABLE_IPv6',
    type: BOOLEAN,
    default: 'false',
    group: 'pool',
    doc: 'Pods get an IPv6 address out of a /80 prefix of an ENI: on an IPv6 node (ENABLE_IPv4=false, ENABLE_PREFIX_DELEGATION=true) one prefix is enough for all pods, on a dual-stack node each ENI has one. The instance type must be Nitro or bare metal with IPv6, the subnet must have an IPv6 CIDR block.',
    differs: 'With ENABLE_IPv4=true it makes a dual-stack node, and then ENABLE_PREFIX_DELEGATION is about IPv4 alone.',
  },
  prefixDelegation: {
    env: 'ENABLE_PREFIX_DELEGATION',
    type: BOOLEAN,
    default: 'false',
    group: 'pool',
    doc: 'Take addresses as /28 prefixes (Nitro and bare-metal instances only).',
    differs:
      'A subnet without a free /28 gives single addresses until it has one again; the peer asks in vain for 120 s.',
  },
  coolDownSeconds: {
    env: 'IP_COOLDOWN_PERIOD',
    type: integer(0, 86_400),
    default: '30',
    group: 'pool',
    doc: 'Seconds for which a released address rests before another pod may have it.',
    differs: 'Cool-downs survive a restart, and an address that rests is never given back to EC2.',
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
    default: '300',
    group: 'pool',
    doc: 'Seconds for which a new ENI is kept, however little it is used.',
  },
  additionalEniTags: {
    env: 'ADDITIONAL_ENI_TAGS',
    type: { kind: 'tags' },
    default: '{}',
    group: 'interfaces',
    doc: 'JSON object of tags for the ENIs that the daemon creates. Keys that contain k8s.amazonaws.com are refused.',
    differs:
      'Text that is no JSON object, and keys that the peer drops, end the start: tags that are missing are found too late otherwise.',
  },
  clusterName: {
    env: 'CLUSTER_NAME',
    type: { kind: 'text', pattern: /^[\w.@-]{0,100}$/, allowed: 'up to 100 letters, digits and ._@-' },
    default: '',
    group: 'interfaces',
    doc: 'Name of the cluster; adds the cluster and owner tags to ENIs.',
    differs:
      'Without it only ENIs that this instance made are taken for leaked; the peer then also deletes those of other clusters.',
  },
  podEni: {
    env: 'ENABLE_POD_ENI',
    type: BOOLEAN,
    default: 'false',
    group: 'interfaces',
    doc: 'Security groups for pods: a pod with a limit of vpc.amazonaws.com/pod-eni runs with the branch ENI that the VPC resource controller makes for it on the trunk ENI of this node. Needs the API server (MY_NODE_NAME) and a kernel with 8021q. One place for an ENI is kept free until the trunk is attached.',
    differs:
      'All containers of a pod are looked at, those for its start included; the peer looks at the first. An ADD waits for annotation and trunk until its deadline; the peer fails it. The trunk is found in what EC2 says anyway, without a call for it; the peer asks again and again. Pods of this node are watched; while the API server has not told of a pod, that pod waits.',
  },
  podEniMode: {
    env: 'POD_SECURITY_GROUP_ENFORCING_MODE',
    type: { kind: 'choice', values: ['strict', 'standard'] },
    default: 'strict',
    group: 'datapath',
    doc: 'Pods with ENIs of their own. strict: all of their traffic passes the VPC and its security groups, to pods and services on the same node and to the node itself, too; nothing is translated to the node’s address. standard: what stays on the node is not judged by their groups, and what leaves the VPC leaves by the primary ENI with the node’s address. Pods keep the mode that they were made with.',
    differs:
      'Any other value is refused, whether ENABLE_POD_ENI is set or not. In strict mode a pod cannot send with another’s address, which the peer does not prevent; host ports are refused, which do not work there.',
  },
  disableTcpEarlyDemux: {
    env: 'DISABLE_TCP_EARLY_DEMUX',
    type: BOOLEAN,
    default: 'false',
    group: 'datapath',
    doc: 'Set net.ipv4.tcp_early_demux to 0. Needed where kubelet probes pods of strict mode by TCP: the kernel would drop their answers.',
    differs: 'false leaves the sysctl as it is; the peer’s init container sets it to 1.',
  },
  multiNic: {
    env: 'ENABLE_MULTI_NIC',
    type: BOOLEAN,
    default: 'false',
    group: 'interfaces',
    doc: 'Use every network card of the instance: pods with the annotation k8s.amazonaws.com/nicConfig: multi-nic-attachment get an interface on each. A card other than the first keeps one free address, one by one; a card with an EFA-only ENI and no other of the pool is left alone. Off: the first card alone, and ENIs on others are not managed.',
    differs: 'A pod without the annotation never gets an address of another card than the first.',
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
  customNetworking: {
    env: 'AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG',
    type: BOOLEAN,
    default: 'false',
    group: 'interfaces',
    doc: 'Custom networking: new ENIs are made in the subnet, and with the security groups, of the ENIConfig that the node’s label or annotation names. The primary ENI hosts no pods. Without a usable ENIConfig nothing is made.',
    differs:
      'The daemon starts and serves without the API server, with the ENIConfig that was usable last. When the ENIConfig names another subnet, ENIs in the former one take no new pods and go as they empty; the peer keeps using them.',
  },
  manageEnisNonSchedulable: {
    env: 'AWS_MANAGE_ENIS_NON_SCHEDULABLE',
    type: BOOLEAN,
    default: 'false',
    group: 'interfaces',
    doc: 'Ask for addresses and give ENIs back also while the node carries the taint node.kubernetes.io/unschedulable. Single addresses and prefixes above target go back in any case.',
  },
  disableProvisioning: {
    env: 'DISABLE_NETWORK_RESOURCE_PROVISIONING',
    type: BOOLEAN,
    default: 'false',
    group: 'interfaces',
    doc: 'Another program gives this node its ENIs and addresses: none is created, assigned, tagged, changed or given back. What appears is adopted.',
    differs: 'Nothing is unassigned at start either, when the node changes between addresses and prefixes.',
  },
  imdsOnly: {
    env: 'ENABLE_IMDS_ONLY_MODE',
    type: BOOLEAN,
    default: 'false',
    group: 'interfaces',
    doc: 'Not one EC2 call, so no credentials: everything is read from instance metadata. Implies DISABLE_NETWORK_RESOURCE_PROVISIONING. Tags are not known, so no_manage tags are not seen.',
    differs: 'It also keeps subnet discovery and the look-up of instance types from calling EC2.',
  },
  metadataIntervalSeconds: {
    env: 'WELLSPRING_METADATA_INTERVAL',
    type: integer(1, 86_400),
    default: '300',
    group: 'interfaces',
    doc: 'Seconds between two looks at instance metadata: security groups of the primary ENI (those of the other ENIs follow), CIDRs of the VPC, and ENIs that came or went unnoticed; three requests. At most 60, and with the addresses of every ENI, while provisioning is disabled.',
  },
  reconcileIntervalSeconds: {
    env: 'WELLSPRING_RECONCILE_INTERVAL',
    type: integer(1, 86_400),
    default: '3600',
    group: 'interfaces',
    doc: 'Seconds between two comparisons of all ENIs of this node with EC2, one DescribeNetworkInterfaces each: finds addresses that somebody else assigned or unassigned.',
  },
  disableLeakedEniCleanup: {
    env: 'DISABLE_LEAKED_ENI_CLEANUP',
    type: BOOLEAN,
    default: 'false',
    group: 'interfaces',
    doc: 'Leave ENIs alone that nodes of this cluster (without CLUSTER_NAME: this node) created and lost.',
    differs: 'Without CLUSTER_NAME the cleanup is bound to this instance.',
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
    differs: "A value outside the range, or above AWS_VPC_ENI_MTU, is refused; the peer's plugin takes 9001 instead.",
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
    differs: 'Another word is refused; the peer takes prng.',
  },
  excludeSnatCidrs: {
    env: 'AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS',
    type: { kind: 'cidrs' },
    default: '',
    group: 'datapath',
    doc: 'Destinations beside the VPC, as CIDRs with commas, that see the address of the pod.',
    differs: 'What is no IPv4 CIDR is refused; the peer leaves it out.',
  },
  ipv4Egress: {
    env: 'ENABLE_V4_EGRESS',
    type: BOOLEAN,
    default: 'true',
    group: 'datapath',
    doc: 'Pods of an IPv6 node also get an IPv4 address out of 169.254.172.0/22, with which they reach IPv4 by the address of the node; nobody reaches them by it.',
    differs: 'It is on the same interface of the pod and made by ipamd itself, without a second plugin.',
  },
  ipv6Egress: {
    env: 'ENABLE_V6_EGRESS',
    type: BOOLEAN,
    default: 'false',
    group: 'datapath',
    doc: 'Pods of an IPv4 node also get an IPv6 address out of fd00::ac:0/118, with which they reach IPv6 by the address of the node, if its primary ENI has one; nobody reaches them by it.',
    differs: 'It is on the same interface of the pod and made by ipamd itself, without a second plugin.',
  },
  externalServiceCidrs: {
    env: 'AWS_EXTERNAL_SERVICE_CIDRS',
    type: { kind: 'cidrs', families: 'both' },
    default: '',
    group: 'datapath',
    doc: 'Destinations, as CIDRs of either family with commas, to which pods go as the node does, by the main routing table, whichever ENI they are on.',
    differs:
      'IPv6 too, and by one nftables set a family instead of a routing rule for each CIDR. What is no CIDR is refused; the peer leaves it out.',
  },
  disablePodIpv6: {
    env: 'DISABLE_POD_V6',
    type: BOOLEAN,
    default: 'false',
    group: 'datapath',
    doc: 'IPv6 is switched off in the namespaces of pods (net.ipv6.conf.all, default and lo): not even ::1 is there. Not with ENABLE_IPv6 or ENABLE_V6_EGRESS.',
    differs:
      'ipamd does it, without the tuning plugin. The peer accepts it beside ENABLE_IPv6 and leaves pods without their addresses.',
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
    type: MARK,
    default: '0x80',
    group: 'datapath',
    doc: 'Connection-mark bit for flows that must use the primary ENI.',
    differs: 'More than one bit, or a bit of kube-proxy, is refused.',
  },
  eniMarkMask: {
    env: 'WELLSPRING_ENI_MARK_MASK',
    type: MARK,
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
    differs: 'The peer logs DEBUG; here INFO has what an operator needs.',
  },
  logFile: {
    env: 'AWS_VPC_K8S_CNI_LOG_FILE',
    type: { kind: 'text', pattern: /^(stdout|stderr|\/[^\0]*)$/, allowed: 'stdout, stderr or an absolute path' },
    default: 'stderr',
    group: 'operation',
    doc: 'Where the log goes. A file is rotated at 100 MB, and five are kept.',
    differs:
      'The peer writes a file of its own; here the log goes where the container runtime keeps logs. Rotated files are not compressed, and none goes by its age.',
  },
  ec2Endpoint: {
    env: 'AWS_EC2_ENDPOINT',
    type: {
      kind: 'text',
      pattern: /^(https?:\/\/[^\s/]+\/?)?$/,
      allowed: 'an http:// or https:// address without a path',
    },
    default: '',
    group: 'operation',
    doc: 'Where EC2 is asked. Without it AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL, then the endpoint of the region. See credentials.md.',
    differs: "The peer's EC2 client does not look at it.",
  },
  httpTimeoutSeconds: {
    env: 'HTTP_TIMEOUT',
    type: integer(1, 600),
    default: '10',
    group: 'operation',
    doc: 'Seconds after which an unanswered EC2 request is given up.',
    differs: 'The peer ignores values below 10.',
  },
  nodeName: {
    env: 'MY_NODE_NAME',
    type: { kind: 'text', pattern: /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$/, allowed: 'the name of a Node object' },
    default: '',
    group: 'kubernetes',
    doc: 'Name of this node (downward API: spec.nodeName). Without it the API server is not used.',
  },
  podName: {
    env: 'MY_POD_NAME',
    type: { kind: 'text', pattern: /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$/, allowed: 'the name of a Pod object' },
    default: '',
    group: 'kubernetes',
    doc: 'Name of the pod that ipamd runs in (downward API: metadata.name); events about missing IAM permissions are also written there.',
  },
  clusterEndpoint: {
    env: 'CLUSTER_ENDPOINT',
    type: {
      kind: 'text',
      pattern: /^((https?:\/\/)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?(\/[^\s?#]*)?)?$/,
      allowed: 'https://HOST[:PORT] or HOST[:PORT]',
    },
    default: '',
    group: 'kubernetes',
    doc: 'Address of the API server in place of the one in KUBECONFIG or of the Service kubernetes, which needs kube-proxy.',
  },
  eniConfigAnnotation: {
    env: 'ENI_CONFIG_ANNOTATION_DEF',
    type: { kind: 'text', pattern: QUALIFIED_NAME, allowed: 'a key of annotations' },
    default: 'k8s.amazonaws.com/eniConfig',
    group: 'kubernetes',
    doc: 'Annotation of the node that names its ENIConfig. The label vpc.amazonaws.com/externalEniConfig goes before it.',
  },
  eniConfigLabel: {
    env: 'ENI_CONFIG_LABEL_DEF',
    type: { kind: 'text', pattern: QUALIFIED_NAME, allowed: 'a key of labels' },
    default: 'k8s.amazonaws.com/eniConfig',
    group: 'kubernetes',
    doc: 'Label of the node that names its ENIConfig where the annotation does not; where neither does it is `default`.',
  },
  annotatePodIp: {
    env: 'ANNOTATE_POD_IP',
    type: BOOLEAN,
    default: 'false',
    group: 'kubernetes',
    doc: 'Write the addresses of a pod into its annotation vpc.amazonaws.com/pod-ips, and clear it when they are given back.',
    differs:
      'Written after the ADD is answered, and repeated until the API server takes it; the peer does it inside ADD and DEL.',
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
    doc: 'Serve nothing there. Health is still served at WELLSPRING_HEALTH_BIND_ADDRESS.',
  },
  healthBind: {
    env: 'WELLSPRING_HEALTH_BIND_ADDRESS',
    type: LISTEN_OR_NONE,
    default: '',
    group: 'operation',
    doc: 'Where /healthz and /readyz are served from the beginning of the start on, with nothing beside them; the chart sets 127.0.0.1:61680. /readyz says 503, and why, until ipamd serves and its configuration list is in place.',
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
  driftRepair: {
    env: 'WELLSPRING_DRIFT_REPAIR',
    type: BOOLEAN,
    default: 'true',
    group: 'datapath',
    doc: 'Put back within a second what others remove or change of ours in the kernel: rules, routes, neighbours, addresses, links, sysctls, the nftables table. Off: the next start puts back what belongs to the host and its ENIs.',
  },
  socketPath: {
    env: 'WELLSPRING_SOCKET',
    type: PATH,
    default: '/run/wellspring/ipamd.sock',
    group: 'operation',
    doc: 'Socket on which the CNI binary is served. Its directory is made with mode 0700; introspect.sock stands beside it.',
  },
  conflistDirectory: {
    env: 'HOST_CNI_CONFDIR_PATH',
    type: PATH_OR_NONE,
    default: '',
    group: 'operation',
    doc: 'Directory of the host in which the container runtime looks for its network configuration. When ipamd serves, it puts 10-wellspring.conflist there, keeps it there, and leaves it when it ends. Not set: somebody else does that.',
    differs: 'Without it nothing is written; the peer then takes /host/etc/cni/net.d, which the chart sets here.',
  },
  conflistFile: {
    env: 'WELLSPRING_CONFLIST_FILE',
    type: PATH_OR_NONE,
    default: '',
    group: 'operation',
    doc: 'A configuration list of your own that is put in the place of ours, with further plugins in it, say. Its plugin wellspring-cni is told the socket and the spool, unless it names others.',
  },
  procSys: {
    env: 'WELLSPRING_PROC_SYS',
    type: PATH,
    default: '/proc/sys',
    group: 'datapath',
    doc: 'Where sysctls below net are written. Containers see /proc/sys read-only; the chart mounts that of the host elsewhere, so that ipamd need not be privileged.',
  },
  stateDirectory: {
    env: 'WELLSPRING_STATE_DIRECTORY',
    type: PATH,
    default: '/var/lib/wellspring',
    group: 'operation',
    doc: 'Directory of the journal.',
  },
  backingStore: {
    env: 'AWS_VPC_K8S_CNI_BACKING_STORE',
    type: PATH,
    default: '/var/run/aws-node/ipam.json',
    group: 'operation',
    doc: 'Checkpoint of amazon-vpc-cni-k8s. It is read when this node has no journal yet, so that pods of the peer keep their addresses; it is never written. Checkpoints of further network cards stand beside it (ipam-nic-1.json).',
    differs: 'The peer keeps its own state there; ours is the journal in WELLSPRING_STATE_DIRECTORY.',
  },
  migrateWithout: {
    env: 'WELLSPRING_MIGRATE_WITHOUT',
    type: {
      kind: 'text',
      pattern: /^((network-policy|branch-pods)(,(?=.)|$))*$/,
      allowed: 'network-policy and branch-pods, separated by commas',
    },
    default: '',
    group: 'operation',
    doc: 'What may be switched off when this node is taken over from amazon-vpc-cni-k8s; ipamd refuses to start otherwise where it is in use. network-policy: policies that the agent of the peer enforces. branch-pods: the orderly end of running pods with ENIs of their own. See docs/migration.md.',
  },
  spoolDirectory: {
    env: 'WELLSPRING_SPOOL_DIRECTORY',
    type: PATH,
    default: '/var/lib/wellspring/del-spool',
    group: 'operation',
    doc: 'Where the CNI binary leaves deletions while the daemon is away.',
  },
} as const satisfies Record<string, Option>;

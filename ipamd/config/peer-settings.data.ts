/**
 * Settings of amazon-vpc-cni-k8s that ipamd knows and does not act on, each with the reason. None is passed over in
 * silence: what changes nothing is said once at start, what would leave pods without something they were promised ends it.
 */

export type PeerSetting =
  /** Any value is accepted and changes nothing. */
  | { readonly env: string; readonly kind: 'without-effect'; readonly reason: string }
  /** Only these values are accepted (compared without case); any other asks for what is not there. */
  | { readonly env: string; readonly kind: 'only'; readonly values: readonly string[]; readonly reason: string };

/** What is here and in the table of settings as well counts there. */
export const PEER_SETTINGS: readonly PeerSetting[] = [
  {
    env: 'ENABLE_NFTABLES',
    kind: 'without-effect',
    reason: 'nftables is always used; the peer has ignored it since it detects the flavour of iptables.',
  },
  {
    env: 'AWS_VPC_K8S_CNI_CONFIGURE_RPFILTER',
    kind: 'without-effect',
    reason: 'what the node needs of rp_filter is always set; it is without effect in the peer as well.',
  },
  {
    env: 'VPC_CNI_VERSION',
    kind: 'without-effect',
    reason: 'the version in the user agent of EC2 calls is that of ipamd.',
  },
  {
    env: 'AWS_VPC_K8S_PLUGIN_LOG_LEVEL',
    kind: 'without-effect',
    reason: 'the CNI binary keeps no log: ipamd logs every request, and a failure is in the answer to the runtime.',
  },
  {
    env: 'AWS_VPC_K8S_PLUGIN_LOG_FILE',
    kind: 'without-effect',
    reason: 'the CNI binary keeps no log: ipamd logs every request, and a failure is in the answer to the runtime.',
  },
  {
    env: 'AWS_VPC_K8S_EGRESS_V4_PLUGIN_LOG_FILE',
    kind: 'without-effect',
    reason: 'there is no egress plugin: ipamd does its work.',
  },
  {
    env: 'AWS_VPC_K8S_EGRESS_V6_PLUGIN_LOG_FILE',
    kind: 'without-effect',
    reason: 'there is no egress plugin: ipamd does its work.',
  },
  {
    env: 'HOST_CNI_BIN_PATH',
    kind: 'without-effect',
    reason:
      'it is for the installer of the CNI binary (wellspring-install); ipamd installs the configuration list alone.',
  },
  {
    env: 'ENABLE_BANDWIDTH_PLUGIN',
    kind: 'without-effect',
    reason:
      'no plugin is chained for bandwidth limits: they are of the daemon where the configuration list names the capability.',
  },
  {
    env: 'USE_CLOUDWATCH',
    kind: 'without-effect',
    reason: 'it is for the metrics helper of the peer; metrics are served for Prometheus.',
  },
  {
    env: 'USE_PROMETHEUS',
    kind: 'without-effect',
    reason: 'it is for the metrics helper of the peer; metrics are served for Prometheus.',
  },
  {
    env: 'METRIC_UPDATE_INTERVAL',
    kind: 'without-effect',
    reason: 'it is for the metrics helper of the peer; figures are read when they are scraped.',
  },
  { env: 'AWS_CLUSTER_ID', kind: 'without-effect', reason: 'it is for the metrics helper of the peer.' },
  {
    env: 'NETWORK_POLICY_ENFORCING_MODE',
    kind: 'only',
    values: ['none', 'standard'],
    reason:
      'policies are enforced by an agent of their own, and ipamd holds no pod back until its policies are there, which strict promises.',
  },
];

/** What kubelet and containerd of one node are told. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';

/** Of the Service of the cluster's DNS, whether or not somebody serves it. */
export const CLUSTER_DNS = '10.96.0.10';
export const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';
/** Taken off by ipamd. */
const STARTUP_TAINT = { key: 'wellspring.dev/not-ready', value: 'true', effect: 'NoSchedule' };

export interface KubeletOptions {
  readonly program: string;
  readonly nodeName: string;
  readonly nodeIp: string;
  readonly instanceId: string;
  readonly zone: string;
  readonly maxPods: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly cgroup: string;
  /** The API server's address, certificate and the token of this node. */
  readonly server: string;
  readonly certificate: string;
  readonly token: string;
  /** Where the configuration is written; seen by the node under the same path. */
  readonly directory: string;
}

/** Writes kubelet's files and returns its command line. */
export function kubeletCommand(options: KubeletOptions): readonly string[] {
  const { directory, server, certificate, token } = options;
  const kubeconfig = writeKubeconfig(join(directory, 'kubelet.kubeconfig'), {
    server,
    token,
    certificateAuthority: certificate,
  });
  const config = join(directory, 'kubelet.json');
  writeFileSync(config, JSON.stringify(configuration(options)));
  const labels = Object.entries({ 'topology.kubernetes.io/zone': options.zone, ...options.labels });
  return [
    options.program,
    `--config=${config}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${options.nodeName}`,
    `--node-ip=${options.nodeIp}`,
    `--node-labels=${labels.map(([key, value]) => `${key}=${value}`).join(',')}`,
    '--v=2',
  ];
}

function configuration({ instanceId, zone, maxPods, cgroup, directory }: KubeletOptions): object {
  const resolvConf = join(directory, 'resolv.conf');
  writeFileSync(resolvConf, '');
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    providerID: `aws:///${zone}/${instanceId}`,
    // Nobody but this test reaches the node.
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    // Its usual place is in /usr, which the machine does not have for itself.
    volumePluginDir: '/var/lib/kubelet/plugins',
    // The disk is the computer's, and how full that is says nothing.
    evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'imagefs.available': '0%' },
    imageGCHighThresholdPercent: 100,
    imageMaximumGCAge: '0s',
    localStorageCapacityIsolation: false,
    clusterDNS: [CLUSTER_DNS],
    clusterDomain: 'cluster.local',
    resolvConf,
    maxPods,
    registerWithTaints: [STARTUP_TAINT],
    nodeStatusUpdateFrequency: '5s',
    syncFrequency: '10s',
    serializeImagePulls: true,
    failSwapOn: false,
  };
}

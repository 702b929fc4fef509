/**
 * The chart, rendered by a real helm: what a real kube-apiserver takes (server-side apply as a dry run, unknown fields refused),
 * what ipamd reads of its settings, and what the schema refuses.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { parseConfig } from '#ipamd/config/config.ts';
import { run } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { CHART, generatedManifests, MANIFESTS } from '#tools/generate-manifests.ts';
import { builtHelm, render } from '#tools/helm.ts';
import { builtApiServer } from './build.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import type { PodSpec } from './image/manifest.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const BUILD_MS = 45 * 60_000;
const NAMESPACE = 'kube-system';
const PLURALS: Readonly<Record<string, string>> = {
  ServiceAccount: 'serviceaccounts',
  ConfigMap: 'configmaps',
  DaemonSet: 'daemonsets',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  ENIConfig: 'eniconfigs',
  PodMonitor: 'podmonitors',
  PrometheusRule: 'prometheusrules',
  Deployment: 'deployments',
  Role: 'roles',
  RoleBinding: 'rolebindings',
};

interface Document {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: { readonly template: { readonly metadata: object; readonly spec: PodSpec } };
  readonly rules?: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
}

interface Case {
  readonly set?: readonly string[];
  readonly setJson?: readonly string[];
}

/** As operators of the peer's chart would write them. */
const CASES: Readonly<Record<string, Case>> = {
  defaults: {},
  'prefixes, custom networking and annotations': {
    set: [
      'env.ENABLE_PREFIX_DELEGATION=true',
      'env.WARM_PREFIX_TARGET=1',
      'env.AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true',
      'env.ENI_CONFIG_LABEL_DEF=topology.kubernetes.io/zone',
      'env.ANNOTATE_POD_IP=true',
      'eniConfig.create=true',
    ],
    setJson: [
      'eniConfig.subnets={"us-west-2a":{"id":"subnet-0a","securityGroups":["sg-0a"]},"us-west-2b":{"id":"subnet-0b"}}',
    ],
  },
  IPv6: { set: ['env.ENABLE_IPv4=false', 'env.ENABLE_IPv6=true', 'env.ENABLE_PREFIX_DELEGATION=true'] },
  'security groups for pods': { set: ['env.ENABLE_POD_ENI=true', 'env.POD_SECURITY_GROUP_ENFORCING_MODE=standard'] },
  'everything else': {
    set: [
      'podMonitor.create=true',
      'podMonitor.labels.release=prometheus',
      'image.override=registry.example/ipamd:1',
      'env.WARM_IP_TARGET=100000',
      'env.AWS_VPC_K8S_CNI_CONNMARK=0x80',
      'env.AWS_VPC_K8S_CNI_LOG_FILE=/host/var/log/aws-routed-eni/ipamd.log',
      'hostPID=true',
      'serviceAccount.name=aws-node',
      'seLinuxOptions.type=spc_t',
      'resources.limits.memory=256Mi',
      'priorityClassName=system-node-critical',
      'cniConfig.enabled=true',
    ],
    setJson: [
      'cniConfig.fileContents="{\\"name\\":\\"n\\",\\"cniVersion\\":\\"1.0.0\\",\\"plugins\\":[{\\"type\\":\\"wellspring-cni\\"}]}"',
      'env.ADDITIONAL_ENI_TAGS="{\\"team\\":\\"a\\"}"',
      'extraEnv=[{"name":"HTTPS_PROXY","value":"http://proxy.example:3128"}]',
      'serviceAccount.annotations={"eks.amazonaws.com/role-arn":"arn:aws:iam::123456789012:role/cni"}',
      'imagePullSecrets=[{"name":"registry"}]',
      'extraVolumes=[{"name":"more","emptyDir":{}}]',
      'extraVolumeMounts=[{"name":"more","mountPath":"/more"}]',
      'podAnnotations={"a":"b"}',
    ],
  },
  'subnet controller and alerts': {
    set: [
      'subnetController.enabled=true',
      'subnetController.replicas=2',
      'subnetController.vpcs={vpc-1}',
      'subnetController.cloudWatch=true',
      'subnetController.history.existingClaim=history',
      'prometheusRule.create=true',
      'prometheusRule.labels.release=prometheus',
      'podMonitor.create=true',
    ],
  },
  uninstalling: { set: ['uninstall=true'] },
};

describeWith(['go', 'etcd'], 'the chart', () => {
  let helm: string;
  let api: ControlPlane;

  const documents = async (asked: Case): Promise<readonly Document[]> => {
    const text = await render(helm, { chart: CHART, release: 'wellspring', namespace: NAMESPACE, ...asked });
    return parseAllDocuments(text)
      .map((each) => each.toJS() as Document | null)
      .filter((each) => each !== null);
  };
  const podOf = (all: readonly Document[]): PodSpec => {
    const spec = all.find(({ kind }) => kind === 'DaemonSet')?.spec?.template.spec;
    if (spec === undefined) throw new Error('no DaemonSet');
    return spec;
  };
  const settingsOf = (all: readonly Document[]): Readonly<Record<string, string>> => {
    const env = podOf(all).containers[0]?.env ?? [];
    return Object.fromEntries(env.map(({ name, value = 'by-reference' }) => [name, value]));
  };
  const refusal = async (...set: readonly string[]): Promise<string> => {
    const outcome = await render(helm, { chart: CHART, release: 'w', namespace: NAMESPACE, set }).catch(
      (e: unknown) => e,
    );
    return outcome instanceof Object && 'stderr' in outcome ? String(outcome.stderr) : `rendered: ${String(outcome)}`;
  };

  beforeAll(async () => {
    helm = await builtHelm();
    api = await startControlPlane(await builtApiServer());
    for (const definition of [podMonitorDefinition(), prometheusRuleDefinition()])
      await api.admin('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    // The API server serves them a moment later.
    for (const plural of ['podmonitors', 'prometheusrules'])
      await until(`${plural} are served`, 60_000, () =>
        api.admin('GET', `/apis/monitoring.coreos.com/v1/${plural}`).then(Boolean, () => false),
      );
  }, BUILD_MS);
  afterAll(async () => api?.[Symbol.asyncDispose]());

  it('passes helm’s own lint', async () => {
    const { code, stdout } = await run(helm, ['lint', '--strict', CHART]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('0 chart(s) failed')]);
  });

  it.each(Object.entries(CASES))('is taken by the API server: %s', async (_name, asked) => {
    const all = await documents(asked);
    expect(all.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['DaemonSet', 'ClusterRole', 'ServiceAccount']));
    for (const document of all) {
      const taken = await api.admin(
        'PATCH',
        `${pathOf(document)}?dryRun=All&fieldManager=test&force=true&fieldValidation=Strict`,
        document,
        'application/apply-patch+yaml',
      );
      expect(taken['metadata']).toMatchObject({ name: document.metadata.name });
    }
  });

  it.each(Object.entries(CASES).filter(([name]) => name !== 'uninstalling'))(
    'gives ipamd settings that it takes: %s',
    async (_name, asked) => {
      const settings = settingsOf(await documents(asked));
      const config = parseConfig({ ...settings, MY_NODE_NAME: 'node', MY_POD_NAME: 'pod' });
      expect(config).toMatchObject({ conflistDirectory: '/host/etc/cni/net.d', procSys: '/host/proc/sys' });
      const mounts = podOf(await documents(asked)).containers[0]?.volumeMounts.map(({ mountPath }) => mountPath) ?? [];
      const needed = [config.socketPath, config.stateDirectory, config.spoolDirectory, config.backingStore];
      for (const path of [...needed, config.conflistDirectory, join(config.procSys, 'net/ipv4')])
        expect(mounts.filter((mount) => path.startsWith(mount))).not.toEqual([]);
      if (config.conflistFile !== '') expect(mounts).toContain('/etc/wellspring');
      if (config.logFile.startsWith('/')) expect(mounts).toContain('/host/var/log/aws-routed-eni');
    },
  );

  it('writes numbers as they were meant', async () => {
    const settings = settingsOf(await documents(CASES['everything else'] ?? {}));
    expect(settings).toMatchObject({ WARM_IP_TARGET: '100000', AWS_VPC_K8S_CNI_CONNMARK: '0x80' });
  });

  it('names ENIConfigs by zones, be they written whole or, as in the chart of the peer, beside the region', async () => {
    const namesWith = async (region: string, zone: string) => {
      const set = ['eniConfig.create=true', `eniConfig.region=${region}`, `eniConfig.subnets.${zone}.id=subnet-0a`];
      const all = await documents({ set });
      return all.filter(({ kind }) => kind === 'ENIConfig').map(({ metadata }) => metadata.name);
    };
    expect(await namesWith('', 'us-west-2a')).toEqual(['us-west-2a']);
    expect(await namesWith('us-west-2', 'a')).toEqual(['us-west-2a']);
  });

  it('grants two capabilities and is not privileged, in every case', async () => {
    for (const asked of Object.values(CASES)) {
      const pod = podOf(await documents(asked));
      for (const { name, securityContext } of [...pod.initContainers, ...pod.containers]) {
        expect(securityContext.privileged).toBeUndefined();
        expect(securityContext.readOnlyRootFilesystem).toBe(true);
        expect(securityContext.capabilities.drop).toEqual(['ALL']);
        const ofMain = asked === CASES['uninstalling'] ? ['NET_ADMIN'] : ['NET_ADMIN', 'SYS_ADMIN'];
        expect(securityContext.capabilities.add ?? []).toEqual(name === 'ipamd' ? ofMain : []);
      }
    }
  });

  it('grants a right only with the setting that needs it, and none for a setting that is false', async () => {
    const rights = async (...set: readonly string[]) =>
      (await documents({ set }))
        .flatMap(({ kind, rules = [] }) => (kind === 'ClusterRole' ? rules : []))
        .flatMap(({ resources, verbs }) => verbs.map((verb) => `${resources.join()} ${verb}`));
    const least = await rights();
    expect(least).not.toEqual(expect.arrayContaining(['pods patch']));
    expect(least).toEqual(expect.arrayContaining(['networkpolicies list', 'daemonsets get']));
    expect(await rights('migration.mayReadPolicies=false')).not.toContain('networkpolicies list');
    expect(await rights('env.ANNOTATE_POD_IP=false', 'env.ENABLE_POD_ENI=false')).toEqual(least);
    expect(await rights('env.ANNOTATE_POD_IP=True')).toEqual(expect.arrayContaining(['pods list', 'pods patch']));
    expect(await rights('env.ENABLE_POD_ENI=1')).toEqual(expect.arrayContaining(['pods watch', 'cninodes patch']));
    expect(await rights('env.AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=t')).toEqual(
      expect.arrayContaining(['eniconfigs watch']),
    );
  });

  it('uninstalling takes the conflist away and runs no ipamd', async () => {
    const pod = podOf(await documents(CASES['uninstalling'] ?? {}));
    expect(pod.initContainers.map(({ command }) => command?.slice(1))).toEqual([['remove']]);
    expect(pod.containers.map(({ command }) => command?.slice(1))).toEqual([['stay']]);
    expect(pod.initContainers[0]?.volumeMounts.map(({ mountPath }) => mountPath)).toContain('/host/etc/cni/net.d');
  });

  it('refuses what it does not know, and what would be off in silence', async () => {
    expect(await refusal('env.WARM_IP_TARGETS=1')).toContain("additional properties 'WARM_IP_TARGETS' not allowed");
    expect(await refusal('env.WELLSPRING_SOCKET=/x')).toContain('WELLSPRING_SOCKET');
    expect(await refusal('env.ENABLE_IPv6=yes')).toContain('/env/ENABLE_IPv6');
    expect(await refusal('env.WARM_ENI_TARGET=-1')).toContain('/env/WARM_ENI_TARGET');
    expect(await refusal('nodeAgent.enabled=true')).toContain('/nodeAgent/enabled');
    expect(await refusal('tolerationz[0].operator=Exists')).toContain('tolerationz');
    expect(await refusal('cniConfig.enabled=true')).toContain('cniConfig.fileContents');
    expect(await refusal('podMonitor.create=true', 'env.DISABLE_METRICS=true')).toContain(
      'leave env.DISABLE_METRICS out',
    );
  });

  it('the manifests are what it renders', async () => {
    const generated = await generatedManifests(helm);
    expect(Object.keys(generated)).toEqual(Object.keys(MANIFESTS));
    for (const [path, text] of Object.entries(generated)) expect(readFileSync(join(ROOT, path), 'utf8')).toBe(text);
  });
});

function pathOf({ apiVersion, kind, metadata: { name, namespace } }: Document): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return `${base}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${PLURALS[kind] ?? kind}/${name}`;
}

/** As much of the Prometheus operator's definition as the chart writes. */
function podMonitorDefinition(): object {
  const string = { type: 'string' };
  const endpoint = {
    type: 'object',
    properties: {
      port: string,
      path: string,
      interval: string,
      scrapeTimeout: string,
      relabelings: { type: 'array', items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    },
  };
  const free = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const spec = {
    type: 'object',
    properties: { selector: free, namespaceSelector: free, podMetricsEndpoints: { type: 'array', items: endpoint } },
  };
  return definitionOf('PodMonitor', spec);
}

/** The same of its rules. */
function prometheusRuleDefinition(): object {
  const rule = {
    type: 'object',
    properties: {
      alert: { type: 'string' },
      expr: { 'x-kubernetes-int-or-string': true },
      for: { type: 'string' },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      annotations: { type: 'object', additionalProperties: { type: 'string' } },
    },
  };
  const group = { type: 'object', properties: { name: { type: 'string' }, rules: { type: 'array', items: rule } } };
  return definitionOf('PrometheusRule', { type: 'object', properties: { groups: { type: 'array', items: group } } });
}

function definitionOf(kind: string, spec: object): object {
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.monitoring.coreos.com` },
    spec: {
      group: 'monitoring.coreos.com',
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
        },
      ],
    },
  };
}

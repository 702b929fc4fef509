/** What the generated manifest says of the DaemonSet, as a program reads it. */
import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';

export interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
  readonly mountPropagation?: string;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: {
    readonly readOnlyRootFilesystem?: boolean;
    readonly privileged?: boolean;
    readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] };
  };
  readonly volumeMounts: readonly Mount[];
}

export interface PodSpec {
  readonly hostNetwork: boolean;
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly hostPath: { readonly path: string } }[];
}

const MANIFEST = new URL('../../../deploy/manifests/wellspring.yaml', import.meta.url).pathname;

export function daemonSetPod(): PodSpec {
  const documents = parseAllDocuments(readFileSync(MANIFEST, 'utf8')).map((each) => each.toJS() as DaemonSet);
  const found = documents.find(({ kind }) => kind === 'DaemonSet');
  if (found === undefined) throw new Error(`${MANIFEST} has no DaemonSet`);
  return found.spec.template.spec;
}

interface DaemonSet {
  readonly kind: string;
  readonly spec: { readonly template: { readonly spec: PodSpec } };
}

import { join } from 'node:path';

import { credentials, loadPackageDefinition, type Client, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** What a pod is called; `attempt` tells re-creations of one pod apart, as kubelet counts them. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly attempt?: number;
  readonly portMappings?: readonly {
    readonly protocol: 'TCP' | 'UDP';
    readonly containerPort: number;
    readonly hostPort: number;
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RuntimeCondition {
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
}

export interface SandboxStatus {
  readonly id: string;
  readonly name: string;
  readonly state: 'SANDBOX_READY' | 'SANDBOX_NOTREADY';
  /** As the runtime took it from the CNI result; empty when the sandbox has none. */
  readonly ip: string;
  /** CNI_NETNS, a path in the node's own mount namespace. */
  readonly netns: string;
}

/** The CRI calls of one runtime, over its socket. Every call has a deadline; refusals are gRPC's `ServiceError`. */
export class CriClient {
  readonly #runtime: Client;
  readonly #images: Client;
  readonly #deadlineMs: number;

  constructor(socketPath: string, options: { readonly deadlineMs?: number } = {}) {
    const address = `unix://${socketPath}`;
    this.#runtime = new services.RuntimeService(address, credentials.createInsecure());
    this.#images = new services.ImageService(address, credentials.createInsecure());
    this.#deadlineMs = options.deadlineMs ?? 90_000;
  }

  close(): void {
    this.#runtime.close();
    this.#images.close();
  }

  async version(): Promise<string> {
    const answer = await this.#call<{ runtimeName: string; runtimeVersion: string }>('Version', {});
    return `${answer.runtimeName} ${answer.runtimeVersion}`;
  }

  async conditions(): Promise<readonly RuntimeCondition[]> {
    const answer = await this.#call<{ status?: { conditions?: RuntimeCondition[] } }>('Status', {});
    return answer.status?.conditions ?? [];
  }

  async hasImage(image: string): Promise<boolean> {
    const answer = await this.#call<{ image?: object | null }>('ImageStatus', { image: { image } }, this.#images);
    return answer.image !== undefined && answer.image !== null;
  }

  async runPodSandbox(
    pod: PodName,
    options: { readonly cgroupParent: string; readonly logDirectory: string },
  ): Promise<string> {
    const config = {
      metadata: { name: pod.name, uid: pod.uid, namespace: pod.namespace, attempt: pod.attempt ?? 0 },
      hostname: pod.name,
      logDirectory: options.logDirectory,
      portMappings: pod.portMappings ?? [],
      annotations: pod.annotations ?? {},
      linux: { cgroupParent: options.cgroupParent },
    };
    return (await this.#call<{ podSandboxId: string }>('RunPodSandbox', { config })).podSandboxId;
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.#call('StopPodSandbox', { podSandboxId: id });
  }

  async removePodSandbox(id: string): Promise<void> {
    await this.#call('RemovePodSandbox', { podSandboxId: id });
  }

  async listPodSandboxes(): Promise<readonly { readonly id: string; readonly name: string; readonly state: string }[]> {
    const answer = await this.#call<{ items?: { id: string; state: string; metadata?: { name: string } }[] }>(
      'ListPodSandbox',
      {},
    );
    return (answer.items ?? []).map((item) => ({ id: item.id, state: item.state, name: item.metadata?.name ?? '' }));
  }

  async podSandboxStatus(id: string): Promise<SandboxStatus> {
    const answer = await this.#call<StatusAnswer>('PodSandboxStatus', { podSandboxId: id, verbose: true });
    return {
      id,
      name: answer.status.metadata.name,
      state: answer.status.state,
      ip: answer.status.network?.ip ?? '',
      netns: networkNamespace(answer.info?.['info']),
    };
  }

  #call<T>(method: string, request: object, client = this.#runtime): Promise<T> {
    const service = client === this.#images ? 'ImageService' : 'RuntimeService';
    const definition = definitions[`runtime.v1.${service}`] as unknown as Readonly<Record<string, Method>>;
    const rpc = definition[method];
    if (rpc === undefined) throw new TypeError(`no such call: ${method}`);
    const deadline = Date.now() + this.#deadlineMs;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        rpc.path,
        rpc.requestSerialize,
        rpc.responseDeserialize,
        request,
        { deadline },
        (error: ServiceError | null, answer?: object) => (error === null ? resolve(answer as T) : reject(error)),
      );
    });
  }
}

interface Method {
  readonly path: string;
  readonly requestSerialize: (value: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

interface StatusAnswer {
  readonly status: {
    readonly metadata: { readonly name: string };
    readonly state: SandboxStatus['state'];
    readonly network?: { readonly ip: string } | null;
  };
  readonly info?: Readonly<Record<string, string>>;
}

interface SandboxInfo {
  readonly runtimeSpec?: {
    readonly linux?: { readonly namespaces?: readonly { readonly type: string; readonly path?: string }[] };
  };
}

/** containerd's verbose status holds the OCI runtime spec, and that the path of the network namespace. */
function networkNamespace(info: string | undefined): string {
  const parsed = JSON.parse(info ?? '{}') as SandboxInfo;
  return parsed.runtimeSpec?.linux?.namespaces?.find(({ type }) => type === 'network')?.path ?? '';
}

const definitions = loadSync(join(import.meta.dirname, 'cri.proto'), { enums: String, longs: String, defaults: true });

type ServiceConstructor = new (
  address: string,
  channelCredentials: ReturnType<typeof credentials.createInsecure>,
) => Client;

const services = (
  loadPackageDefinition(definitions) as unknown as {
    readonly runtime: {
      readonly v1: { readonly RuntimeService: ServiceConstructor; readonly ImageService: ServiceConstructor };
    };
  }
).runtime.v1;

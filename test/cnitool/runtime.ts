/** A runtime whose only program is cnitool: configuration lists in a directory, and the results that it remembers. */
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '#test/support/command.ts';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';

/** Where Debian has the plugins of the CNI project. */
export const PLUGIN_DIRECTORY = '/usr/lib/cni';
const OURS = 'wellspring-cni';

export type CnitoolCommand = 'add' | 'check' | 'del' | 'gc' | 'status';

export interface CnitoolOutcome {
  readonly ok: boolean;
  /** The result of ADD as it was printed. */
  readonly stdout: string;
  /** What cnitool says of an error: that of the plugin. */
  readonly stderr: string;
  readonly tookMs: number;
}

/** One node's view. Nothing of it is outside the node's directory. */
export class CnitoolRuntime {
  readonly #program: string;
  readonly #node: ClusterNode;
  readonly #directory: string;

  private constructor(program: string, node: ClusterNode, directory: string) {
    this.#program = program;
    this.#node = node;
    this.#directory = directory;
  }

  static async create(program: string, node: ClusterNode, binary: string): Promise<CnitoolRuntime> {
    const directory = join(node.directory, 'cnitool');
    for (const each of ['net.d', 'bin', 'var']) await mkdir(join(directory, each), { recursive: true });
    await rm(join(directory, 'bin', OURS), { force: true });
    await symlink(binary, join(directory, 'bin', OURS));
    return new CnitoolRuntime(program, node, directory);
  }

  /** Writes the list, whose plugin of ours has the node's keys, and the other plugins around it. */
  async configure(
    name: string,
    cniVersion: string,
    around: { readonly before?: readonly object[]; readonly after?: readonly object[]; readonly ours?: object } = {},
  ): Promise<void> {
    const { plugins } = this.#node.conflist as { readonly plugins: readonly object[] };
    const ours = plugins.map((plugin) => ({ ...plugin, type: OURS, ...around.ours }));
    const list = { cniVersion, name, plugins: [...(around.before ?? []), ...ours, ...(around.after ?? [])] };
    await writeFile(join(this.#directory, 'net.d', `${name}.conflist`), JSON.stringify(list));
  }

  /** Writes the list as ipamd gives it to runtimes. */
  async configureAsShipped(): Promise<void> {
    await writeFile(join(this.#directory, 'net.d', 'shipped.conflist'), JSON.stringify(this.#node.conflist));
  }

  /** cnitool keeps results below /var/lib/cni and takes no other place: it gets a /var/lib of its own. */
  async call(command: CnitoolCommand, network: string, pod: TestPod, capabilities?: object): Promise<CnitoolOutcome> {
    const script = 'mount --bind "$0" /var/lib && exec "$@"';
    const from = performance.now();
    const { code, stdout, stderr } = await run(
      'unshare',
      ['--mount', '--propagation', 'private', 'sh', '-c', script, join(this.#directory, 'var'), this.#program].concat(
        command,
        network,
        `/run/netns/${pod.netns}`,
      ),
      {
        env: {
          PATH: process.env['PATH'],
          NETCONFPATH: join(this.#directory, 'net.d'),
          CNI_PATH: `${join(this.#directory, 'bin')}:${PLUGIN_DIRECTORY}`,
          CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod.name}`,
          ...(capabilities === undefined ? {} : { CAP_ARGS: JSON.stringify(capabilities) }),
        },
      },
    );
    return { ok: code === 0, stdout, stderr: stderr.trim(), tookMs: performance.now() - from };
  }
}

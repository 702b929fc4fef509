import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { describe } from '@jest/globals';

import { describeWith } from '#test/support/require.ts';

/** Where distributions put the plugins of the CNI project. */
const PLUGIN_DIRECTORIES = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];

function cniPlugin(name: string): string | undefined {
  return PLUGIN_DIRECTORIES.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

/** `describe` for tests with real containers, or a counted skip with what is missing. containerd itself runs `loopback`. */
export function describeWithContainers(plugins: readonly string[], title: string, body: () => void): void {
  const absent = plugins.filter((name) => cniPlugin(name) === undefined);
  if (absent.length > 0) describe.skip(`${title} [skipped: needs the CNI plugins ${absent.join(', ')}]`, body);
  else describeWith(['root', 'ip', 'nft', 'gcc', 'containerd', 'runc'], title, body);
}

/** The plugin's path. Throws where `describeWithContainers` would have skipped. */
export function installedPlugin(name: string): string {
  const path = cniPlugin(name);
  if (path === undefined) throw new Error(`the CNI plugin ${name} is not installed`);
  return path;
}

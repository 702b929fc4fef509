/** A bundle: what is known of the node, for somebody who cannot log in to it. Everything passes the redaction before it is kept. */
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { output } from '../collect/command.ts';
import { checkNode } from '../check.ts';
import type { NodeFacts } from '../facts.ts';
import { page, podsOf } from '../view.ts';
import { Redactor, type Redaction } from './redact.ts';
import { type ArchivedFile, writeTar } from './tar.ts';

/** Kernel state in the words that people know; where a command is missing, its file says so. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  'kernel/links.txt': ['ip', '-d', 'link'],
  'kernel/addresses.txt': ['ip', 'address'],
  'kernel/rules.txt': ['ip', 'rule'],
  'kernel/rules-ipv6.txt': ['ip', '-6', 'rule'],
  'kernel/routes.txt': ['ip', 'route', 'show', 'table', 'all'],
  'kernel/routes-ipv6.txt': ['ip', '-6', 'route', 'show', 'table', 'all'],
  'kernel/neighbours.txt': ['ip', 'neigh'],
  'kernel/nftables.txt': ['nft', 'list', 'ruleset'],
  'kernel/qdiscs.txt': ['tc', '-s', 'qdisc'],
};
const LOG_BYTES = 2 * 1024 * 1024;
const MOST_EXPLAINED = 100;
const LIMIT_MS = 5000;

export interface BundleOptions {
  readonly root: string;
  readonly redaction: Redaction;
}

/** The files of a bundle, redacted. */
export async function bundleFiles(
  facts: NodeFacts,
  { root, redaction }: BundleOptions,
): Promise<readonly ArchivedFile[]> {
  const redactor = new Redactor(redaction);
  const json = (path: string, value: unknown): ArchivedFile => ({
    path,
    text: `${JSON.stringify(redactor.value(value), undefined, 2)}\n`,
  });
  // First, so that accounts are numbered alike in facts and findings.
  const clean = redactor.value(facts) as NodeFacts;
  const pages = Object.entries(facts.daemon.pages).map(([path, answer]) =>
    json(`introspection${path.replace('/v1', '')}.json`, answer),
  );
  const texts = [
    ...(await kernelTexts()),
    ...(await logs(facts, root)),
    ...(await conflists(facts)),
    ...(await metrics(facts)),
  ];
  const files = [
    json('facts.json', facts),
    json('findings.json', checkNode(clean)),
    json('journal-summary.json', facts.daemon.journal),
    json('explain.json', await explanations(facts)),
    ...pages,
    ...texts.map(({ path, text }) => ({ path, text: redactor.lines(text) })),
  ];
  const about = {
    format: 'wellspring-bundle/1',
    takenAt: facts.takenAt,
    version: facts.version,
    redaction,
    files: files.map(({ path }) => path),
  };
  return [json('bundle.json', about), ...files];
}

/** The archive's bytes. */
export function packBundle(files: readonly ArchivedFile[], takenAt: string): Promise<Buffer> {
  return promisify(gzip)(writeTar(files, Math.floor(Date.parse(takenAt) / 1000)));
}

/** Whole or not at all, readable by its owner alone. Rejects with the file system's error. */
export async function writeBundle(path: string, files: readonly ArchivedFile[], takenAt: string): Promise<number> {
  const packed = await packBundle(files, takenAt);
  const temporary = `${path}.${process.pid}.part`;
  try {
    await writeFile(temporary, packed, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return packed.length;
}

function kernelTexts(): Promise<readonly ArchivedFile[]> {
  return Promise.all(
    Object.entries(COMMANDS).map(async ([path, command]) => {
      const said = await output(command);
      return { path, text: 'value' in said ? said.value : `${command.join(' ')}: ${said.unknown}\n` };
    }),
  );
}

/** The file that ipamd writes where it writes one, and what the runtime keeps of its container. */
async function logs(facts: NodeFacts, root: string): Promise<readonly ArchivedFile[]> {
  const setting = page(facts, '/v1/ipamd-env-settings')['AWS_VPC_K8S_CNI_LOG_FILE'];
  const own = typeof setting === 'string' && setting.startsWith('/') ? [join(root, setting)] : [];
  const pods = join(root, 'var/log/pods');
  const directories = (await readdir(pods).catch(() => [])).filter((name) => name.startsWith('kube-system_wellspring'));
  const kept: string[] = [];
  for (const directory of directories)
    for (const container of await readdir(join(pods, directory)).catch(() => []))
      for (const file of await readdir(join(pods, directory, container)).catch(() => []))
        if (file.endsWith('.log')) kept.push(join(pods, directory, container, file));
  const read = [...own, ...kept.slice(-10)].map(async (path, index) => ({
    path: `logs/ipamd-${index + 1}.log`,
    text: await tail(path),
  }));
  return (await Promise.all(read)).filter(({ text }) => text !== '');
}

async function tail(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    const text = await readFile(path, 'utf8');
    // From the first whole line on: half a line may hide what the redaction looks for.
    return size <= LOG_BYTES ? text : text.slice(-LOG_BYTES).replace(/^[^\n]*\n/, '');
  } catch {
    return '';
  }
}

async function conflists({ cni }: NodeFacts): Promise<readonly ArchivedFile[]> {
  const files = 'value' in cni.conflists ? cni.conflists.value : [];
  return Promise.all(
    files.map(async ({ file }) => ({
      path: `cni/${file}`.slice(0, 100),
      text: await tail(join(cni.confDirectory, file)),
    })),
  );
}

async function metrics(facts: NodeFacts): Promise<readonly ArchivedFile[]> {
  const bind = page(facts, '/v1/ipamd-env-settings')['WELLSPRING_METRICS_BIND_ADDRESS'];
  if (typeof bind !== 'string') return [];
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(bind) ?? [];
  const isAny = host === '' || host === '0.0.0.0' || host === '[::]';
  const text = await got({
    host: isAny ? '127.0.0.1' : host.replaceAll(/[[\]]/g, ''),
    port: Number(port),
    path: '/metrics',
  });
  return text === undefined ? [] : [{ path: 'metrics.txt', text }];
}

async function explanations(facts: NodeFacts): Promise<Readonly<Record<string, unknown>>> {
  if (Object.keys(facts.daemon.pages).length === 0) return {};
  const subjects = podsOf(facts)
    .slice(0, MOST_EXPLAINED)
    .map(({ namespace, name }) => `${namespace}/${name}`);
  const found: Record<string, unknown> = {};
  for (const subject of subjects) {
    const path = `/v1/explain?${new URLSearchParams({ subject }).toString()}`;
    const text = await got({ socketPath: facts.daemon.introspectSocket, path });
    if (text !== undefined) found[subject] = jsonOrText(text);
  }
  return found;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** undefined: no answer. */
function got(where: {
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
  readonly path: string;
}): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request({ ...where, signal: AbortSignal.timeout(LIMIT_MS) }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('error', () => resolve(undefined));
      response.on('end', () => resolve(response.statusCode === 200 ? body : undefined));
    });
    call.on('error', () => resolve(undefined));
    call.end();
  });
}

/**
 * `wellspring-install`: puts the CNI binary where the container runtime looks for it (the init container of the DaemonSet),
 * and takes conflist and binary away again. The conflist is put by ipamd itself, when it serves.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CONFLIST_FILE } from '../conflist.ts';
import { placeFile, takeAway } from './place-file.ts';

const BINARY = 'wellspring-cni';
const DEFAULTS = { HOST_CNI_BIN_PATH: '/host/opt/cni/bin', HOST_CNI_CONFDIR_PATH: '/host/etc/cni/net.d' };

const HELP = `Usage: wellspring-install COMMAND [--source FILE]

  binary              puts the CNI binary into HOST_CNI_BIN_PATH (${DEFAULTS.HOST_CNI_BIN_PATH})
  remove              takes ${CONFLIST_FILE} out of HOST_CNI_CONFDIR_PATH (${DEFAULTS.HOST_CNI_CONFDIR_PATH}):
                      the runtime starts no more pods with it
  remove --binary     takes the CNI binary away, too; only when no pod of it is left, or its deletion fails
  stay                waits until it is told to stop, as the container of a DaemonSet must

Files are in place as a whole or not at all.
`;

async function main(argv: readonly string[]): Promise<string> {
  const { positionals, values } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      source: { type: 'string', default: fileURLToPath(new URL(BINARY, import.meta.url)) },
      binary: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [command, ...more] = positionals;
  if (values.help === true) return HELP;
  if (more.length > 0) throw new UsageError(`too many arguments: ${more.join(' ')}`);
  switch (command) {
    case 'binary':
      return install(values.source);
    case 'remove':
      return remove(values.binary);
    case 'stay':
      return stay();
    case undefined:
      throw new UsageError('no command');
    default:
      throw new UsageError(`there is no command ${command}`);
  }
}

class UsageError extends Error {}

async function install(source: string): Promise<string> {
  const path = join(place('HOST_CNI_BIN_PATH'), BINARY);
  const wasWritten = await placeFile({ path, content: await readFile(source), mode: 0o755 });
  return `${path}: ${wasWritten ? 'installed' : 'there already'}\n`;
}

async function remove(binaryToo: boolean): Promise<string> {
  const conflist = join(place('HOST_CNI_CONFDIR_PATH'), CONFLIST_FILE);
  const binary = join(place('HOST_CNI_BIN_PATH'), BINARY);
  const lines: string[] = [];
  for (const path of binaryToo ? [conflist, binary] : [conflist])
    lines.push(`${path}: ${(await takeAway(path)) ? 'removed' : 'there was none'}\n`);
  return lines.join('');
}

/** Process 1 of a container has no default action for signals. */
function stay(): Promise<string> {
  const awake = setInterval(() => undefined, 2 ** 30);
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      process.once(signal, () => {
        clearInterval(awake);
        resolve('');
      });
    process.stdout.write('nothing to do here but to stay\n');
  });
}

function place(setting: keyof typeof DEFAULTS): string {
  const path = process.env[setting]?.trim() || DEFAULTS[setting];
  if (!path.startsWith('/')) throw new UsageError(`${setting}=${JSON.stringify(path)} is not an absolute path`);
  return path;
}

main(process.argv.slice(2)).then(
  (text) => process.stdout.write(text),
  (error: unknown) => {
    const isUsage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(
      `wellspring-install: ${message}${isUsage === true ? '; see wellspring-install --help' : ''}\n`,
    );
    process.exitCode = isUsage === true ? 2 : 1;
  },
);

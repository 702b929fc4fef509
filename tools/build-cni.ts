/**
 * Builds the CNI binary: cni/native/entry.ts bundled, compiled to QuickJS bytecode and linked with the C host into one
 * static file. `node tools/build-cni.ts [--json] [--force]`; the demo, the image and the tests call the functions.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { build } from 'esbuild';

const ROOT = dirname(import.meta.dirname);
const SOURCES = join(ROOT, 'cni', 'native');
const DIST = join(ROOT, 'dist');
const CACHE = join(DIST, 'native');
const BINARY = join(DIST, 'wellspring-cni');

const HOST_UNITS = ['arena', 'io', 'exchange', 'host'] as const;
const ENGINE_UNITS = ['quickjs', 'libregexp', 'libunicode', 'dtoa'] as const;
const COMMON_FLAGS = ['-O2', '-ffunction-sections', '-fdata-sections', '-D_GNU_SOURCE'];
const ENGINE_FLAGS = [...COMMON_FLAGS, '-DNDEBUG', '-w'];
const HOST_FLAGS = [...COMMON_FLAGS, '-std=gnu11', '-Wall', '-Wextra', '-Werror'];
const LINK_FLAGS = ['-static', '-s', '-Wl,--gc-sections'];

/** A step takes seconds; a registry that hangs must not hang us. */
const STEP_TIMEOUT_MS = 300_000;

export type CniBinaryKind = 'quickjs-musl' | 'quickjs-glibc' | 'node-fallback';

export interface CniBinary {
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly kind: CniBinaryKind;
}

export interface BuildOptions {
  /** Told of each step that takes long, one line each. */
  readonly log: (line: string) => void;
  readonly force?: boolean;
}

/** The binary cannot be built here. The message says what is missing, why it matters and what to do, a line each. */
export class CniBuildError extends Error {
  override readonly name = 'CniBuildError';
}

interface Compiler {
  readonly path: string;
  readonly version: string;
  readonly kind: Exclude<CniBinaryKind, 'node-fallback'>;
}

/**
 * The compiled binary at dist/wellspring-cni. Built only when a source, the engine or the compiler changed since; safe
 * to call from several processes at once.
 * @throws CniBuildError
 */
export async function buildCniBinary(options: BuildOptions): Promise<CniBinary> {
  const compiler = await findCompiler();
  const script = await bundle();
  const engineKey = hash([readSource('Cargo.lock'), compiler.version, ...ENGINE_FLAGS]);
  const natives = [...HOST_UNITS, 'compile'].map((unit) => readSource(`${unit}.c`));
  const headers = ['arena.h', 'io.h'].map(readSource);
  const key = hash([engineKey, script, ...natives, ...headers, ...HOST_FLAGS, ...LINK_FLAGS]);
  if (options.force !== true && (await isCurrent(key))) return describe(compiler.kind);
  const engine = await engineObjects(compiler, engineKey, options);
  await inScratch(async (scratch) => {
    options.log('Compiling the CNI program');
    const built = await link(compiler, engine, script, scratch);
    const stamp = join(scratch, 'stamp');
    await writeFile(stamp, JSON.stringify({ key, sha256: hash([await readFile(built)]) }));
    await rename(built, BINARY);
    await rename(stamp, `${BINARY}.stamp`);
  });
  return describe(compiler.kind);
}

/**
 * The compiled binary, or, where it cannot be built, a script at the same path that runs the same program on the pinned
 * Node. Which of the two is said through `log`, with the reason.
 */
export async function provideCniBinary(options: BuildOptions): Promise<CniBinary> {
  try {
    return await buildCniBinary(options);
  } catch (error) {
    if (!(error instanceof CniBuildError)) throw error;
    for (const line of error.message.split('\n')) options.log(line);
    options.log('Using the Node fallback instead: the same program, about 100 ms slower for each call');
    return await writeNodeFallback(BINARY);
  }
}

/** Writes an executable script that runs cni/main.ts of this checkout on the pinned Node. It replaces what is at `path`. */
export async function writeNodeFallback(path: string): Promise<CniBinary> {
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const pinned = join(ROOT, 'node_modules', 'node', 'bin', 'node');
  const node = existsSync(pinned) ? pinned : process.execPath;
  const script = `#!/bin/sh\nexec ${quote(node)} --no-warnings ${quote(join(ROOT, 'cni', 'main.ts'))}\n`;
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(fresh, script, { mode: 0o755 });
  await chmod(fresh, 0o755);
  await rename(fresh, path);
  return { path, bytes: Buffer.byteLength(script), kind: 'node-fallback' };
}

async function describe(kind: CniBinaryKind): Promise<CniBinary> {
  return { path: BINARY, bytes: (await stat(BINARY)).size, kind };
}

async function isCurrent(key: string): Promise<boolean> {
  if (!existsSync(BINARY) || !existsSync(`${BINARY}.stamp`)) return false;
  const expected = JSON.stringify({ key, sha256: hash([await readFile(BINARY)]) });
  return (await readFile(`${BINARY}.stamp`, 'utf8')) === expected;
}

async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: [join(SOURCES, 'entry.ts')],
    bundle: true,
    format: 'iife',
    target: 'es2023',
    platform: 'neutral',
    minify: true,
    write: false,
    absWorkingDir: ROOT,
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new Error('esbuild gave no output');
  return file.text;
}

async function findCompiler(): Promise<Compiler> {
  const musl = findTool('musl-gcc');
  const path = musl ?? findTool('gcc') ?? findTool('cc');
  if (path === undefined) {
    throw new CniBuildError(
      'The CNI binary cannot be compiled: there is neither musl-gcc nor gcc nor cc in PATH.\n' +
        'It is written in TypeScript and linked with a small C host.\n' +
        'Install a compiler (Debian: apt-get install musl-tools gcc) and run the command again.',
    );
  }
  const version = await execute(path, ['--version'], 'ask the compiler for its version');
  return { path, version: `${path}\n${version}`, kind: musl === undefined ? 'quickjs-glibc' : 'quickjs-musl' };
}

/** The directory with QuickJS's object files; fetched and compiled once for each version and compiler. */
async function engineObjects(compiler: Compiler, key: string, options: BuildOptions): Promise<Engine> {
  const include = await fetchEngine(options);
  const objects = join(CACHE, `quickjs-${key.slice(0, 16)}`);
  if (!existsSync(objects) || options.force === true) {
    options.log('Compiling QuickJS-ng (once, about 20 seconds)');
    await inScratch(async (scratch) => {
      await Promise.all(
        ENGINE_UNITS.map((unit) =>
          execute(
            compiler.path,
            [...ENGINE_FLAGS, '-c', join(include, `${unit}.c`), '-o', join(scratch, `${unit}.o`)],
            `compile QuickJS’s ${unit}.c`,
          ),
        ),
      );
      await publish(scratch, objects);
    });
  }
  return { include, objects: ENGINE_UNITS.map((unit) => join(objects, `${unit}.o`)) };
}

interface Engine {
  readonly include: string;
  readonly objects: readonly string[];
}

/** QuickJS-ng's sources, from the crate that Cargo.lock pins by checksum. */
async function fetchEngine(options: BuildOptions): Promise<string> {
  const vendored = join(CACHE, `vendor-${hash([readSource('Cargo.lock')]).slice(0, 16)}`);
  const sources = join(vendored, 'rquickjs-sys', 'quickjs');
  if (existsSync(sources)) return sources;
  const cargo = findTool('cargo');
  if (cargo === undefined) {
    throw new CniBuildError(
      'The CNI binary cannot be compiled: there is no cargo in PATH.\n' +
        'QuickJS-ng, which runs the program, comes as the crate rquickjs-sys.\n' +
        'Install cargo (Debian: apt-get install cargo) and run the command again.',
    );
  }
  options.log('Fetching QuickJS-ng (crate rquickjs-sys)');
  await inScratch(async (scratch) => {
    const manifest = join(SOURCES, 'Cargo.toml');
    await execute(
      cargo,
      ['vendor', '--locked', '--manifest-path', manifest, join(scratch, 'vendor')],
      'fetch QuickJS-ng',
    );
    await publish(join(scratch, 'vendor'), vendored);
  });
  return sources;
}

async function link(compiler: Compiler, engine: Engine, script: string, scratch: string): Promise<string> {
  const object = (unit: string): string => join(scratch, `${unit}.o`);
  const compile = (unit: string): Promise<string> =>
    execute(
      compiler.path,
      [...HOST_FLAGS, '-isystem', engine.include, '-c', join(SOURCES, `${unit}.c`), '-o', object(unit)],
      `compile ${unit}.c`,
    );
  await Promise.all([...HOST_UNITS, 'compile'].map(compile));
  const libraries = ['-lm', '-lpthread'];
  const compileTool = join(scratch, 'compile');
  const toolParts = [object('compile'), ...engine.objects, ...libraries, '-o', compileTool];
  await execute(compiler.path, [...LINK_FLAGS, ...toolParts], 'link the bytecode compiler');
  const bytecode = join(scratch, 'bytecode.c');
  await writeFile(bytecode, await execute(compileTool, [], 'compile the script to bytecode', script));
  await execute(compiler.path, ['-c', bytecode, '-o', object('bytecode')], 'compile the bytecode');
  const built = join(scratch, 'wellspring-cni');
  const parts = [...HOST_UNITS, 'bytecode'].map(object);
  await execute(
    compiler.path,
    [...LINK_FLAGS, ...parts, ...engine.objects, ...libraries, '-o', built],
    'link the CNI binary',
  );
  return built;
}

/** A directory of our own beside the results, so that a rename is enough to publish; gone afterwards. */
async function inScratch(work: (scratch: string) => Promise<void>): Promise<void> {
  const scratch = join(CACHE, `scratch-${randomBytes(6).toString('hex')}`);
  await mkdir(scratch, { recursive: true });
  try {
    await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Moves a finished directory to its name. Another process may have been first; its content is the same. */
async function publish(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
  await mkdir(from, { recursive: true });
}

const executeFile = promisify(execFile);

/** Standard output of a command. @throws CniBuildError with the end of its standard error */
async function execute(command: string, args: readonly string[], purpose: string, input?: string): Promise<string> {
  try {
    const running = executeFile(command, args, { timeout: STEP_TIMEOUT_MS, maxBuffer: 32 << 20, cwd: ROOT });
    // A command that ends before it has read its input tells so by its status.
    running.child.stdin?.on('error', () => undefined);
    running.child.stdin?.end(input);
    return (await running).stdout;
  } catch (cause) {
    const stderr = cause instanceof Error && 'stderr' in cause ? String(cause.stderr) : String(cause);
    const last = stderr.trim().split('\n').slice(-5).join('\n  ');
    throw new CniBuildError(`The CNI binary cannot be built: could not ${purpose} (${command}).\n  ${last}`, { cause });
  }
}

function findTool(name: string): string | undefined {
  const directories = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function readSource(name: string): string {
  return readFileSync(join(SOURCES, name), 'utf8');
}

function hash(parts: readonly (string | Uint8Array)[]): string {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(`${part.length}:`).update(part);
  return digest.digest('hex');
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, force: { type: 'boolean' } } });
  try {
    const log = (line: string): void => void process.stderr.write(`${line}\n`);
    const binary = await buildCniBinary({ log, force: values.force === true });
    process.stdout.write(
      values.json === true ? `${JSON.stringify(binary)}\n` : `${binary.path}: ${binary.bytes} bytes, ${binary.kind}\n`,
    );
  } catch (error) {
    if (!(error instanceof CniBuildError)) throw error;
    process.stderr.write(
      `${error.message}\nWithout it, the Node fallback (node cni/main.ts) does the same work, slower.\n`,
    );
    process.exitCode = 2;
  }
}

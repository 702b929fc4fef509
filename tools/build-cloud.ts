/**
 * Builds the package `wellspring-cloud`: the command, and the API for tests with its type declarations. It is JavaScript,
 * since Node strips no types under node_modules, and has no dependencies: what it needs is in the two files.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { build as bundle } from 'esbuild';

const ROOT = dirname(import.meta.dirname);
const API = 'cloud/emulator/api';
/** The two files that the declarations of the API are made of: they need nothing else. */
const DECLARATIONS = ['index', 'contract'];
/** What of docs/ comes with it, and under which name. */
const PAGES: Readonly<Record<string, string>> = {
  'emulator.md': 'README.md',
  'behind.md': 'behind.md',
  'fidelity.md': 'fidelity.md',
};
/** Disposable stacks came with it. */
const OLDEST_NODE = 24;

export interface CloudPackage {
  readonly directory: string;
}

/** Makes the package's directory anew. Rejects with what a build step has to say. */
export async function buildCloud(directory = join(ROOT, 'dist', 'wellspring-cloud')): Promise<CloudPackage> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  await bundle({
    absWorkingDir: ROOT,
    entryPoints: [
      { in: 'cloud/emulator/main.ts', out: 'main' },
      { in: `${API}/index.ts`, out: 'index' },
    ],
    outdir: directory,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: `node${OLDEST_NODE}`,
    minifySyntax: true,
    // Some of what is bundled is CommonJS and asks for Node's own modules so.
    banner: {
      js: "import{createRequire as wellspringRequire}from'node:module';const require=wellspringRequire(import.meta.url);",
    },
    logLevel: 'silent',
  });
  await Promise.all([
    writeDeclarations(directory),
    writeManifest(directory),
    cp(join(ROOT, 'LICENSE'), join(directory, 'LICENSE')),
    ...Object.entries(PAGES).map(([page, name]) => writePage(page, join(directory, name))),
  ]);
  return { directory };
}

async function writeDeclarations(directory: string): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), 'wellspring-declarations-'));
  try {
    const project = {
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { noEmit: false, declaration: true, emitDeclarationOnly: true, rootDir: ROOT, outDir: place },
      include: [join(ROOT, API, 'index.ts')],
    };
    // Beside the sources, whose packages it has to find.
    const config = join(ROOT, 'node_modules', `.wellspring-declarations-${process.pid}.json`);
    await writeFile(config, JSON.stringify(project));
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    try {
      await promisify(execFile)(process.execPath, [tsc, '-p', config], { cwd: ROOT });
    } finally {
      await rm(config);
    }
    for (const name of DECLARATIONS) {
      const text = await readFile(join(place, API, `${name}.d.ts`), 'utf8');
      await writeFile(join(directory, `${name}.d.ts`), standingAlone(text));
    }
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

function standingAlone(text: string): string {
  return text.replaceAll(/'\.\/(\w+)\.ts'/g, "'./$1.js'");
}

/** Links to what does not come with the package become plain text. */
async function writePage(page: string, to: string): Promise<void> {
  const text = await readFile(join(ROOT, 'docs', page), 'utf8');
  const linked = text.replaceAll(/\[([^\]]*)\]\((?!https:)([^)#]+)[^)]*\)/g, (link, words: string, target: string) => {
    const name = PAGES[target];
    return name === undefined ? words : link.replace(target, name);
  });
  await writeFile(to, linked);
}

async function writeManifest(directory: string): Promise<void> {
  const { version, license } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Record<string, string>;
  const manifest = {
    name: 'wellspring-cloud',
    version,
    description: 'An EC2 endpoint for tests: interfaces, addresses and prefixes with the limits and errors of EC2',
    license,
    type: 'module',
    bin: { 'wellspring-cloud': 'main.js' },
    exports: { '.': { types: './index.d.ts', default: './index.js' } },
    types: './index.d.ts',
    engines: { node: `>=${OLDEST_NODE}` },
    os: ['linux', 'darwin'],
    files: ['*.js', '*.d.ts', '*.md'],
  };
  await writeFile(join(directory, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

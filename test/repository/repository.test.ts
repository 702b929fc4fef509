/** The repository tests its own habits: folder arrows, sizes, generated pages, what must never be committed. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { generatedDocs } from '#tools/generate-docs.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const FILES = execFileSync(
  'git',
  ['-c', 'safe.directory=*', 'ls-files', '--cached', '--others', '--exclude-standard'],
  {
    cwd: ROOT,
    encoding: 'utf8',
  },
)
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(ROOT, path)));
const SOURCES = FILES.filter((path) => /\.(ts|mjs|c|sh)$/.test(path));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Room -> rooms it may import. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'warm-pool': [],
  cni: [],
  cloud: ['warm-pool'],
  // Its own version, which the bundle must carry with it.
  ipamd: ['warm-pool', 'cloud', 'cni', 'package.json'],
  deploy: [],
};

function importsOf(path: string): readonly string[] {
  const specifiers = [...read(path).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
  return specifiers.flatMap((specifier) => {
    if (specifier.startsWith('#')) return [specifier.slice(1)];
    return specifier.startsWith('.') ? [relative(ROOT, normalize(join(ROOT, dirname(path), specifier)))] : [];
  });
}

describe('architecture', () => {
  it.each(Object.keys(ARROWS))('%s imports only what the arrows allow', (room) => {
    const allowed = new Set([room, ...(ARROWS[room] ?? [])]);
    const wrong = SOURCES.filter((path) => path.startsWith(`${room}/`) && !path.endsWith('.test.ts')).flatMap((path) =>
      importsOf(path)
        .filter((target) => !allowed.has(target.split('/')[0] ?? ''))
        .map((target) => `${path} -> ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('the CNI binary reaches nothing but cni/ and Node', () => {
    const seen = new Set<string>();
    const visit = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      importsOf(path).forEach(visit);
    };
    visit('cni/main.ts');
    expect([...seen].filter((path) => !path.startsWith('cni/'))).toEqual([]);
  });
});

describe('sizes', () => {
  it('no source file has more than 400 lines, tables of data excepted', () => {
    const long = SOURCES.filter((path) => !/\.(data|generated)\.ts$/.test(path)).filter(
      (path) => read(path).split('\n').length > 401,
    );
    expect(long).toEqual([]);
  });
});

describe('pages', () => {
  it('the generated ones are in step with the code', async () => {
    for (const [path, text] of Object.entries(await generatedDocs()))
      expect(`${path}\n${read(path)}`).toBe(`${path}\n${text}`);
  });

  it.each(['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'LICENSE', 'docs/architecture.md', '.ci/run'])(
    '%s is there',
    (path) => {
      expect(existsSync(join(ROOT, path))).toBe(true);
    },
  );

  it('every link of a page to a file leads somewhere', () => {
    const broken = FILES.filter((path) => path.endsWith('.md')).flatMap((path) =>
      [...read(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
        .map((match) => normalize(join(dirname(path), match[1] ?? '')))
        .filter((target) => !existsSync(join(ROOT, target)))
        .map((target) => `${path} -> ${target}`),
    );
    expect(broken).toEqual([]);
  });
});

describe('habits', () => {
  const code = SOURCES.filter((path) => path !== 'test/repository/repository.test.ts');

  it.each([
    ['module mocks', /\bjest\.(mock|unstable_mockModule)\(/],
    ['tests that are switched off or alone', /\b(it|test|describe)\.(only|todo)\(/],
    ['silenced checks', /@ts-ignore|@ts-nocheck|oxlint-disable|eslint-disable/],
    ['unfinished work', /\b(TODO|FIXME|XXX)\b/],
    ['default exports', /^export default (?!\{|class ClosingLineReporter)/m],
  ])('no %s', (_what, pattern) => {
    expect(code.filter((path) => pattern.test(read(path)))).toEqual([]);
  });

  it('no test has a smaller limit of time than that of jest.config.mjs, which is for the slowest machine', () => {
    const tests = code.filter((path) => path.endsWith('.test.ts') && !/^test\/(kubernetes|localstack|vm)\//.test(path));
    expect(tests.filter((path) => /^ *\}, (\d{1,2}|[12]\d\d)_000\);$/m.test(read(path)))).toEqual([]);
  });

  it('no file has a name that says nothing', () => {
    expect(SOURCES.filter((path) => /(^|\/)(utils?|helpers?|common|manager|wrapper)\b/.test(path))).toEqual([]);
  });

  it('nothing binary is committed', () => {
    expect(FILES.filter((path) => !path.endsWith('.png') && readFileSync(join(ROOT, path)).includes(0))).toEqual([]);
  });
});
